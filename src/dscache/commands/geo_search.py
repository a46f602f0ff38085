"""What GEOSEARCH and its relatives are asked for, and the search itself; how positions are written.

A search looks at ranges of scores only, those of nine cells at most (``dscache.values.geohash``), and
of each member in them whether it is in the area. Members at the same distance are answered in the
order in which they were found, and so within a cell in that of their scores. (Redis, if COUNT leaves
some of at least seven out, answers such members in any order.)
"""

from __future__ import annotations

import operator
from typing import Final

from dscache.commands.arguments import double, integer, syntax_error
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.geohash import LATITUDE_MOST, LONGITUDE_MOST, Area, position_of
from dscache.values.zset import ZSet
from dscache.wire.reply import DoubleText

_UNITS_M: Final = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}

# Members that are taken out of a range of scores at a time, so that ANY ends a search soon.
_AT_ONCE: Final = 256


# Arguments and replies


def position_argument(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """A longitude and a latitude. Raises CommandError if they are beyond the limits."""
    east = double(longitude)
    north = double(latitude)
    if abs(east) > LONGITUDE_MOST or abs(north) > LATITUDE_MOST:
        raise CommandError(b"ERR invalid longitude,latitude pair %f,%f" % (east, north))
    return east, north


def unit_argument(text: bytes) -> float:
    """The metres of a unit of length. Raises CommandError."""
    unit_m = _UNITS_M.get(text.upper())
    if unit_m is None:
        raise CommandError(b"ERR unsupported unit provided. please use M, KM, FT, MI")
    return unit_m


def _radius(text: bytes) -> float:
    radius = double(text, b"ERR need numeric radius")
    if radius < 0.0:
        raise CommandError(b"ERR radius cannot be negative")
    return radius


def distance_text(distance: float) -> bytes:
    """A distance as clients get it: four decimals, rounded half to even."""
    return b"%d.%04d" % divmod(round(distance * 10000.0), 10000)


def coordinates(longitude: float, latitude: float) -> list[object]:
    """A position as clients get it."""
    return [DoubleText(_coordinate(longitude)), DoubleText(_coordinate(latitude))]


def _coordinate(degrees: float) -> bytes:
    """With up to 17 decimals, without trailing zeros."""
    text = (b"%.17f" % degrees).rstrip(b"0").rstrip(b".")
    return b"0" if text == b"-0" else text


# Searches


class _Found:
    """A member in the area that is searched."""

    def __init__(
        self, member: bytes, score: float, distance: float, longitude: float, latitude: float
    ) -> None:
        self.member: Final = member
        self.score: Final = score
        #: From the middle of the area, in metres.
        self.distance: Final = distance
        self.longitude: Final = longitude
        self.latitude: Final = latitude


_distance: Final = operator.attrgetter("distance")


def _members_in(zset: ZSet, area: Area, most: int) -> list[_Found]:
    """Members in ``area``; with ``most`` other than 0, no more than so many, whichever they are."""
    found: list[_Found] = []
    for low, high in area.score_ranges():
        start = zset.count_below(float(low), False)
        stop = zset.count_below(float(high), False)
        while start < stop:
            for member, score in zset.items_between(start, min(start + _AT_ONCE, stop)):
                longitude, latitude = position_of(score)
                distance = area.distance_to(longitude, latitude)
                if distance < 0.0:
                    continue
                found.append(_Found(member, score, distance, longitude, latitude))
                if len(found) == most:
                    return found
            start += _AT_ONCE
    return found


class Search:
    """What a command asks for, read from its arguments in the order in which they stand."""

    def __init__(self, args: list[bytes], zset: ZSet | None) -> None:
        self._args: Final = args
        self._zset: Final = zset
        # The middle, once it is known; a member of a set that does not exist has none.
        self._has_middle = False
        self._is_from_member = False
        self._longitude = 0.0
        self._latitude = 0.0
        self._has_shape = False
        self._is_circle = True
        self._half_width = 0.0
        self._half_height = 0.0
        self._unit_m = 1.0
        self._with_distance = False
        self._with_hash = False
        self._with_position = False
        self._order = b""
        self._count = 0
        self._any = False
        #: Where the result is to be stored, if anywhere.
        self.store_key: bytes | None = None
        self._stores_distance = False

    # Parts of the arguments

    def from_member(self, member: bytes) -> None:
        """The middle is the position of a member."""
        self._has_middle = True
        self._is_from_member = True
        if self._zset is None:
            return
        score = self._zset.score(member)
        if score is None:
            raise CommandError(b"ERR could not decode requested zset member")
        self._longitude, self._latitude = position_of(score)

    def from_position(self, longitude: bytes, latitude: bytes) -> None:
        """The middle is given."""
        self._longitude, self._latitude = position_argument(longitude, latitude)
        self._has_middle = True

    def by_radius(self, radius: bytes, unit: bytes) -> None:
        """The area is a circle."""
        self._half_width = self._half_height = _radius(radius)
        self._unit_m = unit_argument(unit)
        self._has_shape = True

    def by_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        """The area is a rectangle."""
        whole_width = double(width, b"ERR need numeric width")
        whole_height = double(height, b"ERR need numeric height")
        if whole_width < 0.0 or whole_height < 0.0:
            raise CommandError(b"ERR height or width cannot be negative")
        self._half_width = whole_width / 2.0
        self._half_height = whole_height / 2.0
        self._unit_m = unit_argument(unit)
        self._is_circle = False
        self._has_shape = True

    def read_options(self, place: int, is_geosearch: bool, may_store: bool) -> None:
        """Read everything from ``args[place]`` on. Raises CommandError."""
        args = self._args
        while place < len(args):
            operands = self._read_option(place, len(args) - place - 1, is_geosearch, may_store)
            if operands < 0:
                raise syntax_error()
            place += 1 + operands

    def _read_option(self, place: int, left: int, is_geosearch: bool, may_store: bool) -> int:
        """Read one option, which has ``left`` words behind it, and answer how many of them are its;
        -1 if it is none that fits."""
        args = self._args
        option = args[place].upper()
        if option == b"WITHDIST":
            self._with_distance = True
        elif option == b"WITHHASH":
            self._with_hash = True
        elif option == b"WITHCOORD":
            self._with_position = True
        elif option == b"ANY":
            self._any = True
        elif option in (b"ASC", b"DESC"):
            self._order = option
        elif option == b"COUNT" and left >= 1:
            self._count = integer(args[place + 1])
            if self._count <= 0:
                raise CommandError(b"ERR COUNT must be > 0")
            return 1
        elif is_geosearch:
            return self._read_area(option, place, left, may_store)
        elif option in (b"STORE", b"STOREDIST") and left >= 1 and may_store:
            self.store_key = args[place + 1]
            self._stores_distance = option == b"STOREDIST"
            return 1
        else:
            return -1
        return 0

    def _read_area(self, option: bytes, place: int, left: int, may_store: bool) -> int:
        """As ``_read_option``, of what only GEOSEARCH and GEOSEARCHSTORE have."""
        args = self._args
        if option == b"STOREDIST" and may_store:
            self._stores_distance = True
            return 0
        if option == b"FROMMEMBER" and left >= 1:
            if self._has_middle and not self._is_from_member:
                return -1
            self.from_member(args[place + 1])
            return 1
        if option == b"FROMLONLAT" and left >= 2 and not self._is_from_member:
            self.from_position(args[place + 1], args[place + 2])
            return 2
        if option == b"BYRADIUS" and left >= 2 and self._is_circle:
            self.by_radius(args[place + 1], args[place + 2])
            return 2
        if option == b"BYBOX" and left >= 3 and not (self._has_shape and self._is_circle):
            self.by_box(args[place + 1], args[place + 2], args[place + 3])
            return 3
        return -1

    def check(self, is_geosearch: bool) -> None:
        """Raise CommandError unless the options go together."""
        if self.store_key is not None and (
            self._with_distance or self._with_hash or self._with_position
        ):
            command = b"GEOSEARCHSTORE" if is_geosearch else b"STORE option in GEORADIUS"
            raise CommandError(
                b"ERR " + command + b" is not compatible with WITHDIST, WITHHASH and"
                b" WITHCOORD options"
            )
        if is_geosearch and not self._has_middle:
            raise CommandError(
                b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + self._args[0]
            )
        if is_geosearch and not self._has_shape:
            raise CommandError(
                b"ERR exactly one of BYRADIUS and BYBOX can be specified for " + self._args[0]
            )
        if self._any and self._count == 0:
            raise CommandError(b"ERR the ANY argument requires COUNT argument")

    # Carrying it out

    def members(self) -> list[_Found]:
        """The members that are asked for, in the order that is asked for."""
        if self._zset is None:
            return []
        area = Area(
            self._longitude,
            self._latitude,
            self._half_width,
            self._half_height,
            self._unit_m,
            self._is_circle,
        )
        found = _members_in(self._zset, area, self._count if self._any else 0)
        # To count the nearest ones they must be in order, unless any will do.
        if self._order or (self._count > 0 and not self._any):
            found.sort(key=_distance, reverse=self._order == b"DESC")
        return found[: self._count] if self._count > 0 else found

    def carry_out(self, session: Session, store_event: bytes) -> object:
        """The reply, or how many members were stored."""
        found = self.members()
        if self.store_key is not None:
            return self._store(session, self.store_key, found, store_event)
        if not (self._with_distance or self._with_hash or self._with_position):
            return [one.member for one in found]
        return [self._described(one) for one in found]

    def _described(self, one: _Found) -> list[object]:
        described: list[object] = [one.member]
        if self._with_distance:
            described.append(distance_text(one.distance / self._unit_m))
        if self._with_hash:
            described.append(int(one.score))
        if self._with_position:
            described.append(coordinates(one.longitude, one.latitude))
        return described

    def _store(self, session: Session, key: bytes, found: list[_Found], event: bytes) -> int:
        keyspace = session.keyspace
        if not found:
            keyspace.delete(key, b"del")
            return 0
        zset = ZSet()
        for one in found:
            score = one.distance / self._unit_m if self._stores_distance else one.score
            zset.add(one.member, score)
        keyspace.put(key, zset, 0, event)
        return len(found)
