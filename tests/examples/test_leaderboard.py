"""examples/leaderboard.py"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import redis

from leaderboard import DAY_KEPT, WEEK_KEPT, Leaderboard, Standing

MONDAY = date(2026, 11, 16)


@pytest.fixture
def game(db: redis.Redis) -> Leaderboard:
    """A game that nobody has played."""
    return Leaderboard(db, "marbles")


def test_the_best_come_first_and_equals_in_the_order_of_their_names(game: Leaderboard) -> None:
    for player, points in [("grace", 5), ("bob", 7), ("ada", 2), ("ada", 3), ("zoe", 9)]:
        game.score(player, points)
    assert game.ever.top() == [(1, "zoe", 9), (2, "bob", 7), (3, "ada", 5), (4, "grace", 5)]
    assert game.ever.top(2) == [(1, "zoe", 9), (2, "bob", 7)]
    assert game.ever.standing("grace") == Standing(rank=4, player="grace", points=5)
    assert game.ever.standing("nobody") is None


def test_a_player_is_shown_between_neighbours_also_at_the_ends(game: Leaderboard) -> None:
    for points, player in enumerate("gfedcba"):
        game.score(player, points)
    assert [line.player for line in game.ever.around("d")] == ["b", "c", "d", "e", "f"]
    assert game.ever.around("a", reach=1) == [(1, "a", 6), (2, "b", 5)]
    assert game.ever.around("g", reach=1) == [(6, "f", 1), (7, "g", 0)]
    assert game.ever.around("nobody") == []


def test_a_week_is_the_sum_of_its_days_from_monday_to_sunday(game: Leaderboard) -> None:
    for day in range(-1, 8):
        game.score("ada", 10**day if day >= 0 else 5, MONDAY + timedelta(days=day))
    game.score("bob", 8_000_000, MONDAY + timedelta(days=3))
    week = game.week(MONDAY + timedelta(days=6))
    assert week.top() == [(1, "bob", 8_000_000), (2, "ada", 1_111_111)]
    assert week.key == game.week(MONDAY).key
    assert game.week(MONDAY - timedelta(days=1)).top() == [(1, "ada", 5)]
    assert game.day(MONDAY).top() == [(1, "ada", 1)]
    assert game.week(date(2000, 1, 1)).top() == []


def test_a_week_is_added_up_again_when_it_has_expired(game: Leaderboard, db: redis.Redis) -> None:
    game.score("ada", 1, MONDAY)
    week = game.week(MONDAY)
    game.score("ada", 1, MONDAY)
    assert game.week(MONDAY).top() == [(1, "ada", 1)]
    assert 0 < db.ttl(week.key) <= WEEK_KEPT.total_seconds()
    assert 0 < db.ttl(game.day(MONDAY).key) <= DAY_KEPT.total_seconds()
    assert db.ttl(game.ever.key) == -1
    db.expire(week.key, 0)
    assert game.week(MONDAY).top() == [(1, "ada", 2)]


def test_clearing_a_game_leaves_others_alone(game: Leaderboard, db: redis.Redis) -> None:
    other = Leaderboard(db, "chess")
    for board in (game, other):
        board.score("ada", 1, MONDAY)
        board.week(MONDAY)
    game.clear()
    for board, lines in ((game, []), (other, [(1, "ada", 1)])):
        assert [one.top() for one in (board.ever, board.day(MONDAY), board.week(MONDAY))] == [
            lines
        ] * 3
