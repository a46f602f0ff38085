"""Inline commands: one line of words, with the quoting of Redis's command line.

Double quotes understand ``\\n \\r \\t \\b \\a \\xHH \\\\ \\"``; single quotes only ``\\'``. A closing
quote must be followed by a space or the line's end. The rules are those of ``sdssplitargs`` in Redis,
also the odd one: vertical tabs and form feeds separate words only where a word has not begun. One
thing differs: Redis keeps lines in C strings and never answers one with a NUL in it; here a NUL is
a space.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = {
    ord("n"): 10,
    ord("r"): 13,
    ord("t"): 9,
    ord("b"): 8,
    ord("a"): 7,
}
# What may stand between words, and which of it ends a word.
_SPACES: Final = b" \n\r\t\v\f\0"
_WORD_ENDS: Final = b" \n\r\t\0"
# A line with any of these is not what bytes.split takes it for.
_UNUSUAL: Final = re.compile(b"[\"'\0\v\f]")
_HEX: Final = b"0123456789abcdefABCDEF"


def split_inline(line: bytes) -> list[bytes] | None:
    """The words of ``line``, or None when its quotes do not balance. O(len(line))."""
    if _UNUSUAL.search(line) is None:
        return line.split()
    words: list[bytes] = []
    position = 0
    end = len(line)
    while True:
        while position < end and line[position] in _SPACES:
            position += 1
        if position >= end:
            return words
        word = bytearray()
        while position < end and line[position] not in _WORD_ENDS:
            char = line[position]
            if char == 34:
                position = _double_quoted(line, position + 1, word)
            elif char == 39:
                position = _single_quoted(line, position + 1, word)
            else:
                word.append(char)
                position += 1
                continue
            if position < 0 or (position < end and line[position] not in _SPACES):
                return None
            break  # a closing quote ends the word
        words.append(bytes(word))


def _double_quoted(line: bytes, position: int, word: bytearray) -> int:
    """Read up to the closing quote; the position behind it, or -1 if there is none."""
    end = len(line)
    while position < end:
        char = line[position]
        if char == 34:
            return position + 1
        if char == 92 and position + 1 < end:
            escaped = line[position + 1]
            pair = line[position + 2 : position + 4]
            if escaped == 120 and len(pair) == 2 and pair[0] in _HEX and pair[1] in _HEX:
                word.append(int(pair, 16))
                position += 4
                continue
            word.append(_ESCAPES.get(escaped, escaped))
            position += 2
            continue
        word.append(char)
        position += 1
    return -1


def _single_quoted(line: bytes, position: int, word: bytearray) -> int:
    end = len(line)
    while position < end:
        char = line[position]
        if char == 39:
            return position + 1
        if char == 92 and line[position + 1 : position + 2] == b"'":
            word.append(39)
            position += 2
            continue
        word.append(char)
        position += 1
    return -1
