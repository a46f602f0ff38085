r"""Redis's glob patterns: ``*``, ``?``, ``[a-z]``, ``[^a]``, and ``\`` to take a character literally.

A pattern is compiled to a regular expression once; the matcher then runs in C. The translation follows
``stringmatchlen`` of Redis 7.4, corners included:

* A class that nothing closes ends with the pattern. A ``]`` always closes, so ``[]`` matches nothing
  and ``[^]`` any byte; but it may be the end of a range: ``[a-]b]`` is all from ``]`` to ``a``, and ``b``.
* Ranges may be written backwards. Their bytes are compared as C's ``char`` on x86, which is signed.
* A backslash at the very end is an ordinary character, in a class too.
* Ignoring case concerns ASCII letters, except those that a class has behind a backslash.
* A pattern with more than a thousand ``*``, not counting one at its end, matches nothing.
* The empty string matches the empty pattern and no other, not even ``*``. (KEYS and SCAN do not look
  when the pattern is ``*``, and so do find the empty key.)

Everything but ``*`` stands for exactly one byte. So when the piece between two ``*`` is found somewhere,
it need not be looked for further on: what follows has most room behind the first place. The groups are
atomic for that reason, and a match costs O(length of pattern * length of string) at worst, where a
plain ``.*?`` would try every combination.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Longer patterns are compiled each time: they are rare, and the cache stays small.
_MAX_CACHED_BYTES: Final = 256

# Redis's bound on the depth of its recursion.
_MAX_STARS: Final = 1000

_STAR: Final = 0x2A
_DASH: Final = 0x2D
_QUESTION_MARK: Final = 0x3F
_OPENING_BRACKET: Final = 0x5B
_BACKSLASH: Final = 0x5C
_CLOSING_BRACKET: Final = 0x5D
_CARET: Final = 0x5E

_ANY: Final = b"."
_NONE: Final = b"(?!)"

# A set of bytes is an integer: the bit of a byte is its value as a signed char, plus 128. So a range
# is a run of bits.
_ALL_BITS: Final = (1 << 256) - 1
_UPPER_BIT: Final = 128 + 0x41
_LOWER_BIT: Final = 128 + 0x61
_LETTERS: Final = (1 << 26) - 1


def compile_glob(pattern: bytes, ignore_case: bool = False) -> re.Pattern[bytes]:
    """The regular expression for ``pattern``; use its ``fullmatch``. O(length of the pattern)."""
    if len(pattern) <= _MAX_CACHED_BYTES:
        return _compile_cached(pattern, ignore_case)
    return _compile(pattern, ignore_case)


@lru_cache(maxsize=256)
def _compile_cached(pattern: bytes, ignore_case: bool) -> re.Pattern[bytes]:
    return _compile(pattern, ignore_case)


def _compile(pattern: bytes, ignore_case: bool) -> re.Pattern[bytes]:
    pieces = _pieces(pattern, ignore_case)
    if len(pieces) == 1:
        return re.compile(pieces[0], re.DOTALL)
    first = pieces[0]
    middle = pieces[1:-1]
    last = pieces[-1]
    if len(middle) + (1 if last else 0) > _MAX_STARS:
        return re.compile(_NONE)
    if not (first or middle or last):
        return re.compile(b".+", re.DOTALL)
    found = [first]
    found.extend(b"(?>.*?" + piece + b")" for piece in middle)
    found.append(b".*" + last)
    return re.compile(b"".join(found), re.DOTALL)


def _pieces(pattern: bytes, ignore_case: bool) -> list[bytes]:
    """The regular expressions of what stands before, between and behind the runs of ``*``."""
    pieces: list[bytes] = []
    piece: list[bytes] = []
    end = len(pattern)
    place = 0
    while place < end:
        byte = pattern[place]
        place += 1
        if byte == _STAR:
            pieces.append(b"".join(piece))
            piece = []
            while place < end and pattern[place] == _STAR:
                place += 1
        elif byte == _QUESTION_MARK:
            piece.append(_ANY)
        elif byte == _OPENING_BRACKET:
            is_negated = place < end and pattern[place] == _CARET
            if is_negated:
                place += 1
            bits, place = _class(pattern, place, ignore_case)
            piece.append(_class_expression(bits ^ _ALL_BITS if is_negated else bits))
        else:
            if byte == _BACKSLASH and place < end:
                byte = pattern[place]
                place += 1
            piece.append(_literal(byte, ignore_case))
    pieces.append(b"".join(piece))
    return pieces


def _literal(byte: int, ignore_case: bool) -> bytes:
    letter = bytes((byte,))
    if ignore_case and letter.isalpha():
        return b"[" + letter.lower() + letter.upper() + b"]"
    return re.escape(letter)


def _class(pattern: bytes, place: int, ignore_case: bool) -> tuple[int, int]:
    """(set of bytes, place behind it) of the class whose first member is at ``place``."""
    end = len(pattern)
    bits = 0
    while place < end:
        byte = pattern[place]
        if byte == _BACKSLASH and place + 1 < end:
            bits |= 1 << _bit(pattern[place + 1])
            place += 2
        elif byte == _CLOSING_BRACKET:
            return bits, place + 1
        elif place + 2 < end and pattern[place + 1] == _DASH:
            bits |= _range(byte, pattern[place + 2], ignore_case)
            place += 3
        else:
            bits |= _range(byte, byte, ignore_case)
            place += 1
    return bits, end


def _bit(byte: int) -> int:
    return (byte + 128) & 255


def _range(one: int, other: int, ignore_case: bool) -> int:
    first, last = sorted((_bit(one), _bit(other)))
    if not ignore_case:
        return (1 << last + 1) - (1 << first)
    # Redis turns the range around first and makes its ends lower-case then: [Z-a] becomes empty.
    first = _lower_bit(first)
    last = _lower_bit(last)
    if first > last:
        return 0
    bits = (1 << last + 1) - (1 << first)
    # An upper-case letter is in the range if the lower-case one is.
    upper = bits >> _LOWER_BIT & _LETTERS
    return bits & ~(_LETTERS << _UPPER_BIT) | upper << _UPPER_BIT


def _lower_bit(bit: int) -> int:
    return bit + 32 if _UPPER_BIT <= bit < _UPPER_BIT + 26 else bit


def _class_expression(bits: int) -> bytes:
    if bits == _ALL_BITS:
        return _ANY
    members = [byte for byte in range(256) if bits >> _bit(byte) & 1]
    if not members:
        return _NONE
    return b"[" + b"".join(b"\\x%02x" % byte for byte in members) + b"]"
