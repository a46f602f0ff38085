"""Positions as integers, distances, and the ranges of integers that cover an area."""

from __future__ import annotations

import math
import random

import pytest

from dscache.values.geohash import (
    LATITUDE_MOST,
    LONGITUDE_MOST,
    Area,
    distance_m,
    geohash_text,
    position_of,
    score_of,
)


def test_positions_are_those_of_redis() -> None:
    assert score_of(13.361389, 38.115556) == 3479099956230698
    assert position_of(3479099956230698.0) == (13.36138933897018433, 38.11555639549629859)
    assert geohash_text(*position_of(3479099956230698.0)) == b"sqc8b49rny0"
    assert geohash_text(*position_of(float(score_of(-5.6, 42.6)))) == b"ezs42e44yx0"


def test_distances_are_those_of_redis() -> None:
    palermo = position_of(3479099956230698.0)
    catania = position_of(3479447370796909.0)
    assert round(distance_m(*palermo, *catania), 4) == 166274.1516
    assert distance_m(*palermo, *palermo) == 0.0
    assert distance_m(10.0, 0.0, 10.0, 1.0) == pytest.approx(111226.3, abs=0.1)


def test_a_position_is_within_its_cell() -> None:
    rnd = random.Random(1)
    for _ in range(500):
        longitude = rnd.uniform(-LONGITUDE_MOST, LONGITUDE_MOST)
        latitude = rnd.uniform(-LATITUDE_MOST, LATITUDE_MOST)
        score = float(score_of(longitude, latitude))
        found = position_of(score)
        assert abs(found[0] - longitude) <= 180.0 / 2**26
        assert abs(found[1] - latitude) <= 86.0 / 2**26
        assert score_of(*found) == score


def test_the_limits_have_positions_too() -> None:
    for longitude in (-LONGITUDE_MOST, LONGITUDE_MOST):
        for latitude in (-LATITUDE_MOST, LATITUDE_MOST):
            found = position_of(float(score_of(longitude, latitude)))
            assert found[0] == pytest.approx(longitude)
            assert found[1] == pytest.approx(latitude)


@pytest.mark.parametrize(
    ("score", "position"),
    [
        (-5.0, (LONGITUDE_MOST, LATITUDE_MOST)),
        (math.inf, position_of(0.0)),
        (2.0**64, position_of(0.0)),
        (-math.inf, position_of(-(2.0**63))),
        (2.0**63, position_of(-(2.0**63))),
        (1.9, position_of(1.0)),
    ],
)
def test_scores_without_a_position_are_taken_as_c_does(
    score: float, position: tuple[float, float]
) -> None:
    assert position_of(score) == position


def _random_area(rnd: random.Random) -> tuple[Area, float, float]:
    longitude = rnd.uniform(-180.0, 180.0)
    latitude = rnd.uniform(-75.0, 75.0)
    reach = 10 ** rnd.uniform(1.0, 6.0)
    if rnd.random() < 0.5:
        return Area(longitude, latitude, reach, reach, 1.0, True), longitude, latitude
    area = Area(longitude, latitude, reach, reach * rnd.uniform(0.1, 1.0), 1.0, False)
    return area, longitude, latitude


@pytest.mark.parametrize("seed", range(4))
def test_ranges_of_scores_cover_an_area(seed: int) -> None:
    rnd = random.Random(seed)
    for _ in range(60):
        area, longitude, latitude = _random_area(rnd)
        ranges = area.score_ranges()
        assert len(ranges) <= 9
        assert len(set(ranges)) == len(ranges)
        span = 10 ** rnd.uniform(-4.0, 1.0)
        for _ in range(40):
            east = longitude + rnd.uniform(-span, span)
            north = latitude + rnd.uniform(-span, span)
            # Across the date line Redis finds what lies in the neighbouring cells only.
            if abs(east) > 180.0 or abs(north) > LATITUDE_MOST:
                continue
            score = score_of(east, north)
            if area.distance_to(*position_of(float(score))) >= 0.0:
                assert any(low <= score < high for low, high in ranges)


def test_endless_areas_cover_everything() -> None:
    area = Area(10.0, 20.0, math.inf, math.inf, 1.0, True)
    for position in ((10.0, 20.0), (-170.0, -80.0), (170.0, 80.0)):
        score = score_of(*position)
        assert any(low <= score < high for low, high in area.score_ranges())
        assert area.distance_to(*position) >= 0.0
