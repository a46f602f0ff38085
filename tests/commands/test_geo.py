"""GEOADD, GEODIST, GEOHASH, GEOPOS, GEOSEARCH and its relatives."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from dscache.values.geohash import distance_m, position_of, score_of
from dscache.values.zset import ZSet
from dscache.wire.encoder import ReplyWriter
from dscache.wire.reply import NULL_ARRAY
from places import MEMORY, PLACES, Client

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = b"-ERR syntax error"
NOT_A_FLOAT = b"-ERR value is not a valid float"
BAD_UNIT = b"-ERR unsupported unit provided. please use M, KM, FT, MI"
NO_MEMBER = b"-ERR could not decode requested zset member"

PALERMO = ("13.361389", "38.115556", "Palermo")
CATANIA = ("15.087269", "37.502669", "Catania")


@pytest.fixture(params=PLACES)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(request.param)
    client("GEOADD", "Sicily", *PALERMO, *CATANIA)
    yield client
    client.close()


def wire(value: object, resp: int) -> bytes:
    writer = ReplyWriter()
    writer.resp = resp
    writer.write(value)
    return writer.take()


# Members


def test_geoadd_answers_how_many_are_new(client: Client) -> None:
    assert client("GEOADD", "k", *PALERMO) == 1
    assert client.events == [(b"zadd", b"k")]
    assert client("GEOADD", "k", *PALERMO) == 0
    assert client.events == []
    assert client("GEOADD", "k", "1", "1", "Palermo", *CATANIA) == 1
    assert client.events == [(b"zadd", b"k")]
    assert client("GEOADD", "k", "CH", "2", "2", "Palermo", *CATANIA, "3", "3", "x") == 2
    assert client("TYPE", "k") == b"zset"


def test_geoadd_may_only_add_or_only_move(client: Client) -> None:
    assert client("GEOADD", "none", "XX", *PALERMO) == 0
    assert client.events == []
    assert not client.exists(b"none")
    assert client("GEOADD", "Sicily", "XX", "ch", "1", "1", "x", "1", "1", "Palermo") == 1
    assert client("GEOADD", "Sicily", "NX", "CH", "1", "1", "x", "2", "2", "Palermo") == 1
    assert client("GEOHASH", "Sicily", "x", "Palermo") == [b"s00twy01mt0"] * 2


def test_geoadd_changes_nothing_if_anything_is_wrong(client: Client) -> None:
    for words, error in (
        (("1", "1", "a", "1", "1"), SYNTAX),
        (("NX", "XX", "1", "1", "a"), SYNTAX),
        (("NX", "CH", "CH"), SYNTAX),
        (("1", "x", "a"), NOT_A_FLOAT),
        (("1", "nan", "a"), NOT_A_FLOAT),
        (
            ("1", "1", "a", "181", "1", "b"),
            b"-ERR invalid longitude,latitude pair 181.000000,1.000000",
        ),
        (("0", "86", "a"), b"-ERR invalid longitude,latitude pair 0.000000,86.000000"),
        (("-inf", "1", "a"), b"-ERR invalid longitude,latitude pair -inf,1.000000"),
    ):
        assert client("GEOADD", "k", *words) == error
    assert not client.exists(b"k")


def test_numbers_are_what_strtod_reads(client: Client) -> None:
    """Python's float() takes 1e309 for infinite, and no hexadecimal digits."""
    assert client("GEOADD", "k", "0x1p3", "0xA", "a") == 1
    assert client("GEODIST", "k", "a", "a") == b"0.0000"
    for words in (("1e309", "1"), ("1", "-1e309"), ("1e-400", "1"), ("1_0", "1"), (" 1", "1")):
        assert client("GEOADD", "k", *words, "b") == NOT_A_FLOAT
    area = ("GEOSEARCH", "k", "FROMLONLAT", "0x8", "10")
    assert client(*area, "BYRADIUS", "0x10", "km") == [b"a"]
    assert client(*area, "BYBOX", "0x10", "0x10", "km") == [b"a"]
    assert client(*area, "BYRADIUS", "1e309", "km") == b"-ERR need numeric radius"
    assert client(*area, "BYBOX", "1", "1e309", "km") == b"-ERR need numeric height"


def test_geodist_is_in_metres_or_other_units(client: Client) -> None:
    for words, expected in (
        ((), b"166274.1516"),
        (("M",), b"166274.1516"),
        (("km",), b"166.2742"),
        (("ft",), b"545518.8700"),
        (("Mi",), b"103.3182"),
    ):
        assert client("GEODIST", "Sicily", "Palermo", "Catania", *words) == expected
    assert client("GEODIST", "Sicily", "Palermo", "Palermo") == b"0.0000"
    assert client("GEODIST", "Sicily", "Palermo", "Rome") is None
    assert client("GEODIST", "none", "Palermo", "Catania") is None
    assert client("GEODIST", "none", "Palermo", "Catania", "yd") == BAD_UNIT
    assert client("GEODIST", "none", "Palermo", "Catania", "m", "m") == SYNTAX


def test_geohash_answers_strings(client: Client) -> None:
    assert client("GEOHASH", "Sicily", "Palermo", "Rome", "Catania") == [
        b"sqc8b49rny0",
        None,
        b"sqdtr74hyu0",
    ]
    assert client("GEOHASH", "Sicily") == []
    assert client("GEOHASH", "none", "x") == [None]


def test_geopos_answers_coordinates_with_all_their_digits(client: Client) -> None:
    reply = client("GEOPOS", "Sicily", "Palermo", "Rome")
    assert wire(reply, 2) == (
        b"*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n"
    )
    assert wire(reply, 3) == b"*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n"
    assert client("GEOPOS", "none", "x") == [NULL_ARRAY]
    client("GEOADD", "k", 0, 0, "zero")
    reply = client("GEOPOS", "k", "zero")
    assert wire(reply, 3) == b"*1\r\n*2\r\n,0.00000268220901489\r\n,0.00000126736058093\r\n"


# Searching


def test_a_circle_around_a_position(client: Client) -> None:
    around = ("FROMLONLAT", 15, 37)
    assert client("GEOSEARCH", "Sicily", *around, "BYRADIUS", 200, "km", "ASC") == [
        b"Catania",
        b"Palermo",
    ]
    assert client("GEOSEARCH", "Sicily", *around, "BYRADIUS", 100, "KM") == [b"Catania"]
    assert client("GEORADIUS", "Sicily", 15, 37, 200, "km", "DESC") == [b"Palermo", b"Catania"]
    assert client("GEORADIUS_RO", "Sicily", 15, 37, 1, "m") == []


def test_a_circle_around_a_member(client: Client) -> None:
    around = ("FROMMEMBER", "Palermo")
    assert client("GEOSEARCH", "Sicily", *around, "BYRADIUS", 1, "m") == [b"Palermo"]
    for command in ("GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"):
        assert client(command, "Sicily", "Palermo", 170, "km", "COUNT", 1) == [b"Palermo"]
        assert client(command, "Sicily", "Rome", 170, "km") == NO_MEMBER
    assert client("GEOSEARCH", "Sicily", "FROMMEMBER", "Rome", "BYRADIUS", 1, "m") == NO_MEMBER


def test_a_box(client: Client) -> None:
    client("GEOADD", "Sicily", "12.758489", "38.788135", "edge1", "17.24151", "38.788135", "edge2")
    around = ("FROMLONLAT", 15, 37)
    assert client("GEOSEARCH", "Sicily", *around, "BYBOX", 400, 400, "km", "ASC") == [
        b"Catania",
        b"Palermo",
        b"edge2",
        b"edge1",
    ]
    assert client("GEOSEARCH", "Sicily", *around, "BYBOX", 400, 390, "km", "DESC") == [
        b"Palermo",
        b"Catania",
    ]


def test_what_else_is_answered_with_the_members(client: Client) -> None:
    reply = client(
        "GEOSEARCH", "Sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km",
        "ASC", "COUNT", 1, "WITHHASH", "withcoord", "WITHDIST",
    )  # fmt: skip
    assert wire(reply, 2) == (
        b"*1\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n"
        b"*2\r\n$20\r\n15.08726745843887329\r\n$20\r\n37.50266842333162032\r\n"
    )
    assert wire(reply, 3) == (
        b"*1\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n"
        b"*2\r\n,15.08726745843887329\r\n,37.50266842333162032\r\n"
    )


def test_any_ends_a_search_early(client: Client) -> None:
    client("GEOADD", "Sicily", "14.9", "37.1", "nearest")
    search = ("GEOSEARCH", "Sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 300, "km")
    assert client(*search, "COUNT", 1) == [b"nearest"]
    some = client(*search, "COUNT", 2, "ANY")
    assert isinstance(some, list)
    assert len(some) == 2
    assert client(*search, "COUNT", 9, "ANY", "ASC") == [b"nearest", b"Catania", b"Palermo"]


def test_results_are_stored(client: Client) -> None:
    area = ("FROMLONLAT", 15, 37, "BYRADIUS", 100, "km")
    assert client("GEOSEARCHSTORE", "to", "Sicily", *area) == 1
    assert client.events == [(b"geosearchstore", b"to")]
    assert client("GEOHASH", "to", "Catania", "Palermo") == [b"sqdtr74hyu0", None]
    assert client("GEORADIUS", "Sicily", 15, 37, 200, "km", "STORE", "to") == 2
    assert client.events == [(b"georadiusstore", b"to")]
    assert client("GEODIST", "to", "Palermo", "Catania") == b"166274.1516"
    assert client("GEORADIUSBYMEMBER", "Sicily", "Catania", 1, "km", "STORE", "Sicily") == 1
    assert client("GEOHASH", "Sicily", "Palermo") == [None]


@pytest.mark.parametrize(
    "words",
    [
        ("GEOSEARCHSTORE", "to", "Sicily", "FROMLONLAT", 15, 37, "BYRADIUS", 99, "km", "STOREDIST"),
        ("GEORADIUS", "Sicily", 15, 37, 99, "km", "STOREDIST", "to"),
    ],
)
def test_distances_are_stored(words: tuple[str | int, ...]) -> None:
    client = Client(MEMORY)
    client("GEOADD", "Sicily", *PALERMO, *CATANIA)
    client("SET", "to", "x", "EX", 100)
    assert client(*words) == 1
    assert client("TYPE", "to") == b"zset"
    keyspace = client.driver.session.keyspace
    value = keyspace.for_read(b"to")
    assert isinstance(value, ZSet)
    assert value.score(b"Catania") == pytest.approx(56.4413, abs=0.0001)
    assert keyspace.expiry_of(b"to") == 0
    client.close()


def test_nothing_to_store_deletes(client: Client) -> None:
    for words in (
        ("GEOSEARCHSTORE", "to", "Sicily", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m"),
        ("GEOSEARCHSTORE", "to", "none", "FROMMEMBER", "x", "BYRADIUS", 1, "m"),
        ("GEORADIUS", "none", 1, 1, 1, "m", "STORE", "to"),
        # Radius and unit around a member of nothing are not even looked at.
        ("GEORADIUSBYMEMBER", "none", "x", "y", "z", "STORE", "to"),
    ):
        client("SET", "to", "x")
        assert client(*words) == 0
        assert client.events == [(b"del", b"to")]
        assert client(*words) == 0
        assert client.events == []


def test_a_key_that_does_not_exist_has_no_members(client: Client) -> None:
    assert client("GEOSEARCH", "none", "FROMMEMBER", "x", "BYRADIUS", 1, "m") == []
    assert client("GEORADIUS", "none", 1, 1, 1, "m") == []
    assert client("GEORADIUSBYMEMBER", "none", "x", "y", "z") == []
    assert client("GEORADIUSBYMEMBER", "none", "x", "y", "z", "w") == SYNTAX


def test_options_are_checked(client: Client) -> None:
    search = ("GEOSEARCH", "Sicily")
    place = ("FROMLONLAT", 15, 37)
    circle = ("BYRADIUS", 1, "m")
    not_with_store = b" is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
    from_once = b"-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for "
    by_once = b"-ERR exactly one of BYRADIUS and BYBOX can be specified for "
    for words, error in (
        ((*search, *circle, "ASC", "DESC"), from_once + b"GEOSEARCH"),
        (("geosearchstore", "to", "Sicily", *circle, "ASC", "ASC"), from_once + b"geosearchstore"),
        ((*search, *place, "ASC", "ASC"), by_once + b"GEOSEARCH"),
        ((*search, *place, "FROMMEMBER", "Palermo", *circle), SYNTAX),
        ((*search, "FROMMEMBER", "Palermo", *place, *circle), SYNTAX),
        ((*search, *place, *circle, "BYBOX", 1, 1, "m"), SYNTAX),
        ((*search, *place, "BYBOX", 1, 1, "m", *circle), SYNTAX),
        ((*search, *place, *circle, "STORE", "to"), SYNTAX),
        ((*search, *place, *circle, "STOREDIST"), SYNTAX),
        ((*search, *place, *circle, "ANY"), b"-ERR the ANY argument requires COUNT argument"),
        ((*search, *place, *circle, "COUNT", 0), b"-ERR COUNT must be > 0"),
        (
            (*search, *place, *circle, "COUNT", "x"),
            b"-ERR value is not an integer or out of range",
        ),
        ((*search, *place, *circle, "COUNT"), SYNTAX),
        ((*search, *place, "BYRADIUS", "x", "m"), b"-ERR need numeric radius"),
        ((*search, *place, "BYRADIUS", -1, "m"), b"-ERR radius cannot be negative"),
        ((*search, *place, "BYRADIUS", 1, "yd"), BAD_UNIT),
        ((*search, *place, "BYBOX", "x", 1, "m"), b"-ERR need numeric width"),
        ((*search, *place, "BYBOX", 1, "x", "m"), b"-ERR need numeric height"),
        ((*search, *place, "BYBOX", 1, -1, "m"), b"-ERR height or width cannot be negative"),
        ((*search, *place, "BYBOX", 1, 1, "yd"), BAD_UNIT),
        (
            ("GEOSEARCHSTORE", "to", "Sicily", *place, *circle, "WITHDIST"),
            b"-ERR GEOSEARCHSTORE" + not_with_store,
        ),
        (
            ("GEORADIUS", "Sicily", 1, 1, 1, "m", "STORE", "to", "WITHHASH"),
            b"-ERR STORE option in GEORADIUS" + not_with_store,
        ),
        (("GEORADIUS_RO", "Sicily", 1, 1, 1, "m", "STORE", "to"), SYNTAX),
        (("GEORADIUSBYMEMBER_RO", "Sicily", "Palermo", 1, "m", "STORE", "to"), SYNTAX),
        (("GEORADIUS", "Sicily", 1, 1, 1, "m", "FROMMEMBER", "Palermo"), SYNTAX),
    ):
        assert client(*words) == error


def test_other_types_are_refused(client: Client) -> None:
    client("SET", "string", "x")
    for words in (
        ("GEOADD", "string", 1, 1, "x"),
        ("GEODIST", "string", "x", "y"),
        ("GEOHASH", "string", "x"),
        ("GEOPOS", "string", "x"),
        ("GEOSEARCH", "string", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m"),
        ("GEOSEARCHSTORE", "to", "string", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m"),
        ("GEORADIUS", "string", 1, 1, 1, "m"),
        ("GEORADIUSBYMEMBER_RO", "string", "x", "y", "z"),
    ):
        assert client(*words) == WRONG_TYPE


@pytest.mark.parametrize("seed", range(3))
def test_a_search_finds_what_looking_at_everything_finds(seed: int) -> None:
    rnd = random.Random(seed)
    client = Client(MEMORY)
    members: dict[bytes, tuple[float, float]] = {}
    for number in range(2000):
        longitude = rnd.uniform(-179.0, 179.0) if rnd.random() < 0.3 else rnd.gauss(10.0, 2.0)
        latitude = rnd.uniform(-80.0, 80.0) if rnd.random() < 0.3 else rnd.gauss(50.0, 2.0)
        member = b"member %d" % number
        client("GEOADD", "k", str(longitude), str(latitude), member)
        members[member] = position_of(float(score_of(longitude, latitude)))
    for _ in range(60):
        longitude, latitude = rnd.gauss(10.0, 3.0), rnd.gauss(50.0, 3.0)
        radius = 10 ** rnd.uniform(3.0, 5.8)
        distances = {
            member: distance_m(longitude, latitude, *position)
            for member, position in members.items()
        }
        near = sorted((d, member) for member, d in distances.items() if d <= radius)
        search = ("GEOSEARCH", "k", "FROMLONLAT", str(longitude), str(latitude))
        by_radius = ("BYRADIUS", str(radius), "m")
        assert client(*search, *by_radius, "ASC") == [member for _, member in near]
        assert client(*search, *by_radius, "COUNT", 5) == [member for _, member in near[:5]]
        some = client(*search, *by_radius, "COUNT", 5, "ANY")
        assert isinstance(some, list)
        assert len(some) == min(5, len(near))
        assert set(some) <= {member for _, member in near}
    client.close()
