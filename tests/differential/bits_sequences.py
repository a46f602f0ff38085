"""Commands on bits, HyperLogLogs and positions, for both servers: ``commands`` is one of them.

Bits are of keys that other commands change too; HyperLogLogs have keys of their own, because what Redis
does to one that is corrupted halfway through a PFADD stays, and here it does not. Left out is what Valkey
9 has more than Redis 7.4: BITCOUNT with one position, BYPOLYGON and the words of the error about it; and
BITCOUNT with a wrong number and a wrong unit, where Valkey looks at the unit first.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from raw_client import Word

Command = tuple[Word, ...]
Words = st.SearchStrategy[Command]


def _words(*parts: Word | st.SearchStrategy[Word]) -> Words:
    return st.tuples(
        *(st.just(part) if isinstance(part, str | bytes | int) else part for part in parts)
    )


def _join(*parts: Words) -> Words:
    return st.tuples(*parts).map(lambda joined: tuple(word for part in joined for word in part))


def _some(strategy: Words, least: int = 1, most: int = 4) -> Words:
    return st.lists(strategy, min_size=least, max_size=most).map(
        lambda found: tuple(word for part in found for word in part)
    )


_nothing: Words = st.just(())


def _option(*choices: Words) -> Words:
    return st.one_of(_nothing, *choices)


# Bits

_key: st.SearchStrategy[Word] = st.sampled_from(["a", "b", "bits1", "bits2", "bits3", "none"])
_offset: st.SearchStrategy[Word] = st.one_of(
    st.integers(0, 70), st.sampled_from([800, 36_000, 160_003, -1, 2**40, "x", ""])
)
_place: st.SearchStrategy[Word] = st.one_of(
    st.integers(-20, 20), st.sampled_from([-(10**6), 10**6, 2**63 - 1, -(2**63)])
)
_any_place: st.SearchStrategy[Word] = _place | st.just("x")
_bit: st.SearchStrategy[Word] = st.sampled_from([0, 1, 0, 1, 2, "x"])
_field: st.SearchStrategy[Word] = st.one_of(
    st.integers(1, 63).map(lambda bits: f"u{bits}"),
    st.integers(1, 64).map(lambda bits: f"i{bits}"),
    st.sampled_from(["u8", "i8", "i16", "u64", "i65", "u0", "8", "U8"]),
)
_field_offset: st.SearchStrategy[Word] = st.one_of(
    _offset, st.sampled_from(["#0", "#1", "#7", "#100", "#-1", "#"])
)
_number: st.SearchStrategy[Word] = st.one_of(
    st.integers(-300, 300),
    st.sampled_from([2**31, 2**62, -(2**62), 2**63 - 1, -(2**63), 2**63, "x"]),
)
_reading = _words("GET", _field, _field_offset)
_writing = st.one_of(
    _words(st.sampled_from(["SET", "INCRBY"]), _field, _field_offset, _number),
    _words("OVERFLOW", st.sampled_from(["WRAP", "SAT", "FAIL", "sat", "CLIP"])),
)

_bits = st.one_of(
    *[_words("SETBIT", _key, _offset, _bit)] * 2,
    _words("GETBIT", _key, _offset),
    _words("BITCOUNT", _key),
    _words("BITCOUNT", _key, _any_place, _any_place),
    _words("BITCOUNT", _key, _place, _place, st.sampled_from(["BIT", "BYTE", "bit", "NIBBLE"])),
    _words("BITPOS", _key, _bit),
    _words("BITPOS", _key, _bit, _any_place),
    _words("BITPOS", _key, _bit, _any_place, _any_place),
    _words("BITPOS", _key, _bit, _place, _place, st.sampled_from(["BIT", "BYTE", "NIBBLE"])),
    _join(
        _words("BITOP", st.sampled_from(["AND", "OR", "XOR", "not", "NAND"]), _key),
        _some(_words(_key), most=3),
    ),
    *[_join(_words("BITFIELD", _key), _some(_reading | _writing, least=0))] * 2,
    _join(_words("BITFIELD_RO", _key), _some(_reading, least=0)),
    _join(_words("BITFIELD_RO", _key), _writing),
    _words("GET", _key),
)

# HyperLogLogs

_counter: st.SearchStrategy[Word] = st.sampled_from(["hll1", "hll2", "hll3"])
_counted = _counter | st.sampled_from(["none", "a"])


@st.composite
def _elements(draw: st.DrawFn) -> Command:
    """A few elements, or so many that a HyperLogLog becomes dense."""
    start = draw(st.integers(0, 3000))
    return tuple(range(start, start + draw(st.sampled_from([0, 1, 2, 50, 700]))))


_hyperloglogs = st.one_of(
    *[_join(_words("PFADD", _counter), _elements())] * 2,
    _words("PFADD", _counted, st.binary(max_size=20)),
    _join(_words("PFCOUNT"), _some(_words(_counted))),
    _join(_words("PFMERGE", _counter), _some(_words(_counted), least=0, most=3)),
    _words("PFDEBUG", st.sampled_from(["DECODE", "ENCODING", "todense", "GETREG", "x"]), _counted),
    _words("GET", _counter),
    _words("DEL", _counter),
)

# Positions

_map: st.SearchStrategy[Word] = st.sampled_from(["geo1", "geo1", "geo2", "geo3", "none"])
_named = st.integers(0, 12).map(lambda number: f"place{number}")
_degrees: st.SearchStrategy[Word] = st.one_of(
    st.floats(-85.0, 85.0).map(str),
    st.integers(0, 3000).map(lambda number: f"{13 + number / 1000}"),
    st.sampled_from([0, 180, -180, "85.05112878", 86, 181, "x", "inf", "nan"]),
)
_latitude: st.SearchStrategy[Word] = st.one_of(
    st.floats(-85.0, 85.0).map(str),
    st.integers(0, 2000).map(lambda number: f"{37 + number / 1000}"),
)
_length: st.SearchStrategy[Word] = st.one_of(
    st.floats(0.0, 7.0).map(lambda exponent: str(round(10**exponent, 3))),
    st.sampled_from([0, 1, 100, 200, "1e300", "inf", -1, "x"]),
)
_unit: st.SearchStrategy[Word] = st.sampled_from(["m", "km", "ft", "mi", "KM", "Km", "yd"])
_circle = _words(_length, _unit)
_count: st.SearchStrategy[Word] = st.sampled_from([1, 2, 5, 100, 0, -1, "x"])
_search_option = st.one_of(
    _words(st.sampled_from(["WITHCOORD", "WITHDIST", "WITHHASH", "ASC", "desc", "ANY"])),
    _words("COUNT", _count),
)
_from = st.one_of(_words("FROMMEMBER", _named), _words("FROMLONLAT", _degrees, _latitude))
_by = st.one_of(_join(_words("BYRADIUS"), _circle), _join(_words("BYBOX", _length), _circle))
_search = _join(_from, _by, _some(_search_option, least=0))
_store = _words(st.sampled_from(["STORE", "STOREDIST"]), st.sampled_from(["geo2", "geo3"]))

_geo = st.one_of(
    *[
        _join(
            _words("GEOADD", _map),
            _option(_words(st.sampled_from(["NX", "XX", "CH"]))),
            _some(_words(_degrees, _latitude, _named)),
        )
    ]
    * 4,
    _words("GEODIST", _map, _named, _named),
    _words("GEODIST", _map, _named, _named, _unit),
    _join(_words(st.sampled_from(["GEOHASH", "GEOPOS"]), _map), _some(_words(_named), least=0)),
    *[_join(_words("GEOSEARCH", _map), _search)] * 2,
    _join(_words("GEOSEARCHSTORE", _map, _map), _search, _option(_words("STOREDIST"))),
    _join(
        _words(st.sampled_from(["GEORADIUS", "GEORADIUS_RO"]), _map, _degrees, _latitude),
        _circle,
        _some(_search_option, least=0, most=3),
        _option(_store),
    ),
    _join(
        _words(st.sampled_from(["GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"]), _map, _named),
        _circle,
        _some(_search_option, least=0, most=3),
        _option(_store),
    ),
)

commands: Final[Words] = st.one_of(_bits, _hyperloglogs, _geo)
