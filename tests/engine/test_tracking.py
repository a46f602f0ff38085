"""Client-side caching: who is told of which changes, when, and what the server remembers for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver import Driver
from dscache.engine.tracking import CHANNEL
from dscache.wire.encoder import ReplyWriter
from dscache.wire.reply import Message, Push


class Client:
    """A client, RESP3 unless it is said; ``told`` is what it was told since the last look."""

    def __init__(self, driver: Driver, resp: int = 3) -> None:
        self.driver = driver
        self.session = driver.new_session()
        self.session.resp = resp
        self.session.push = self._take
        self._messages: list[list[object]] = []

    def _take(self, message: object) -> None:
        assert isinstance(message, (Message, Push))
        self._messages.append(list(message.items))

    def __call__(self, *words: str | bytes | int) -> object:
        return self.driver.run(*words, session=self.session)

    def tracks(self, *options: str | int) -> Client:
        """Turn tracking on."""
        assert self("CLIENT", "TRACKING", "ON", *options) == b"OK"
        return self

    def told(self) -> list[list[object]]:
        """The keys of each message; of a message that is no invalidation, all of it."""
        self.driver.turn_until(lambda: not self.driver.engine.tracking.has_work)
        messages = self._messages
        self._messages = []
        return [one[1:] if one[0] == b"invalidate" else one for one in messages]


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine; its own session changes keys and is not tracked."""
    driver = Driver()
    yield driver
    driver.close()


@pytest.fixture
def client(driver: Driver) -> Client:
    """A client that tracks what it reads."""
    return Client(driver).tracks()


def figures(driver: Driver) -> tuple[int, int, int, int]:
    """Clients, keys, items, prefixes."""
    tracking = driver.engine.tracking
    return tracking.clients, tracking.keys, tracking.items, tracking.prefixes


# What is told


def test_who_has_read_a_key_is_told_once(driver: Driver, client: Client) -> None:
    other = Client(driver).tracks()
    client("MGET", "a", "b")
    other("GET", "b")
    driver.run("MSET", "a", 1, "b", 2, "c", 3)
    assert client.told() == [[b"a"], [b"b"]]
    assert other.told() == [[b"b"]]
    driver.run("MSET", "a", 1, "b", 2)
    assert client.told() == other.told() == []


@pytest.mark.parametrize(
    "change",
    [
        "SET k 1", "DEL k", "APPEND k x", "EXPIRE k 100", "EXPIRE k -1", "PERSIST k", "RENAME k other",
        "RENAME other k", "MOVE k 1", "COPY other k REPLACE", "SUNIONSTORE k none", "GETDEL k",
        "SORT list STORE k", "SETEX k 100 x", "GETEX k EX 10", "BITOP NOT k other", "UNLINK k",
    ],
)  # fmt: skip
def test_every_change_is_told(driver: Driver, client: Client, change: str) -> None:
    driver.run("SET", "k", "v", "EX", 1000)
    driver.run("SET", "other", "v")
    driver.run("RPUSH", "list", 1, 2)
    client("GET", "k")
    driver.evict_all()
    assert client.told() == []
    driver.run(*change.split())
    assert client.told() == [[b"k"]]


@pytest.mark.parametrize(
    "nothing",
    ["SET k 1 NX", "SREM s none", "DEL none", "EXPIRE k 100 XX", "GETEX k", "XACK x g 1-1"],
)
def test_what_changes_nothing_is_not_told(driver: Driver, client: Client, nothing: str) -> None:
    driver.run("SET", "k", "v")
    driver.run("SADD", "s", "m")
    for key in ("k", "s", "x", "none"):
        client("TYPE", key)
    driver.run(*nothing.split())
    assert client.told() == []


def test_only_what_reading_commands_name_is_remembered(driver: Driver, client: Client) -> None:
    client("SET", "a", 1)
    client("INCR", "b")
    client("KEYS", "*")
    client("EXISTS", "c", "d")
    client("SINTERCARD", "no number", "e")
    client("LRANGE", "a", 0, -1)
    driver.run("MSET", "a", 1, "b", 1, "c", 1, "d", 1, "e", 1)
    # Also what was answered by WRONGTYPE.
    assert client.told() == [[b"a"], [b"c"], [b"d"]]


def test_leaving_memory_and_coming_back_is_no_change(driver: Driver, client: Client) -> None:
    driver.run("SET", "k", "v")
    driver.run("SADD", "s", *range(200))
    client("GET", "k")
    client("SCARD", "s")
    for _ in range(2):
        driver.evict_all()
        assert driver.run("GET", "k") == b"v"
        assert driver.run("SCARD", "s") == 200
    assert client.told() == []
    assert figures(driver) == (1, 2, 2, 0)


@pytest.mark.parametrize("is_in_memory", [True, False])
def test_expiry_is_told_by_whoever_finds_it(
    driver: Driver, client: Client, is_in_memory: bool
) -> None:
    driver.run("SET", "sought", "v", "PX", 100)
    driver.run("SET", "unsought", "v", "PX", 100)
    client("MGET", "sought", "unsought")
    driver.flush()
    if not is_in_memory:
        driver.evict_all()
    driver.advance(1)
    driver.run("GET", "sought")
    assert client.told() == [[b"sought"]]
    driver.engine.tick()
    driver.turn_until(lambda: driver.engine.core.stats.expired_keys == 2)
    assert client.told() == [[b"unsought"]]


def test_the_expiry_of_a_field_is_told(driver: Driver, client: Client) -> None:
    driver.run("HSET", "h", "f", 1, "g", 2)
    driver.run("HPEXPIRE", "h", 100, "FIELDS", 1, "f")
    client("HGETALL", "h")
    driver.advance(1)
    assert driver.run("HLEN", "h") == 1
    assert client.told() == [[b"h"]]


@pytest.mark.parametrize("flush", ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"])
def test_a_change_of_everything_is_one_message(driver: Driver, client: Client, flush: str) -> None:
    broadcast = Client(driver).tracks("BCAST", "PREFIX", "x")
    client("MGET", "a", "b")
    driver.run(*flush.split())
    assert client.told() == broadcast.told() == [[None]]
    assert figures(driver) == (2, 0, 0, 1)
    driver.run("SET", "a", 1)
    assert client.told() == []


def test_keys_are_tracked_by_name_in_all_databases(driver: Driver, client: Client) -> None:
    client("GET", "k")
    driver.run("SELECT", 1)
    driver.run("SET", "k", 1)
    assert client.told() == [[b"k"]]


# When


def test_what_a_client_changes_itself_is_told_behind_the_reply(
    driver: Driver, client: Client
) -> None:
    client("GET", "a")
    assert driver.engine.execute(client.session, [b"SET", b"a", b"1"]) is not None
    assert client.told() == []
    client.session.reply_sent()
    assert client.told() == [[b"a"]]


def test_what_a_transaction_changes_is_told_behind_all_its_replies(
    driver: Driver, client: Client
) -> None:
    client("MULTI")
    client("GET", "a")
    client("INCR", "a")
    client("GET", "b")
    assert client("EXEC") == [None, 1, None]
    assert client.told() == [[b"a"]]
    driver.run("MSET", "a", 1, "b", 1)
    assert client.told() == [[b"b"]]


def test_a_command_that_waited_for_the_disk_is_remembered(driver: Driver, client: Client) -> None:
    driver.run("SET", "k", "v")
    driver.evict_all()
    replies = driver.start("GET", "k", session=client.session)
    driver.run("SET", "k", "w")
    driver.turn_until(lambda: bool(replies))
    assert replies == [b"w"]
    assert client.told() == []
    driver.run("SET", "k", "x")
    assert client.told() == [[b"k"]]


def test_a_blocked_client_is_told_behind_its_reply(driver: Driver, client: Client) -> None:
    client("LRANGE", "to", 0, -1)
    replies = driver.start("BLMOVE", "from", "to", "LEFT", "LEFT", 0, session=client.session)
    driver.run("RPUSH", "from", "x")
    assert replies == [b"x"]
    assert client.told() == [[b"to"]]


# Options


def test_noloop_leaves_out_what_the_client_changes_itself(driver: Driver, client: Client) -> None:
    quiet = Client(driver).tracks("NOLOOP")
    for one in (client, quiet):
        one("MGET", "a", "b")
    quiet("SET", "a", 1)
    client("SET", "b", 1)
    assert quiet.told() == [[b"b"]]
    assert client.told() == [[b"a"], [b"b"]]
    assert figures(driver) == (2, 0, 0, 0)


def test_noloop_does_not_leave_out_what_expires(driver: Driver) -> None:
    """In Redis it does, if the client itself finds the key expired and does not broadcast."""
    for options in ((), ("BCAST",)):
        quiet = Client(driver).tracks("NOLOOP", *options)
        quiet("SET", "k", "v", "PX", 100)
        assert quiet("GET", "k") == b"v"
        assert quiet.told() == []
        driver.advance(1)
        assert quiet("GET", "k") is None
        assert quiet.told() == [[b"k"]]


def test_optin_remembers_what_caching_yes_precedes(driver: Driver) -> None:
    client = Client(driver).tracks("OPTIN")
    client("GET", "a")
    client("CLIENT", "CACHING", "YES")
    client("CLIENT", "ID")
    client("GET", "b")
    client("GET", "c")
    client("CLIENT", "CACHING", "YES")
    client("MULTI")
    client("GET", "d")
    client("GET", "e")
    client("EXEC")
    client("GET", "f")
    client("CLIENT", "CACHING", "YES")
    client("NO SUCH COMMAND")
    client("GET", "g")
    driver.run("MSET", *[word for key in "abcdefg" for word in (key, 1)])
    assert client.told() == [[b"b"], [b"d"], [b"e"]]


def test_optout_remembers_all_but_what_caching_no_precedes(driver: Driver) -> None:
    client = Client(driver).tracks("OPTOUT")
    client("GET", "a")
    client("CLIENT", "CACHING", "NO")
    client("MGET", "b", "c")
    client("GET", "d")
    client("MULTI")
    client("CLIENT", "CACHING", "NO")
    client("GET", "e")
    client("EXEC")
    client("GET", "f")
    driver.run("MSET", *[word for key in "abcdef" for word in (key, 1)])
    assert client.told() == [[b"a"], [b"d"], [b"f"]]


def test_a_transaction_may_turn_tracking_on_and_off(driver: Driver) -> None:
    client = Client(driver)
    client("MULTI")
    client("CLIENT", "TRACKING", "ON", "OPTOUT")
    client("GET", "a")
    client("CLIENT", "CACHING", "NO")
    client("EXEC")
    client("GET", "b")
    driver.run("MSET", "a", 1, "b", 1)
    assert client.told() == [[b"a"], [b"b"]]
    client("GET", "a")
    client("MULTI")
    client("CLIENT", "TRACKING", "OFF")
    client("SET", "a", 2)
    client("EXEC")
    assert client.told() == []
    assert driver.engine.tracking.running is None


def test_caching_is_over_when_the_command_that_it_precedes_ends_without_finding_anything(
    driver: Driver,
) -> None:
    client = Client(driver).tracks("OPTOUT")
    client("CLIENT", "CACHING", "NO")
    replies = driver.start("XREAD", "BLOCK", 10, "STREAMS", "x", 0, session=client.session)
    driver.turn_until(lambda: driver.engine.blocking.clients == 1)
    driver.advance(1)
    driver.turn_until(lambda: bool(replies))
    client("GET", "k")
    driver.run("SET", "k", 1)
    assert client.told() == [[b"k"]]


def test_broadcasts_are_gathered_by_prefix(driver: Driver) -> None:
    everything = Client(driver).tracks("BCAST")
    some = Client(driver).tracks("BCAST", "PREFIX", "b", "PREFIX", "a:")
    driver.start("MSET", "b2", 1, "a:", 1, "c", 1)
    driver.start("SET", "b1", 1)
    driver.start("SET", "b2", 1)
    assert everything.told() == [[b"a:", b"b1", b"b2", b"c"]]
    assert some.told() == [[b"a:"], [b"b1", b"b2"]]
    driver.run("GET", "b2")
    assert everything.told() == []
    assert figures(driver) == (2, 0, 0, 3)


def test_prefixes_add_up(driver: Driver) -> None:
    client = Client(driver).tracks("BCAST", "PREFIX", "a").tracks("BCAST", "PREFIX", "b")
    driver.run("MSET", "a", 1, "b", 1, "c", 1)
    assert client.told() == [[b"a"], [b"b"]]
    client.tracks("BCAST").tracks("BCAST")
    driver.run("SET", "c", 1)
    assert client.told() == [[b"c"]]
    assert figures(driver)[3] == 3
    client("CLIENT", "TRACKING", "OFF")
    assert figures(driver) == (0, 0, 0, 0)


def test_noloop_leaves_only_ones_own_changes_out_of_a_broadcast(driver: Driver) -> None:
    driver.run("HSET", "both", "f", 0)
    one = Client(driver).tracks("BCAST", "NOLOOP")
    other = Client(driver).tracks("BCAST", "NOLOOP")
    driver.start("SET", "mine", 1, session=one.session)
    driver.start("SET", "theirs", 1, session=other.session)
    # Redis would not tell ``one``, which knows nothing of what ``other`` has changed.
    driver.start("HSET", "both", "f", 1, session=other.session)
    driver.start("HSET", "both", "g", 1, session=one.session)
    assert one.told() == [[b"both", b"theirs"]]
    assert other.told() == [[b"both", b"mine"]]
    driver.start("SET", "mine", 1, session=one.session)
    assert one.told() == []


# Redirection


def test_messages_are_redirected(driver: Driver) -> None:
    new = Client(driver)
    old = Client(driver, resp=2)
    Client(driver, resp=2).tracks("REDIRECT", new.session.number)("GET", "k")
    reader = Client(driver).tracks("REDIRECT", old.session.number)
    reader("GET", "k")
    # A RESP2 client cannot tell a message from a reply unless it is subscribed.
    driver.run("SET", "k", 1)
    assert new.told() == [[b"k"]]
    assert old.told() == reader.told() == []
    old("SUBSCRIBE", CHANNEL)
    reader("GET", "k")
    driver.run("SET", "k", 1)
    assert old.told() == [[b"message", CHANNEL, b"k"]]
    driver.run("FLUSHALL")
    assert old.told() == [[b"message", CHANNEL, None]]
    assert reader.told() == []


def test_without_redirection_resp2_hears_nothing(driver: Driver) -> None:
    client = Client(driver, resp=2).tracks()
    client("SUBSCRIBE", CHANNEL)
    client.session.resp = 3
    client("GET", "k")
    client.session.resp = 2
    driver.run("SET", "k", 1)
    assert client.told() == []


def test_who_redirects_to_somebody_who_has_gone_is_told_so(driver: Driver) -> None:
    receiver = Client(driver)
    number = receiver.session.number
    client = Client(driver).tracks("REDIRECT", number)
    client("GET", "k")
    driver.engine.end_session(receiver.session)
    driver.run("SET", "k", 1)
    assert client.told() == [[b"tracking-redir-broken", number]]
    assert client.session.tracked is not None
    assert client.session.tracked.is_broken
    client.tracks()
    assert not client.session.tracked.is_broken


# The table


def test_a_client_that_has_left_is_forgotten_with_its_keys(driver: Driver, client: Client) -> None:
    for leave in ("end", "RESET", "CLIENT TRACKING OFF"):
        other = Client(driver).tracks()
        other("GET", "k")
        client("GET", "k")
        if leave == "end":
            driver.engine.end_session(other.session)
        else:
            other(*leave.split())
        assert figures(driver) == (1, 1, 2, 0)
        driver.run("SET", "k", 1)
        assert client.told() == [[b"k"]]
        assert other.told() == []
        assert figures(driver) == (1, 0, 0, 0)


def test_clients_that_come_and_go_do_not_pile_up(driver: Driver, client: Client) -> None:
    client("GET", "k")
    for _ in range(50):
        other = Client(driver).tracks()
        other("GET", "k")
        other("GET", "alone")
        driver.engine.end_session(other.session)
    assert figures(driver)[2] < 8
    driver.run("SET", "k", 1)
    assert client.told() == [[b"k"]]


def test_without_anybody_who_is_tracked_nothing_is_remembered(
    driver: Driver, client: Client
) -> None:
    client("MGET", *range(5000))
    tracking = driver.engine.tracking
    assert tracking.used_bytes() > 5000 * 100
    client("CLIENT", "TRACKING", "OFF")
    assert figures(driver) == (0, 0, 0, 0)
    assert tracking.used_bytes() == 0
    assert not driver.engine.core.is_tracking
    driver.run("SET", "1", 1)
    assert client.told() == []


def test_a_full_table_lets_random_keys_go(driver: Driver) -> None:
    driver.engine.set_tracking_limit(100)
    client = Client(driver).tracks("NOLOOP")
    for start in range(0, 1000, 10):
        client("MGET", *range(start, start + 10))
        assert figures(driver)[1] <= 100
    gone = {int(bytes(key)) for [key] in client.told() if isinstance(key, bytes)}
    assert len(gone) == 900
    # Not simply the first.
    assert gone != set(range(900))
    driver.run("MSET", *[word for key in range(1000) for word in (key, "v")])
    assert len(client.told()) == 100
    assert figures(driver) == (1, 0, 0, 0)


def test_a_lower_limit_takes_effect_little_by_little(driver: Driver, client: Client) -> None:
    client("MGET", *range(250))
    driver.engine.config.set_many([("tracking-table-max-keys", "1")])
    driver.engine.tracking.work()
    assert figures(driver)[1] == 150
    assert len(client.told()) == 249
    driver.engine.config.set_many([("tracking-table-max-keys", "0")])
    client("MGET", *range(250))
    assert client.told() == []


def test_messages_are_encoded_once_for_all_who_get_them(driver: Driver) -> None:
    got: list[object] = []
    for resp in (3, 3, 2, 2):
        receiver = driver.new_session()
        receiver.resp = resp
        receiver.push = got.append
        driver.run("SUBSCRIBE", "any", session=receiver)
        Client(driver).tracks("REDIRECT", receiver.number)("GET", "k")
    driver.run("SET", "k", 1)
    assert len({id(message) for message in got}) == 2
    encoded = set()
    for message in got:
        assert isinstance(message, Message)
        writer = ReplyWriter()
        writer.write(message)
        encoded.add(writer.take())
    assert encoded == {
        b"*2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
        b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n",
    }
