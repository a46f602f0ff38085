"""A leaderboard: points, ranks, neighbours, and boards of the day, of the week and of all times.

    dscache serve --port 7000 &
    DSCACHE_URL=redis://127.0.0.1:7000 python3 examples/leaderboard.py

Why dscache: there is a board for every game and day, and hardly anybody looks at those of
yesterday; they wait on disk until they expire, and memory has the boards that are played.

What to look at: points are stored negative. So the best come first in ascending order, and those
with as many points stand in the order of their names; ZREVRANGE would turn the names around, too.
A board is loaded and saved whole: this is for boards of thousands of players, not of millions.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, cast

import redis

#: How long the board of a day is kept: last week can still be added up.
DAY_KEPT = timedelta(days=15)
#: How old the board of a week may be before it is added up again.
WEEK_KEPT = timedelta(minutes=1)


class Standing(NamedTuple):
    """A line of a board. The first rank is 1."""

    rank: int
    player: str
    points: int


class Board:
    """One sorted set, best first. ``db`` decodes responses."""

    def __init__(self, db: redis.Redis, key: str) -> None:
        self._db = db
        self.key = key

    def top(self, count: int = 10) -> list[Standing]:
        """The best."""
        return self._lines(0, count)

    def standing(self, player: str) -> Standing | None:
        """Where a player stands; None if that is nowhere."""
        found = self._db.zrank(self.key, player, withscore=True)
        if not isinstance(found, list):
            return None
        rank, score = found
        return Standing(rank + 1, player, -int(score))

    def around(self, player: str, reach: int = 2) -> list[Standing]:
        """A player between ``reach`` neighbours on each side, or fewer at the ends of the board."""
        index = self._db.zrank(self.key, player)
        if not isinstance(index, int):
            return []
        first = max(0, index - reach)
        return self._lines(first, index + reach + 1)

    def _lines(self, first: int, end: int) -> list[Standing]:
        found = self._db.zrange(self.key, first, end - 1, withscores=True)
        # The type that redis-py gives is that of all its forms.
        pairs = cast("list[tuple[str, float]]", found)
        return [
            Standing(rank, player, -int(score))
            for rank, (player, score) in enumerate(pairs, first + 1)
        ]


class Leaderboard:
    """All boards of a game. ``db`` decodes responses."""

    def __init__(self, db: redis.Redis, game: str) -> None:
        self._db = db
        self._prefix = f"board:{game}"
        self.ever = Board(db, f"{self._prefix}:ever")

    def score(self, player: str, points: int, day: date | None = None) -> None:
        """Give a player points, today unless a day is given; on all boards, or on none."""
        of_day = self.day(day)
        with self._db.pipeline(transaction=True) as pipe:
            pipe.zincrby(self.ever.key, -points, player)
            pipe.zincrby(of_day.key, -points, player)
            pipe.expire(of_day.key, DAY_KEPT)
            pipe.execute()

    def day(self, day: date | None = None) -> Board:
        """The board of a day, of today unless one is given."""
        day = day or datetime.now(UTC).date()
        return Board(self._db, f"{self._prefix}:{day.isoformat()}")

    def week(self, day: date | None = None) -> Board:
        """The board of the week, from Monday, that has the day; a minute old at most."""
        day = day or datetime.now(UTC).date()
        monday = day - timedelta(days=day.weekday())
        board = Board(self._db, f"{self._prefix}:week:{monday.isoformat()}")
        if not self._db.exists(board.key):
            days = [self.day(monday + timedelta(days=n)).key for n in range(7)]
            with self._db.pipeline(transaction=True) as pipe:
                pipe.zunionstore(board.key, days)
                pipe.expire(board.key, WEEK_KEPT)
                pipe.execute()
        return board

    def clear(self) -> None:
        """Forget everything about the game."""
        for key in self._db.scan_iter(f"{self._prefix}:*"):
            self._db.unlink(key)


def main() -> None:
    """Play a week of a game, and show its boards."""
    url = os.environ.get("DSCACHE_URL", "redis://127.0.0.1:6379")
    with redis.Redis.from_url(url, decode_responses=True) as db:
        game = Leaderboard(db, "marbles")
        game.clear()
        chance = random.Random(2011)
        for day in range(7):
            for _ in range(200):
                player = f"player{int(chance.random() * 100):02}"
                game.score(player, int(chance.random() * 5), date(2026, 11, 16 + day))
        show("The best of Monday", game.day(date(2026, 11, 16)).top(3))
        show("The best of the week", game.week(date(2026, 11, 18)).top(3))
        show("Around player42, of all times", game.ever.around("player42"))


def show(title: str, lines: list[Standing]) -> None:
    """Print a part of a board."""
    print(title)
    for line in lines:
        print(f"{line.rank:4}  {line.player}  {line.points:3}")


if __name__ == "__main__":
    main()
