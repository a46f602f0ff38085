"""Positions on the Earth, as scores of a sorted set's members; and searches for those in an area.

What a score means is in ``dscache.values.geohash``, what all searches share in ``geo_search``.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import syntax_error
from dscache.commands.geo_search import (
    Search,
    coordinates,
    distance_text,
    position_argument,
    unit_argument,
)
from dscache.engine.command import DENYOOM, READONLY, WRITE, Registry
from dscache.engine.errors import WRONG_TYPE
from dscache.engine.keyspec import NOTHING, KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.geohash import distance_m, geohash_text, position_of, score_of
from dscache.values.zset import ZSet
from dscache.wire.reply import NULL_ARRAY

registry: Final = Registry("geo", "geo")


def _zset(session: Session, key: bytes) -> ZSet | None:
    """The sorted set of ``key`` for reading, or None."""
    value = session.keyspace.for_read(key)
    if value is None:
        return None
    if not isinstance(value, ZSet):
        raise CommandError(WRONG_TYPE)
    return value


# Members


@registry.command(
    "GEOADD key [NX | XX]@6.2.0 [CH]@6.2.0 longitude latitude member [longitude latitude member ...]",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=[KeySpec(1, access="RW UPDATE")],
    since="3.2.0",
    complexity="O(log(N)) for each member, where N is the size of the sorted set.",
    history=[("6.2.0", "CH, NX and XX.")],
)
def geoadd(session: Session, args: list[bytes]) -> object:
    """Adds members with their positions to a sorted set; answers how many are new."""
    key = args[1]
    count = len(args)
    place = 2
    options: set[bytes] = set()
    while place < count and args[place].upper() in (b"NX", b"XX", b"CH"):
        options.add(args[place].upper())
        place += 1
    only_new = b"NX" in options
    only_existing = b"XX" in options
    if (count - place) % 3 != 0 or (only_new and only_existing):
        raise syntax_error()
    wanted: list[tuple[bytes, float]] = []
    while place < count:
        longitude, latitude = position_argument(args[place], args[place + 1])
        wanted.append((args[place + 2], float(score_of(longitude, latitude))))
        place += 3
    if not wanted:
        raise syntax_error()

    keyspace = session.keyspace
    value = keyspace.for_write(key)
    is_new = value is None
    if is_new:
        value = ZSet()
    if not isinstance(value, ZSet):
        raise CommandError(WRONG_TYPE)
    added = 0
    updated = 0
    for member, score in wanted:
        old = value.score(member)
        if old is None and not only_existing:
            value.add(member, score)
            added += 1
        elif old is not None and old != score and not only_new:
            value.add(member, score)
            updated += 1
    if added + updated > 0:
        if is_new:
            keyspace.put(key, value, 0, b"zadd")
        else:
            keyspace.changed(key, b"zadd")
    return added + updated if b"CH" in options else added


@registry.command(
    "GEODIST key member1 member2 [M | KM | FT | MI]",
    arity=-4,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="3.2.0",
    complexity="O(1)",
)
def geodist(session: Session, args: list[bytes]) -> object:
    """Answers the distance between two members of a sorted set, in metres or another unit."""
    if len(args) > 5:
        raise syntax_error()
    unit_m = unit_argument(args[4]) if len(args) == 5 else 1.0
    zset = _zset(session, args[1])
    if zset is None:
        return None
    one = zset.score(args[2])
    other = zset.score(args[3])
    if one is None or other is None:
        return None
    longitude, latitude = position_of(one)
    other_longitude, other_latitude = position_of(other)
    distance = distance_m(longitude, latitude, other_longitude, other_latitude)
    return distance_text(distance / unit_m)


@registry.command(
    "GEOHASH key [member [member ...]]",
    arity=-2,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="3.2.0",
    complexity="O(1) for each member.",
)
def geohash(session: Session, args: list[bytes]) -> object:
    """Answers the positions of members as geohash strings of 11 letters."""
    zset = _zset(session, args[1])
    found: list[object] = []
    for member in args[2:]:
        score = None if zset is None else zset.score(member)
        if score is None:
            found.append(None)
        else:
            longitude, latitude = position_of(score)
            found.append(geohash_text(longitude, latitude))
    return found


@registry.command(
    "GEOPOS key [member [member ...]]",
    arity=-2,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS")],
    since="3.2.0",
    complexity="O(1) for each member.",
)
def geopos(session: Session, args: list[bytes]) -> object:
    """Answers the positions of members as longitude and latitude."""
    zset = _zset(session, args[1])
    found: list[object] = []
    for member in args[2:]:
        score = None if zset is None else zset.score(member)
        if score is None:
            found.append(NULL_ARRAY)
        else:
            longitude, latitude = position_of(score)
            found.append(coordinates(longitude, latitude))
    return found


# Searches


_SOURCE: Final = KeySpec(1, access="RO ACCESS")
_SEARCH_COMPLEXITY: Final = (
    "O(N+log(M)) where N is the number of members in the cells around the area and M is the size"
    " of the sorted set"
)
_AREA: Final = (
    " <FROMMEMBER member | FROMLONLAT longitude latitude>"
    " <<BYRADIUS radius> <M | KM | FT | MI> | <BYBOX width> height <M | KM | FT | MI>>"
    " [ASC | DESC] [COUNT count [ANY]]"
)
_WITH: Final = " [WITHCOORD] [WITHDIST] [WITHHASH]"
# That ANY is younger than the commands Redis says of those around a position only.
_CIRCLE: Final = " radius <M | KM | FT | MI>" + _WITH
_ORDER: Final = " [ASC | DESC]"
_STORED: Final = " [<STORE key>:storekey | <STOREDIST key>:storedistkey]"
_UPPER_CASE_UNITS: Final = ("7.0.0", "Units may be in upper case.")
_ANY_ADDED: Final = ("6.2.0", "ANY for COUNT.")


@registry.command(
    "GEOSEARCH key" + _AREA + _WITH,
    arity=-7,
    flags=READONLY,
    keys=[_SOURCE],
    since="6.2.0",
    complexity=_SEARCH_COMPLEXITY,
    history=[_UPPER_CASE_UNITS],
)
def geosearch(session: Session, args: list[bytes]) -> object:
    """Finds the members of a sorted set that are in a circle or a rectangle."""
    search = Search(args, _zset(session, args[1]))
    search.read_options(2, is_geosearch=True, may_store=False)
    search.check(is_geosearch=True)
    return search.carry_out(session, b"")


@registry.command(
    "GEOSEARCHSTORE destination source" + _AREA + " [STOREDIST]",
    arity=-8,
    flags=WRITE | DENYOOM,
    keys=[
        KeySpec(1, access="OW UPDATE", needs=NOTHING),
        KeySpec(2, access="RO ACCESS"),
    ],
    since="6.2.0",
    complexity=_SEARCH_COMPLEXITY,
    history=[_UPPER_CASE_UNITS],
)
def geosearchstore(session: Session, args: list[bytes]) -> object:
    """Stores the members of a sorted set that are in a circle or a rectangle; answers how many."""
    search = Search(args, _zset(session, args[2]))
    search.store_key = args[1]
    search.read_options(3, is_geosearch=True, may_store=True)
    search.check(is_geosearch=True)
    return search.carry_out(session, b"geosearchstore")


def _search_circle(
    session: Session, args: list[bytes], is_around_member: bool, may_store: bool
) -> object:
    zset = _zset(session, args[1])
    search = Search(args, zset)
    if not is_around_member:
        search.from_position(args[2], args[3])
        search.by_radius(args[4], args[5])
        place = 6
    else:
        place = 5
        # As in Redis: around a member of nothing, radius and unit are not even looked at.
        if zset is not None:
            search.from_member(args[2])
            search.by_radius(args[3], args[4])
    search.read_options(place, is_geosearch=False, may_store=may_store)
    search.check(is_geosearch=False)
    return search.carry_out(session, b"georadiusstore")


def _circle_keys(options_at: int) -> list[KeySpec]:
    return [
        _SOURCE,
        KeySpec(keyword="STORE", start_from=options_at, access="OW UPDATE", needs=NOTHING),
        KeySpec(keyword="STOREDIST", start_from=options_at, access="OW UPDATE", needs=NOTHING),
    ]


@registry.command(
    "GEORADIUS key longitude latitude" + _CIRCLE + " [COUNT count [ANY]@6.2.0]" + _ORDER + _STORED,
    arity=-6,
    flags=WRITE | DENYOOM,
    keys=_circle_keys(6),
    since="3.2.0",
    complexity=_SEARCH_COMPLEXITY,
    history=[_ANY_ADDED, _UPPER_CASE_UNITS],
    deprecated=("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
)
def georadius(session: Session, args: list[bytes]) -> object:
    """Finds or stores the members of a sorted set that are near a position."""
    return _search_circle(session, args, is_around_member=False, may_store=True)


@registry.command(
    "GEORADIUSBYMEMBER key member" + _CIRCLE + " [COUNT count [ANY]]" + _ORDER + _STORED,
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=_circle_keys(5),
    since="3.2.0",
    complexity=_SEARCH_COMPLEXITY,
    history=[_ANY_ADDED, _UPPER_CASE_UNITS],
    deprecated=(
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    ),
)
def georadiusbymember(session: Session, args: list[bytes]) -> object:
    """Finds or stores the members of a sorted set that are near one of them."""
    return _search_circle(session, args, is_around_member=True, may_store=True)


@registry.command(
    "GEORADIUS_RO key longitude latitude" + _CIRCLE + " [COUNT count [ANY]@6.2.0]" + _ORDER,
    arity=-6,
    flags=READONLY,
    keys=[_SOURCE],
    since="3.2.10",
    complexity=_SEARCH_COMPLEXITY,
    history=[_ANY_ADDED, _UPPER_CASE_UNITS],
    deprecated=("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
)
def georadius_ro(session: Session, args: list[bytes]) -> object:
    """Finds the members of a sorted set that are near a position."""
    return _search_circle(session, args, is_around_member=False, may_store=False)


@registry.command(
    "GEORADIUSBYMEMBER_RO key member" + _CIRCLE + " [COUNT count [ANY]]" + _ORDER,
    arity=-5,
    flags=READONLY,
    keys=[_SOURCE],
    since="3.2.10",
    complexity=_SEARCH_COMPLEXITY,
    history=[_ANY_ADDED, _UPPER_CASE_UNITS],
    deprecated=("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
)
def georadiusbymember_ro(session: Session, args: list[bytes]) -> object:
    """Finds the members of a sorted set that are near one of them."""
    return _search_circle(session, args, is_around_member=True, may_store=False)
