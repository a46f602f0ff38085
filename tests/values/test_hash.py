"""Hashes: fields and values, due times, sizes, and what is written to disk."""

from __future__ import annotations

import random

import pytest

from dscache.config import Config
from dscache.values.hash import Hash, decode_hash


def _config(**directives: str) -> Config:
    overrides = [(name.replace("_", "-"), [value]) for name, value in directives.items()]
    return Config.from_arguments(None, overrides)


class Model:
    """What a hash should hold: plain dictionaries."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.due: dict[bytes, int] = {}

    def drop(self, field: bytes) -> bool:
        """Remove a field; whether it was there."""
        self.due.pop(field, None)
        return self.values.pop(field, None) is not None

    def check(self, fields: Hash) -> None:
        """Compare everything."""
        assert fields.count() == len(self.values)
        assert fields.as_dict() == self.values
        assert dict(fields.items()) == self.values
        assert fields.values() == list(fields.as_dict().values())
        assert fields.members() == [field for field, _ in fields.items()]
        assert {field: fields.due_ms(field) for field in self.values} == {
            field: self.due.get(field, 0) for field in self.values
        }
        assert fields.next_due_ms() == min(self.due.values(), default=0)


def _check_copies(fields: Hash) -> None:
    for other in (decode_hash(fields.encode()), fields.copy()):
        assert other.items() == fields.items()
        assert other.size_bytes() == fields.size_bytes()
        assert other.next_due_ms() == fields.next_due_ms()
        assert [other.due_ms(field) for field in other.members()] == [
            fields.due_ms(field) for field in other.members()
        ]
        config = _config()
        assert other.encoding(config) == fields.encoding(config)


@pytest.mark.parametrize("seed", range(6))
def test_a_hash_holds_what_dictionaries_would(seed: int) -> None:
    source = random.Random(seed)
    fields = Hash()
    model = Model()
    empty_bytes = fields.size_bytes()
    now_ms = 1000
    for most in (60, 1500, 200, 0):
        for _ in range(5 * max(most, 200)):
            field = b"f%d" % source.randrange(max(most, 100))
            value = b"v" * source.choice([0, 1, 20, 300])
            choice = source.randrange(100)
            if choice < (50 if most else 10):
                assert fields.set(field, value) == (field not in model.values)
                model.values[field] = value
                model.due.pop(field, None)
            elif choice < 60 and most:
                assert fields.replace(field, value) == (field not in model.values)
                model.values[field] = value
            elif choice < 80:
                if field in model.values:
                    due_ms = now_ms + source.randrange(1, 200)
                    fields.set_due(field, due_ms)
                    model.due[field] = due_ms
            elif choice < 85:
                assert fields.persist(field) == (model.due.pop(field, None) is not None)
            elif choice < 98:
                assert fields.remove(field) == model.drop(field)
            else:
                now_ms += source.randrange(30)
                late = [field for field, due_ms in model.due.items() if due_ms <= now_ms]
                assert fields.expire(now_ms) == len(late)
                for one in late:
                    model.drop(one)
        model.check(fields)
        _check_copies(fields)
    for field in list(model.values):
        assert fields.remove(field)
    assert fields.size_bytes() == empty_bytes
    assert fields.next_due_ms() == 0


def test_setting_a_field_takes_its_due_time_and_replacing_its_value_does_not() -> None:
    fields = Hash()
    fields.set(b"a", b"1")
    fields.set_due(b"a", 5000)
    fields.replace(b"a", b"2")
    assert fields.due_ms(b"a") == 5000
    fields.set(b"a", b"3")
    assert fields.due_ms(b"a") == 0
    assert fields.next_due_ms() == 0


def test_fields_that_are_due_together_go_together() -> None:
    fields = Hash()
    for number in range(100_000):
        fields.set(b"f%d" % number, b"v")
        fields.set_due(b"f%d" % number, 1000 + number % 7)
    assert fields.expire(999) == 0
    assert fields.expire(1006) == 100_000
    assert fields.count() == 0
    assert fields.size_bytes() == Hash().size_bytes()


def test_due_times_that_change_often_do_not_pile_up() -> None:
    fields = Hash()
    fields.set(b"a", b"1")
    fields.set(b"b", b"1")
    fields.set_due(b"b", 1)
    for number in range(10_000):
        fields.set_due(b"a", 1_000_000 - number)
    assert fields._dues is not None
    assert len(fields._dues._heap) < 100
    assert fields.next_due_ms() == 1


def test_a_copy_is_independent() -> None:
    fields = Hash()
    for number in range(1000):
        fields.set(b"f%d" % number, b"v")
    fields.set_due(b"f1", 1000)
    copy = fields.copy()
    for number in range(500):
        fields.set(b"f%d" % number, b"w")
        fields.remove(b"f%d" % (number + 500))
    assert copy.values() == [b"v"] * 1000
    assert copy.next_due_ms() == 1000


def test_random_fields_are_different_and_all_get_their_turn() -> None:
    fields = Hash()
    for number in range(300):
        fields.set(b"f%d" % number, b"v")
    for count in (1, 5, 99, 150, 299, 300, 1000):
        found = fields.random_fields(count)
        assert len(found) == len(set(found)) == min(count, 300)
    seen: set[bytes] = set()
    for _ in range(400):
        seen.update(fields.random_fields(20))
    assert len(seen) == 300


def test_the_encoding_is_redis_s_and_never_goes_back() -> None:
    config = _config(hash_max_listpack_entries="10", hash_max_listpack_value="8")
    fields = Hash()
    fields.set(b"a", b"12345678")
    assert fields.encoding(config) == b"listpack"
    fields.set_due(b"a", 1000)
    assert fields.encoding(config) == b"listpackex"
    fields.persist(b"a")
    assert decode_hash(fields.encode()).encoding(config) == b"listpackex"
    many = Hash()
    for number in range(11):
        assert many.encoding(config) == b"listpack"
        many.set(b"%d" % number, b"")
    many.remove(b"0")
    assert many.encoding(config) == b"hashtable"
    assert decode_hash(many.encode()).encoding(config) == b"hashtable"
    for field, value in ((b"123456789", b""), (b"", b"123456789")):
        long = Hash()
        long.set(field, value)
        long.set(b"", b"")
        assert long.encoding(config) == b"hashtable"
        assert long.copy().encoding(config) == b"hashtable"


def test_small_hashes_take_little_room_on_disk() -> None:
    fields = Hash()
    fields.set(b"a", b"1")
    assert len(fields.encode()) <= 16


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x93",
        b"\x93\x00\x00",
        b"\x93\x00\x00\x00",
        b"\x93\x01\x01\x00\x92\x00\x81\xc4\x01a\x01",
        b"\x93\x01\x01\x03\x92\x01\xc4\x01a",
        b"\x93\x01\x01\x02\x92\x00\xc4\x01a\x92\x00\x81\xc4\x01a\xc4\x011",
        b"\x92\x00\x80",
        b"\x93\x01\xff\x00\x92\x00\x80",
    ],
)
def test_what_is_no_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_hash(payload)
