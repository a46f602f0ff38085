"""An embedded client does what any ``redis.Redis`` does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.client import Pipeline
from redis.lock import Lock

from embedding import OpenClient, is_blocked
from serving import until


def test_replies_are_bytes_unless_text_is_asked_for(open_client: OpenClient) -> None:
    assert open_client().set("key", "värde") is True
    assert open_client().get("key") == "värde".encode()
    assert open_client(decode_responses=True).get("key") == "värde"


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_versions_of_the_protocol_are_spoken(open_client: OpenClient, protocol: int) -> None:
    db = open_client(protocol=protocol, decode_responses=True)
    db.hset("hash", mapping={"a": "1", "b": "2"})
    db.zadd("zset", {"x": 1.5})
    assert db.hgetall("hash") == {"a": "1", "b": "2"}
    assert db.zscore("zset", "x") == 1.5
    assert db.client_info()["resp"] == str(protocol)


def test_replies_have_the_shapes_that_redis_py_gives_them_by_itself(
    db: redis.Redis, open_client: OpenClient
) -> None:
    db.zadd("zset", {"x": 1.5})
    assert db.client_info()["resp"] == "3"
    assert db.zrange("zset", 0, -1, withscores=True) == [("x", 1.5)]
    modern = open_client(protocol=3, decode_responses=True)
    assert modern.zrange("zset", 0, -1, withscores=True) == [["x", 1.5]]


def test_a_database_is_chosen_by_its_number(open_client: OpenClient) -> None:
    open_client(db=3).set("key", 1)
    assert open_client().exists("key") == 0
    assert open_client(db=3).exists("key") == 1


def test_a_pipeline_gives_all_replies_in_order(db: redis.Redis) -> None:
    with db.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(f"key:{number}", number)
        assert pipe.execute() == [True] * 5000
        for number in range(5000):
            pipe.get(f"key:{number}")
        assert pipe.execute() == [str(number) for number in range(5000)]


def test_a_transaction_fails_if_a_watched_key_has_changed(db: redis.Redis) -> None:
    db.set("key", 1)
    with db.pipeline() as pipe:
        pipe.watch("key")
        db.set("key", 2)
        pipe.multi()
        pipe.set("key", 3)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert db.get("key") == "2"


def test_increments_of_many_threads_are_all_counted(db: redis.Redis) -> None:
    def count(_: int) -> None:
        for number in range(200):
            db.incr(f"counter:{number % 7}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    assert sum([int(value or 0) for value in db.mget([f"counter:{n}" for n in range(7)])]) == 1600


def test_transactions_of_many_threads_do_not_mix(db: redis.Redis) -> None:
    def move_one(pipe: Pipeline) -> None:
        left = int(pipe.get("one") or 0)
        pipe.multi()
        pipe.set("one", left - 1)
        pipe.incr("other")

    def move_many(_: int) -> None:
        for _ in range(50):
            db.transaction(move_one, "one", "other")

    db.mset({"one": 0, "other": 0})
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(move_many, range(4)))
    assert db.mget("one", "other") == ["-200", "200"]


def test_a_blocking_pop_waits_for_another_thread(db: redis.Redis, open_client: OpenClient) -> None:
    waiter = open_client(client_name="waiter", decode_responses=True)
    with ThreadPoolExecutor(1) as threads:
        popped = threads.submit(waiter.blpop, ["queue"], 60)
        until(lambda: is_blocked(db, "waiter"), "the waiter waits")
        db.rpush("queue", "job")
        assert popped.result() == ("queue", "job")
    assert db.blpop(["queue"], 0.01) is None


def test_a_command_that_takes_longer_than_socket_timeout_raises(open_client: OpenClient) -> None:
    impatient = open_client(socket_timeout=0.05)
    with pytest.raises(redis.TimeoutError):
        impatient.blpop(["queue"], 0)
    assert impatient.ping()


def test_messages_come_to_subscribers(db: redis.Redis) -> None:
    with db.pubsub(ignore_subscribe_messages=True) as subscriber:
        subscriber.subscribe("news")
        subscriber.psubscribe("n*")
        for _ in range(2):
            assert subscriber.get_message(timeout=60) is None
        assert db.publish("news", "hello") == 2
        messages = [subscriber.get_message(timeout=60) for _ in range(2)]
        assert [one and (one["type"], one["data"]) for one in messages] == [
            ("message", "hello"),
            ("pmessage", "hello"),
        ]
        assert subscriber.get_message(timeout=0) is None


def test_a_thread_that_listens_gets_what_others_publish(db: redis.Redis) -> None:
    got: list[str] = []
    subscriber = db.pubsub()
    subscriber.subscribe(news=lambda message: got.append(message["data"]))
    listener = subscriber.run_in_thread(sleep_time=0.01)
    try:
        until(lambda: db.publish("news", "first") == 1, "the subscription")
        db.publish("news", "second")
        until(lambda: got == ["first", "second"], "both messages")
    finally:
        listener.stop()
        listener.join()


def test_scripts_run(db: redis.Redis) -> None:
    add = db.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert add(keys=["key"], args=[5]) == 5
    assert db.eval("return {1, 'two'}", 0) == [1, "two"]
    with pytest.raises(redis.ResponseError, match="no such thing"):
        db.eval("return redis.error_reply('ERR no such thing')", 0)


def test_others_are_told_of_a_slow_script_and_can_kill_it(db: redis.Redis) -> None:
    db.config_set("busy-reply-threshold", 10)
    db.set("key", 1)

    def is_busy() -> bool:
        try:
            db.get("key")
        except redis.ResponseError as error:
            return str(error).startswith("BUSY")
        return False

    with ThreadPoolExecutor(1) as threads:
        looping = threads.submit(db.eval, "while true do end", 0)
        until(is_busy, "the script is slow")
        assert db.script_kill()
        with pytest.raises(redis.ResponseError, match="killed by user"):
            looping.result()
    assert db.get("key") == "1"


def test_locks_exclude(db: redis.Redis) -> None:
    lock: Lock = db.lock("lock", timeout=60)
    assert lock.acquire()
    assert not db.lock("lock").acquire(blocking=False)
    lock.release()
    assert db.lock("lock", timeout=60).acquire(blocking=False)


def test_all_keys_are_found_by_scanning(db: redis.Redis) -> None:
    db.mset({f"key:{number}": number for number in range(500)})
    assert set(db.scan_iter("key:*")) == {f"key:{number}" for number in range(500)}


def test_errors_are_those_of_redis(db: redis.Redis) -> None:
    db.set("text", "abc")
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        db.incr("text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        db.lpush("text", 1)
    with pytest.raises(redis.ResponseError, match="unknown command"):
        db.execute_command("NOSUCH")


def test_values_of_any_size_and_kind_of_bytes_pass(
    db: redis.Redis, open_client: OpenClient
) -> None:
    raw = open_client()
    value = bytes(range(256)) * 8192
    raw.set("large", value)
    raw.set("view", memoryview(value))
    assert raw.get("large") == raw.get("view") == value


def test_a_bulk_beyond_the_limit_is_refused(db: redis.Redis) -> None:
    db.config_set("proto-max-bulk-len", "1mb")
    with pytest.raises((redis.ResponseError, redis.ConnectionError)):
        db.set("key", "x" * (1024 * 1024 + 1))
    assert db.set("key", "small")


def test_a_client_can_be_seen_and_killed(db: redis.Redis, open_client: OpenClient) -> None:
    victim = open_client(client_name="victim", decode_responses=True)
    number = victim.client_id()
    (line,) = [one for one in db.client_list() if one["name"] == "victim"]
    assert (line["addr"], line["id"], line["flags"]) == (f"embedded:{number}", str(number), "N")
    with ThreadPoolExecutor(1) as threads:
        popped = threads.submit(victim.blpop, ["queue"], 0)
        until(lambda: is_blocked(db, "victim"), "the victim waits")
        assert db.client_kill(f"embedded:{number}")
        assert len(db.client_list()) == 1
        with pytest.raises(redis.ConnectionError):
            popped.result()
    assert victim.ping(), "it connects again"


def test_a_client_that_has_been_closed_leaves_the_list(
    db: redis.Redis, open_client: OpenClient
) -> None:
    other = open_client(client_name="other")
    other.ping()
    other.close()
    assert all(one["name"] != "other" for one in db.client_list())


def test_there_are_no_more_clients_than_maxclients(db: redis.Redis) -> None:
    db.config_set("maxclients", 1)
    with db.client(), pytest.raises(redis.ConnectionError, match="max number of clients reached"):
        db.ping()
    assert db.ping()


def test_a_password_is_asked_for(open_client: OpenClient) -> None:
    stranger = open_client(requirepass="secret")
    with pytest.raises(redis.AuthenticationError):
        stranger.get("key")
    with pytest.raises(redis.AuthenticationError):
        open_client(password="wrong").get("key")
    assert open_client(password="secret").get("key") is None


def test_invalidations_come_to_who_tracks(db: redis.Redis, open_client: OpenClient) -> None:
    other = open_client(protocol=2, decode_responses=True)
    with other.pubsub() as listener:
        listener.subscribe("__redis__:invalidate")
        assert listener.get_message(timeout=60)
        redirect = [one["id"] for one in other.client_list() if one["sub"] == "1"]
        with other.client() as tracking:
            tracking.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", redirect[0])
            tracking.get("key")
            other.set("key", 1)
            message = listener.get_message(timeout=60)
    assert message is not None
    assert message["data"] == ["key"]


def test_more_data_than_memory_is_kept_and_read_back(db: redis.Redis) -> None:
    value = "x" * 20_000
    for number in range(1500):
        db.set(f"key:{number}", f"{number}:{value}")
    figures = db.info("everything")
    assert figures["cache_resident_keys"] < 1000
    for number in range(0, 1500, 10):
        assert db.get(f"key:{number}") == f"{number}:{value}"
    with db.pipeline(transaction=False) as pipe:
        for number in range(0, 1500, 3):
            pipe.strlen(f"key:{number}")
        assert pipe.execute() == [len(f"{number}:{value}") for number in range(0, 1500, 3)]
    assert db.info("cache")["cache_misses"] > 100


def test_threads_that_miss_and_threads_that_hit_go_on_together(db: redis.Redis) -> None:
    db.mset({f"key:{number}": number for number in range(200)})
    db.execute_command("CACHE", "FLUSH")
    wrong: list[int] = []

    def read(offset: int) -> None:
        for number in range(200):
            wanted = (number * 7 + offset) % 200
            if number % 5 == 0:
                db.execute_command("CACHE", "EVICT", f"key:{wanted}")
            if db.get(f"key:{wanted}") != str(wanted):
                wrong.append(wanted)

    readers = [threading.Thread(target=read, args=(n,)) for n in range(6)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_keys_expire_without_being_looked_at(db: redis.Redis) -> None:
    db.set("key", 1, px=20)
    until(lambda: db.dbsize() == 0, "it expires")
