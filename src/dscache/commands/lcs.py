"""LCS: the longest common subsequence of two strings.

The textbook way, which Redis takes, fills a table of n x m lengths, one cell after the other; in Python
that would hold up everybody for seconds. Neighbouring cells differ by 0 or 1, so a whole row of the table
fits into a bit vector: a zero where the length grows by one. With Python's integers as vectors, a row
costs five operations of a few machine words each (Crochemore, Iliopoulos, Pinzon and Reid 2001,
in Hyyro's form of 2004)::

    common = row & matches[character]
    row = (row + common) | (row - common)

Two strings of 11,000 bytes, about the most that the limit below allows, take 0.06 to 0.09 s where the
table takes valkey-server 0.6 to 1.2 s, and a 32nd of its memory. Vectors lie along the longer string,
so there are never more than those 11,000 rows; the slowest shape is 256 different characters against
500,000 (0.3 s, in making the masks; valkey-server 0.7 s).

There are many longest subsequences. Which one is answered is decided on the way back from the last cell
to the first: where both characters are equal, they belong to it; elsewhere Redis goes to the neighbour
with the larger length, and if both are equal leaves the last character of the *second* string. The
same rule must hold here whichever string the vectors lie along; see the two ``_trace`` functions.

The limit is Redis's, computed from the table that Redis would have.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import integer, syntax_error
from dscache.commands.text import text_of
from dscache.engine.command import READONLY, Registry
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.text import is_string

registry: Final = Registry("string", "string")

_CELL_BYTES: Final = 4
_MAX_LENGTH: Final = 2**32 - 2


@registry.command(
    "LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    arity=-3,
    flags=READONLY,
    keys=[KeySpec(1, access="RO ACCESS", last=1)],
    since="7.0.0",
    complexity="O(N*M) where N and M are the lengths of the two strings.",
)
def lcs(session: Session, args: list[bytes]) -> object:
    """Finds the longest common subsequence of two strings, its length, or where it lies."""
    one = session.keyspace.for_read(args[1])
    other = session.keyspace.for_read(args[2])
    if not (one is None or is_string(one)) or not (other is None or is_string(other)):
        raise CommandError(b"ERR The specified keys must contain string values")
    wants_length = False
    wants_ranges = False
    with_lengths = False
    least_length = 0
    count = len(args)
    place = 3
    while place < count:
        option = args[place].upper()
        place += 1
        if option == b"IDX":
            wants_ranges = True
        elif option == b"LEN":
            wants_length = True
        elif option == b"WITHMATCHLEN":
            with_lengths = True
        elif option == b"MINMATCHLEN" and place < count:
            least_length = integer(args[place])
            place += 1
        else:
            raise syntax_error()
    if wants_length and wants_ranges:
        raise CommandError(b"ERR If you want both the length and indexes, please just use IDX.")

    a = b"" if one is None else text_of(one)
    b = b"" if other is None else text_of(other)
    if len(a) >= _MAX_LENGTH or len(b) >= _MAX_LENGTH:
        raise CommandError(b"ERR String too long for LCS")
    table_bytes = (len(a) + 1) * (len(b) + 1) * _CELL_BYTES
    if table_bytes > session.engine.config.proto_max_bulk_len:
        raise CommandError(
            b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
        )
    if wants_length:
        return _length(a, b)
    matches = longest_common_subsequence(a, b)
    if not wants_ranges:
        return b"".join([a[match.start_a : match.start_a + match.length] for match in matches])
    ranges: list[object] = []
    total = 0
    for match in reversed(matches):
        total += match.length
        if match.length >= least_length:
            ranges.append(match.reply(with_lengths))
    return {b"matches": ranges, b"len": total}


class Match:
    """A stretch of the subsequence that is contiguous in both strings."""

    def __init__(self, start_a: int, start_b: int, length: int) -> None:
        self.start_a: Final = start_a
        self.start_b: Final = start_b
        self.length: Final = length

    def reply(self, with_length: bool) -> list[object]:
        """As IDX shows it: first and last positions in both strings, and the length if wanted."""
        last = self.length - 1
        shown: list[object] = [
            [self.start_a, self.start_a + last],
            [self.start_b, self.start_b + last],
        ]
        if with_length:
            shown.append(self.length)
        return shown


def longest_common_subsequence(a: bytes, b: bytes) -> list[Match]:
    """The subsequence that Redis would find, as its stretches from first to last.

    O(len(a) * len(b)) time; memory: that many bits.
    """
    if not a or not b:
        return []
    if len(a) <= len(b):
        masks = _masks(b, a)
        steps = _trace_along_second(a, b, masks, _rows(a, len(b), masks))
    else:
        masks = _masks(a, b)
        steps = _trace_along_first(a, b, masks, _rows(b, len(a), masks))
    return _stretches(steps)


def _length(a: bytes, b: bytes) -> int:
    """The length of the subsequence, without keeping the rows."""
    if len(a) > len(b):
        a, b = b, a
    masks = _masks(b, a)
    full = (1 << len(b)) - 1
    row = full
    for character in a:
        common = row & masks[character]
        row = ((row + common) | (row - common)) & full
    return len(b) - row.bit_count()


def _masks(along: bytes, other: bytes) -> dict[int, int]:
    """For each character of ``other``: a bit for every position in ``along`` where it stands.

    O(len(along)) for each different character.
    """
    masks: dict[int, int] = {}
    backwards = along[::-1]
    for character in set(other):
        digits = bytearray(b"0" * 256)
        digits[character] = ord("1")
        masks[character] = int(backwards.translate(digits) or b"0", 2)
    return masks


def _rows(characters: bytes, width: int, masks: dict[int, int]) -> list[int]:
    """The table: row n is for the first n of ``characters``; bit k is *clear* where the length in
    column k + 1 is one more than in column k."""
    full = (1 << width) - 1
    row = full
    rows = [row]
    for character in characters:
        common = row & masks[character]
        row = ((row + common) | (row - common)) & full
        rows.append(row)
    return rows


def _trace_along_second(
    a: bytes, b: bytes, masks: dict[int, int], rows: list[int]
) -> list[tuple[int, int]]:
    """Matching positions, last first, when there is a row per character of ``a``.

    At a mismatch in (i, j): if the length does not grow from column j - 1 to j, both neighbours are as
    large or the left one is larger, so j goes down; otherwise only the row above has as much, so i
    does. How far j goes down in one row is the next bit that is a match or a growth.
    """
    steps: list[tuple[int, int]] = []
    i = len(a)
    j = len(b)
    while i > 0 and j > 0:
        character = a[i - 1]
        if character != b[j - 1]:
            # Set where it stops; the row's clear bits are the growths.
            stops = (masks[character] | ~rows[i]) & ((1 << j) - 1)
            j = stops.bit_length()
            if j == 0:
                break
            if character != b[j - 1]:
                i -= 1
                continue
        i -= 1
        j -= 1
        steps.append((i, j))
    return steps


def _trace_along_first(
    a: bytes, b: bytes, masks: dict[int, int], rows: list[int]
) -> list[tuple[int, int]]:
    """Matching positions, last first, when there is a row per character of ``b``.

    The rule is the same: at a mismatch i goes down if the length grows from j - 1 to j, else j does.
    Whether it grows at i must be found out from the growths along ``a`` in the rows of j - 1 and j: where
    only the latter has one, the difference becomes 1, where only the former has, 0 again. So the
    highest place up to i where the two rows differ decides. If the difference is 1, i goes down to the
    next match, which comes before (or where) the difference began.
    """
    steps: list[tuple[int, int]] = []
    i = len(a)
    j = len(b)
    while i > 0 and j > 0:
        character = b[j - 1]
        if character != a[i - 1]:
            below = (1 << i) - 1
            row = rows[j]
            place = ((row ^ rows[j - 1]) & below).bit_length()
            if place == 0 or row >> (place - 1) & 1:
                j -= 1
                continue
            i = (masks[character] & below).bit_length()
            assert i >= place, "a length grew where nothing matches"
        i -= 1
        j -= 1
        steps.append((i, j))
    return steps


def _stretches(steps: list[tuple[int, int]]) -> list[Match]:
    """Join positions (last first) that follow one another in both strings."""
    matches: list[Match] = []
    length = 0
    start = (-1, -1)
    for i, j in steps:
        if start != (i + 1, j + 1) and length > 0:
            matches.append(Match(start[0], start[1], length))
            length = 0
        length += 1
        start = (i, j)
    if length > 0:
        matches.append(Match(start[0], start[1], length))
    matches.reverse()
    return matches
