"""Figures as people read them."""

from __future__ import annotations

import pytest

from dscache.cli.quantities import (
    bar,
    bytes_text,
    count_text,
    milliseconds_text,
    seconds_text,
    sparkline,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0"), (1.25, "1.2"), (99, "99"), (1234.5, "1,234"), (2.5e6, "2.5 M"), (3e9, "3.0 G")],
)  # fmt: skip
def test_counts(number: float | None, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (204800, "200 KiB"), (5 << 40, "5.0 TiB")],
)  # fmt: skip
def test_sizes(number: float | None, text: str) -> None:
    assert bytes_text(number) == text


def test_milliseconds_have_three_digits_at_least() -> None:
    assert [milliseconds_text(ms) for ms in (0.031, 2.1, 34.2, 543.2, 4321)] == [
        "0.03",
        "2.10",
        "34.2",
        "543",
        "4,321",
    ]


def test_times_bars_and_sparklines() -> None:
    assert [seconds_text(n) for n in (0, 90, 150, 7300, 172800)] == [
        "0 s",
        "90 s",
        "2 min",
        "2 h",
        "2 days",
    ]
    assert (bar(0, 4), bar(0.5, 4), bar(7, 4)) == ("░░░░", "██░░", "████")
    assert sparkline([], 5) == ""
    assert sparkline([0, 0], 5) == "▁▁"
    assert sparkline([0, 1, 2], 2) == "▅█"
    assert sparkline([0.5], 3, 1.0) == "▅"
    assert sparkline([1], 0) == ""
