"""Positions on the Earth as integers, distances between them, and areas as ranges of such integers.

A *geohash* of n steps halves the range of longitudes n times and that of latitudes n times, and writes
down which half each time, latitudes in the even bits. Positions that share leading bits share a cell,
so a cell is a range of integers. A position is kept as the score of a member of a sorted set, with
26 steps: 52 bits, which a float holds exactly, and a cell of 0.6 m.

Latitudes end at 85.05112878 degrees, as on Mercator's maps (EPSG:3857). All arithmetic is in Redis's
order, so that every bit of a result is the same; the Earth is a sphere of Redis's radius.
"""

from __future__ import annotations

import math
from typing import Final

from mypy_extensions import i64

LONGITUDE_MOST: Final = 180.0
LATITUDE_MOST: Final = 85.05112878
_STEPS_MOST: Final = 26
_POLE: Final = 90.0

_RADIANS: Final = math.pi / 180.0
_EARTH_RADIUS_M: Final = 6372797.560856
# Half of the equator, as Mercator's maps have it.
_MERCATOR_MOST_M: Final = 20037726.37

_ALPHABET: Final = b"0123456789bcdefghjkmnpqrstuvwxyz"
_LETTERS: Final = 10
_LETTER_BITS: Final = 5

_MASK32: Final = 0xFFFFFFFF

#: The nine cells around a position in the order in which they are searched: steps to the east, steps
#: to the north.
_AROUND: Final[list[tuple[int, int]]] = [
    (0, 0),
    (0, 1),
    (0, -1),
    (1, 0),
    (-1, 0),
    (1, 1),
    (-1, 1),
    (1, -1),
    (-1, -1),
]


def score_of(longitude: float, latitude: float) -> int:
    """The geohash of 26 steps of a position, which is within the limits."""
    east = _cell(longitude, LONGITUDE_MOST, _STEPS_MOST)
    return _interleaved(_cell(latitude, LATITUDE_MOST, _STEPS_MOST), east)


def position_of(score: float) -> tuple[float, float]:
    """Longitude and latitude of the middle of the cell that ``score`` stands for.

    Any score stands for one: in Redis one that no position has is what the C code makes of it.
    """
    bits = _bits_of(score)
    longitude = _middle(_deinterleaved(bits >> 1), LONGITUDE_MOST)
    return longitude, _middle(_deinterleaved(bits), LATITUDE_MOST)


def geohash_text(longitude: float, latitude: float) -> bytes:
    """The usual geohash, for which latitudes go to the pole: ten letters, and a last one that is 0."""
    east = _cell(longitude, LONGITUDE_MOST, _STEPS_MOST)
    bits = _interleaved(_cell(latitude, _POLE, _STEPS_MOST), east)
    letters = bytearray()
    shift: i64 = 2 * _STEPS_MOST
    for _ in range(_LETTERS):
        shift -= _LETTER_BITS
        letters.append(_ALPHABET[(bits >> shift) & 31])
    return bytes(letters) + b"0"


def distance_m(
    longitude: float, latitude: float, other_longitude: float, other_latitude: float
) -> float:
    """Metres between two positions, by the haversine formula."""
    v = math.sin((other_longitude * _RADIANS - longitude * _RADIANS) / 2.0)
    if v == 0.0:
        return _latitude_distance_m(latitude, other_latitude)
    one = latitude * _RADIANS
    other = other_latitude * _RADIANS
    u = math.sin((other - one) / 2.0)
    root = math.sqrt(u * u + math.cos(one) * math.cos(other) * v * v)
    # Rounding may take opposite points of the globe beyond what has an arcsine.
    return 2.0 * _EARTH_RADIUS_M * math.asin(min(root, 1.0))


def _latitude_distance_m(latitude: float, other_latitude: float) -> float:
    return _EARTH_RADIUS_M * abs(other_latitude * _RADIANS - latitude * _RADIANS)


class Area:
    """A circle, or a rectangle along meridians and parallels, around a position.

    ``half_width`` and ``half_height`` are in units of ``unit_m`` metres; of a circle both are its
    radius.
    """

    def __init__(
        self,
        longitude: float,
        latitude: float,
        half_width: float,
        half_height: float,
        unit_m: float,
        is_circle: bool,
    ) -> None:
        self._longitude: Final = longitude
        self._latitude: Final = latitude
        self._half_width_m: Final = half_width * unit_m
        self._half_height_m: Final = half_height * unit_m
        self._is_circle: Final = is_circle
        if is_circle:
            self._radius_m = self._half_width_m
        else:
            self._radius_m = math.sqrt(half_width * half_width + half_height * half_height) * unit_m

    def distance_to(self, longitude: float, latitude: float) -> float:
        """Metres from the middle to a position; below 0 if that is outside."""
        if not self._is_circle:
            if _latitude_distance_m(latitude, self._latitude) > self._half_height_m:
                return -1.0
            if distance_m(longitude, latitude, self._longitude, latitude) > self._half_width_m:
                return -1.0
            return distance_m(self._longitude, self._latitude, longitude, latitude)
        distance = distance_m(self._longitude, self._latitude, longitude, latitude)
        return -1.0 if distance > self._radius_m else distance

    def score_ranges(self) -> list[tuple[int, int]]:
        """Ranges of scores (the first, and the one behind the last) that cover the area.

        They are the cell of the middle and those around it that the area reaches, with as many
        steps as make them not smaller than it.
        """
        reach_north = _degrees(self._half_height_m / _EARTH_RADIUS_M)
        # Towards the nearer pole the area spans more degrees.
        edge = self._latitude + (reach_north if self._latitude >= 0.0 else -reach_north)
        reach_east = _degrees(self._half_width_m / _EARTH_RADIUS_M / _cosine(edge * _RADIANS))
        west = self._longitude - reach_east
        east = self._longitude + reach_east
        south = self._latitude - reach_north
        north = self._latitude + reach_north

        steps = self._estimated_steps()
        column = _cell(self._longitude, LONGITUDE_MOST, steps)
        row = _cell(self._latitude, LATITUDE_MOST, steps)
        mask: i64 = (1 << steps) - 1
        if steps > 1 and (
            _edge(((row + 1) & mask) + 1, LATITUDE_MOST, steps) < north
            or _edge((row - 1) & mask, LATITUDE_MOST, steps) > south
            or _edge(((column + 1) & mask) + 1, LONGITUDE_MOST, steps) < east
            or _edge((column - 1) & mask, LONGITUDE_MOST, steps) > west
        ):
            # The middle is near an edge of its cell, and the area goes beyond the next one.
            steps -= 1
            mask >>= 1
            column = _cell(self._longitude, LONGITUDE_MOST, steps)
            row = _cell(self._latitude, LATITUDE_MOST, steps)

        ranges: list[tuple[int, int]] = []
        for step_east, step_north in _AROUND:
            if steps >= 2 and (
                (step_north < 0 and _edge(row, LATITUDE_MOST, steps) < south)
                or (step_north > 0 and _edge(row + 1, LATITUDE_MOST, steps) > north)
                or (step_east < 0 and _edge(column, LONGITUDE_MOST, steps) < west)
                or (step_east > 0 and _edge(column + 1, LONGITUDE_MOST, steps) > east)
            ):
                continue
            near_row = (row + step_north) & mask if step_north != 0 else row
            near_column = (column + step_east) & mask if step_east != 0 else column
            bits = _interleaved(near_row, near_column)
            shift = 2 * (_STEPS_MOST - steps)
            cell = (int(bits << shift), int((bits + 1) << shift))
            # With few steps neighbours on both sides are the same cell.
            if len(ranges) < 2 or ranges[-1] != cell:
                ranges.append(cell)
        return ranges

    def _estimated_steps(self) -> i64:
        reach = self._radius_m
        if reach == 0.0:
            return _STEPS_MOST
        steps: i64 = -1
        while reach < _MERCATOR_MOST_M:
            reach *= 2.0
            steps += 1
        # Cells become narrow towards the poles.
        latitude = abs(self._latitude)
        if latitude > 66.0:
            steps -= 1
            if latitude > 80.0:
                steps -= 1
        return min(max(steps, 1), _STEPS_MOST)


# Cells: rows of latitudes and columns of longitudes, counted from the south and from the west


def _cell(coordinate: float, most: float, steps: i64) -> i64:
    """The row or column of a coordinate between ``-most`` and ``most``."""
    return int((coordinate + most) / (most + most) * float(int(1 << steps)))


def _edge(cell: i64, most: float, steps: i64) -> float:
    """Where a row or column begins. C counts them with 32 bits."""
    return -most + float(int(cell & _MASK32)) / float(int(1 << steps)) * (most + most)


def _middle(cell: i64, most: float) -> float:
    """The middle of a row or column of 26 steps, within the limits."""
    middle = (_edge(cell, most, _STEPS_MOST) + _edge(cell + 1, most, _STEPS_MOST)) / 2.0
    return min(max(middle, -most), most)


def _degrees(radians: float) -> float:
    return radians / _RADIANS


def _cosine(radians: float) -> float:
    """As in C: of an infinity, nan."""
    return math.cos(radians) if math.isfinite(radians) else math.nan


# Bits


def _interleaved(row: i64, column: i64) -> i64:
    return _spread(row) | _spread(column) << 1


def _spread(bits: i64) -> i64:
    """Up to 32 bits, a zero before each of them."""
    bits = (bits | bits << 16) & 0x0000FFFF0000FFFF
    bits = (bits | bits << 8) & 0x00FF00FF00FF00FF
    bits = (bits | bits << 4) & 0x0F0F0F0F0F0F0F0F
    bits = (bits | bits << 2) & 0x3333333333333333
    return (bits | bits << 1) & 0x5555555555555555


def _deinterleaved(bits: i64) -> i64:
    """The even ones of 64 bits."""
    bits &= 0x5555555555555555
    bits = (bits | bits >> 1) & 0x3333333333333333
    bits = (bits | bits >> 2) & 0x0F0F0F0F0F0F0F0F
    bits = (bits | bits >> 4) & 0x00FF00FF00FF00FF
    bits = (bits | bits >> 8) & 0x0000FFFF0000FFFF
    return (bits | bits >> 16) & _MASK32


def _bits_of(score: float) -> i64:
    """What C on x86-64 makes of a double that becomes an unsigned integer; the sign is the top bit."""
    limit = float(2**63)
    if -limit <= score < limit:
        return int(score)
    if score < 0.0:
        return -(2**63)
    return int(score - limit) - 2**63 if score < 2.0 * limit else 0
