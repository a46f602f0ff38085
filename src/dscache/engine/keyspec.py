"""Key specifications: where a command's keys stand among its arguments, and what it needs of them.

Redis's two steps: ``begin`` finds where keys start (a fixed index, or behind a keyword), ``find`` says
how they go on from there (a range with a step, or a count that stands in the arguments). From them
come COMMAND INFO and GETKEYS, the keys that are preloaded, and what access control asks about.

What is preloaded is said apart from Redis's access flags, because those do not tell it: SET overwrites
and needs nothing, DEL needs to know only that the key exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: What a command needs in memory before it can run. VALUE_OF_CONTAINER is HEAD if that says that it is a
#: string.
NOTHING: Final = 0
HEAD: Final = 1
VALUE: Final = 2
VALUE_OF_CONTAINER: Final = 3

#: What access control asks a user's rights for, in bits. A command that only looks whether a key is there
#: (EXISTS) needs neither, but some pattern must allow the key.
READS: Final = 1
WRITES: Final = 2

#: What a command needs of its keys, where that depends on the arguments.
Chooser = Callable[[list[bytes]], int]

#: What a command does with its keys, where that depends on the arguments: flags as in ``access``.
AccessChooser = Callable[[list[bytes]], list[str]]

#: The number of another database in which a command looks for its keys, or -1.
DatabaseChooser = Callable[[list[bytes]], int]

#: A custom finder: indexes of the keys in the arguments; raises ValueError if they make no sense.
KeyFinder = Callable[[list[bytes]], list[int]]


class KeySpec:
    """One specification of a command. A command may have several.

    ``index`` or ``keyword`` (searched from ``start_from``; from the end if negative) says where keys
    begin. ``last`` (relative to the first; negative counts from the end of the arguments), ``step``
    and ``limit`` describe a range as in COMMAND INFO; ``count_at`` >= 0 instead says that the number
    of keys stands there (relative to the beginning) and the first key at ``first``. ``finder``
    overrides all of it. ``needs`` says what is preloaded, and ``chooser`` where that depends on the
    arguments; ``other_database`` in which other database the command looks whether they exist.
    ``access`` holds Redis's flags: RO, RW, OW or RM, and the logical ones; ``access_chooser`` gives
    those of one call where the declared ones (with VARIABLE_FLAGS) are the most that it may do.
    """

    def __init__(
        self,
        index: int = 0,
        *,
        access: str,
        needs: int = VALUE,
        last: int = 0,
        step: int = 1,
        limit: int = 0,
        keyword: str = "",
        start_from: int = 1,
        count_at: int = -1,
        first: int = 0,
        finder: KeyFinder | None = None,
        chooser: Chooser | None = None,
        other_database: DatabaseChooser | None = None,
        access_chooser: AccessChooser | None = None,
        notes: str = "",
    ) -> None:
        self.index: Final = index
        self.access: Final = access.split()
        #: What stands there is a key, and not the name of a shard channel.
        self.is_key: Final = "NOT_KEY" not in self.access
        self._rights: Final = _rights(self.access)
        self._access_chooser: Final = access_chooser
        self._needs: Final = needs
        self._chooser: Final = chooser
        self._other_database: Final = other_database
        self.last: Final = last
        self.step: Final = step
        self.limit: Final = limit
        self.keyword: Final = keyword
        self.start_from: Final = start_from
        self.count_at: Final = count_at
        self.first: Final = first
        self.finder: Final = finder
        self.notes: Final = notes

    def needs(self, args: list[bytes]) -> int:
        """NOTHING, HEAD, ...: what must be in memory before the command runs."""
        return self._needs if self._chooser is None else self._chooser(args)

    def access_of(self, args: list[bytes]) -> list[str]:
        """What this call does with its keys."""
        return self.access if self._access_chooser is None else self._access_chooser(args)

    def rights(self, args: list[bytes]) -> int:
        """READS, WRITES: what a user must be allowed to do with the keys of this call."""
        if self._access_chooser is None:
            return self._rights
        return _rights(self._access_chooser(args))

    def other_database(self, args: list[bytes]) -> int:
        """The database whose heads must be in memory too; -1 for none. It may not exist."""
        return -1 if self._other_database is None else self._other_database(args)

    def positions(self, args: list[bytes]) -> list[int]:
        """Indexes of this specification's keys in ``args``. O(keys).

        Raises ValueError when the arguments contradict it (a count that is no number or too big).
        """
        if self.finder is not None:
            return self.finder(args)
        begin = self._begin(args)
        total = len(args)
        if begin < 0 or begin >= total:
            return []
        if self.count_at >= 0:
            count = int(args[begin + self.count_at])
            first = begin + self.first
            if count < 0 or first + (count - 1) * self.step >= total:
                raise ValueError("the number of keys does not fit the arguments")
            return [first + n * self.step for n in range(count)]
        if self.last >= 0:
            end = begin + self.last
        elif self.limit <= 1:
            end = total + self.last
        else:
            end = begin + (total - begin) // self.limit + self.last
        if end >= total:
            raise ValueError("there are fewer arguments than keys")
        return list(range(begin, end + 1, self.step))

    def all_positions(self, args: list[bytes]) -> list[int]:
        """As ``positions``, of every key that the command might take for the one that it uses.

        That is another thing where an option names a key and may be repeated (GEORADIUS ... STORE):
        Redis looks at the first, and stores where the last says.
        """
        if not self.keyword or self.count_at >= 0 or self.last != 0 or self.finder is not None:
            return self.positions(args)
        wanted = self.keyword.encode().lower()
        places = range(max(self.start_from, 1), len(args) - 1)
        return [place + 1 for place in places if args[place].lower() == wanted]

    def _begin(self, args: list[bytes]) -> int:
        if not self.keyword:
            return self.index
        wanted = self.keyword.encode().lower()
        if self.start_from > 0:
            places = range(self.start_from, len(args))
        else:
            places = range(len(args) + self.start_from, 0, -1)
        for place in places:
            if args[place].lower() == wanted:
                return place + 1
        return -1


class Channels:
    """Where the channels stand that a command publishes to or subscribes to.

    One stands at ``first``, or (``to_end``) all from there on are. ``are_patterns``: as for PSUBSCRIBE.
    """

    def __init__(self, first: int, *, to_end: bool, are_patterns: bool = False) -> None:
        self._first: Final = first
        self._to_end: Final = to_end
        self.are_patterns: Final = are_patterns

    def positions(self, args: list[bytes]) -> range:
        """Indexes of the channels in ``args``."""
        return range(self._first, len(args) if self._to_end else self._first + 1)


def _rights(access: list[str]) -> int:
    rights = READS if "ACCESS" in access else 0
    if "INSERT" in access or "UPDATE" in access or "DELETE" in access:
        rights |= WRITES
    return rights


def keys_and_rights(specs: list[KeySpec], args: list[bytes]) -> list[tuple[int, int]]:
    """(index of a key, rights that its use needs) for all keys of a command.

    Without those of a specification that the arguments contradict: the command will refuse them.
    """
    found: list[tuple[int, int]] = []
    for spec in specs:
        if not spec.is_key:
            continue
        try:
            positions = spec.all_positions(args)
        except ValueError:
            continue
        rights = spec.rights(args)
        for place in positions:
            found.append((place, rights))
    return found


def key_positions(specs: list[KeySpec], args: list[bytes]) -> list[int]:
    """Indexes of all keys of a command, in order of the specifications. Raises ValueError."""
    found: list[int] = []
    for spec in specs:
        found.extend(spec.positions(args))
    return found
