"""The quoting of configuration files: a line to words, and a word back to text.

The rules are those of ``redis.conf`` (``sdssplitargs`` and ``sdscatrepr`` in Redis's ``sds.c``), so
that a file moves between the two servers unchanged:

* words are separated by blanks;
* ``"..."`` knows the escapes ``\\n \\r \\t \\b \\a``, ``\\xHH`` (one byte), and a backslash before
any
  other character means that character;
* ``'...'`` knows only ``\\'``;
* a closing quote ends the word: what follows it must be a blank or the end of the line.

A directive's value is a ``str`` that stands for bytes: UTF-8 where that decodes, lone surrogates
where not (``surrogateescape``). So a password may hold any byte, and a path any name that the
system has.
"""

from __future__ import annotations

import re
from typing import Final

from dscache.errors import ConfigError

_BLANKS: Final = re.compile(rb"\s*")
_PLAIN: Final = re.compile(rb"[^\s\"']+")
_DOUBLE_QUOTED: Final = re.compile(rb'"((?:\\.|[^"\\])*)"(?=\s|\Z)', re.DOTALL)
_SINGLE_QUOTED: Final = re.compile(rb"'((?:\\'|\\(?!')|[^'\\])*)'(?=\s|\Z)")
_ESCAPE: Final = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_NEEDS_NO_QUOTES: Final = re.compile(rb"[!#-&(-\[\]-~]+")

_NAMED_ESCAPES: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_ESCAPED: Final = {
    0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x08: "\\b", 0x07: "\\a",
}  # fmt: skip


def split_words(line: str) -> list[str]:
    """Return the words of ``line``; raise ``ConfigError`` if a quote is not closed properly."""
    data = line.encode("utf-8", "surrogateescape")
    words: list[str] = []
    at = _after_blanks(data, 0)
    while at < len(data):
        word, at = _word(data, at)
        words.append(word.decode("utf-8", "surrogateescape"))
        at = _after_blanks(data, at)
    return words


def quoted(word: str) -> str:
    """Return ``word`` such that ``split_words`` gives it back: bare where possible, else quoted."""
    data = word.encode("utf-8", "surrogateescape")
    if _NEEDS_NO_QUOTES.fullmatch(data):
        return word
    return '"' + "".join(map(_escaped, data)) + '"'


def _after_blanks(data: bytes, at: int) -> int:
    blanks = _BLANKS.match(data, at)
    assert blanks is not None, "the pattern of blanks matches the empty string"
    return blanks.end()


def _word(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the word that starts at ``at``, unquoted, and where it ends."""
    start = b""
    if plain := _PLAIN.match(data, at):
        start, at = plain[0], plain.end()
    if at == len(data) or data[at : at + 1].isspace():
        return start, at
    if double := _DOUBLE_QUOTED.match(data, at):
        return start + _ESCAPE.sub(_unescaped, double[1]), double.end()
    if single := _SINGLE_QUOTED.match(data, at):
        return start + single[1].replace(b"\\'", b"'"), single.end()
    raise ConfigError("unbalanced quotes")


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    if len(code) == 3:
        return bytes([int(code[1:], 16)])
    return _NAMED_ESCAPES.get(code, code)


def _escaped(byte: int) -> str:
    if byte in _ESCAPED:
        return _ESCAPED[byte]
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
