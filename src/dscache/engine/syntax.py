"""The grammar of the ``syntax`` strings of command declarations, and the argument tree made from them.

A declaration says its arguments once, as users read them; COMMAND DOCS wants a tree. The grammar::

    sequence    = { item }
    item        = word | group | repetition
    word        = ( TOKEN | name [ ":" type ] ) versions
    group       = ( "[" choice "]" | "<" choice ">" ) [ ":" name ] versions
    choice      = sequence { "|" sequence }
    repetition  = "[" sequence "..." "]"
    versions    = [ "@" since ] [ "!" deprecated since ]

* A word without lower-case letters is a *token*: the user types it as it is (``NX``, ``=``, ``""``).
* Any other word is an *argument*. Its type follows from its name by the table below; where the name
  does not tell, ``:double`` or the like behind it does.
* ``[...]`` around something makes it optional, ``<...>`` only groups. Alternatives make a ``oneof``.
* A token belongs to what follows it: ``EX seconds`` is an argument ``seconds`` with the token ``EX``,
  ``LIMIT offset count`` a ``block`` of two with the token ``LIMIT``. It takes the arguments, groups and
  repetitions behind it up to the next token or optional part. Where it belongs to the first of them
  only, they are grouped: ``<BYRADIUS radius> unit``.
* ``x [x ...]`` repeats what stands before it: ``key value [key value ...]`` is a multiple block;
  ``GET pattern [GET pattern ...]`` repeats the token too. ``x [...]`` is short for it.
* ``[TYPE type]@6.0.0`` has been there since that version of Redis, if the command is older.

Names of blocks and oneofs appear nowhere in what users type. They are found from the first word by a
table too, with Redis's names where it has one; where the first word does not tell, the name stands
behind the brackets: ``<LEFT | RIGHT>:wherefrom``. A single argument gets another name in the same way.

Users are shown nothing of types, names, versions, and groups without alternatives (``displayed``).

The tree is made when somebody asks for it. A mistake in a syntax string raises ValueError; a test
parses them all.
"""

from __future__ import annotations

import re
from typing import Final

from dscache.engine.keyspec import KeySpec

_LEXEME: Final = re.compile(r"[\[<|]|[\]>](?:[:@!][^\s\[\]<>|]+)?|\.\.\.|[^\s\[\]<>|]+")

_TYPES: Final = frozenset(("string", "integer", "double", "key", "pattern", "unix-time"))

#: Types that names tell. What is not here is a string.
_TYPE_OF: Final = {
    name: kind
    for kind, names in (
        ("key", "key key1 key2 newkey source destination destkey sourcekey dst src"),
        ("pattern", "pattern"),
        ("unix-time", "unix-time-seconds unix-time-milliseconds"),
        ("double", "score radius width height longitude latitude"),
        (
            "integer",
            (
                "seconds milliseconds ms ttl min-idle-time timeout frequency maxage"
                " count numkeys numfields numreplicas numlocal num-matches limit samples bytes"
                " index index1 index2 start end stop offset bit bits len rank min-match-len"
                " increment decrement cursor version protover weight client-id db destination-db"
                " port slot entries-read entries-added epochs"
            ),
        ),
    )
    for name in names.split()
}

#: Names of oneofs, by their first alternative.
_CHOICE_NAMES: Final = {
    "NX": "condition",
    "FNX": "condition",
    "GT": "comparison",
    "EX": "expiration",
    "ASYNC": "flush-type",
    "SYNC": "flush-type",
    "LEFT": "where",
    "GET": "operation",
    "SET": "write-operation",
    "NORMAL": "client-type",
    "LIB-NAME": "attr",
    "MIN": "where",
    "BEFORE": "where",
    "BYTE": "unit",
    "M": "unit",
    "ASC": "order",
    "SUM": "aggregate",
    "BYSCORE": "sortby",
    "MAXLEN": "strategy",
    "=": "operator",
    "*": "id-selector",
    "id": "id-selector",
    "FROMMEMBER": "from",
    "BYRADIUS": "by",
    "STORE": "store",
    "WRITE": "mode",
    "YES": "mode",
    "ON": "status",
    "AND": "operation",
    "TIMEOUT": "unblock-type",
    "NOSAVE": "save-selector",
    "AUTH": "authentication",
    "MODULE": "filterby",
}

#: Names of blocks, by their first word.
_BLOCK_NAMES: Final = {
    "start": "range",
    "MAXLEN": "trim",
    "protover": "arguments",
    "end": "end-unit-block",
    "count": "options",
    "IDLE": "filters",
    "GET": "get-block",
    "SET": "set-block",
    "INCRBY": "incrby-block",
    "OVERFLOW": "write",
    "GROUP": "group-block",
    "BYRADIUS": "circle",
    "BYBOX": "box",
}

#: Names of tokens that stand alone, where they are not the token.
_TOKEN_NAMES: Final = {
    "CH": "change",
    "INCR": "increment",
    "ALPHA": "sorting",
    "=": "equal",
    "~": "approximately",
    "*": "auto-id",
    "$": "new-id",
}


class Argument:
    """One argument of a command, as COMMAND DOCS describes it."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        #: What users read: not the name that a group gives to a single argument.
        self.display_text: Final = name
        #: ``string``, ``integer``, ``double``, ``key``, ``pattern``, ``unix-time``, ``pure-token``,
        #: ``oneof`` or ``block``.
        self.kind = kind
        #: What the user types in front of it; empty if nothing.
        self.token = ""
        #: Versions of Redis; ``since`` is empty if the argument is as old as its command.
        self.since = ""
        self.deprecated_since = ""
        self.is_optional = False
        self.is_multiple = False
        #: The token is repeated with each of its values.
        self.repeats_token = False
        #: Which of the command's key specifications finds it; -1 for what is no key.
        self.key_spec = -1
        #: Of a ``oneof`` or a ``block``.
        self.parts: list[Argument] = []

    @property
    def is_group(self) -> bool:
        """Whether it consists of others."""
        return self.kind in ("oneof", "block")


class _Node:
    """A word, a bracketed group, or a repetition of what is in its only alternative."""

    def __init__(self, bracket: str, alternatives: list[list[_Node]], text: str) -> None:
        """``text`` is a word as it stands there, or what stands behind a closing bracket."""
        #: ``[``, ``<``, ``...`` for a repetition, or empty for a word.
        self.bracket: Final = bracket
        self.alternatives: Final = alternatives
        labelled, self.since, self.deprecated_since = _without_versions(text)
        #: The word itself, or the name of a group; empty if it has none.
        self.word = ""
        #: The explicit type of a word.
        self.kind = ""
        if not bracket:
            self.word, self.kind = _split_type(labelled)
        elif labelled:
            self.word = labelled[1:]
            if labelled[0] != ":" or ":" in self.word:
                raise ValueError(f"{text!r} is neither a name nor versions")

    @property
    def is_token(self) -> bool:
        """Whether it is a word that the user types as it is."""
        return not self.bracket and not any(letter.islower() for letter in self.word)

    @property
    def is_optional(self) -> bool:
        """Whether it stands in square brackets."""
        return self.bracket == "["

    def text(self) -> str:
        """Its source, without types, for comparing."""
        if not self.bracket:
            return self.word
        inner = "|".join(_text(sequence) for sequence in self.alternatives)
        return f"{self.bracket}{inner}>"


def parse_syntax(arguments: str, specs: list[KeySpec]) -> list[Argument]:
    """The argument tree of a command. ``arguments`` is its syntax without its name."""
    parser = _Parser(_LEXEME.findall(arguments))
    tree = _arguments_of(parser.sequence())
    _assign_key_specs(tree, specs)
    return tree


def displayed(arguments: str) -> str:
    """``arguments`` as users read them: words and brackets."""
    shown: list[str] = []
    opened: list[int] = []
    divided: set[int] = set()
    for piece in re.findall(r"\s+|" + _LEXEME.pattern, arguments):
        if piece in ("[", "<"):
            opened.append(len(shown))
            shown.append(piece)
        elif piece[0] in ("]", ">"):
            start = opened.pop()
            if shown[start] == "<" and start not in divided:
                shown[start] = ""
            else:
                shown.append(piece[0])
        else:
            if piece == "|":
                divided.add(opened[-1])
            shown.append(_split_type(_without_versions(piece)[0])[0])
    return "".join(shown)


class _Parser:
    """From lexemes to nodes, by recursive descent."""

    def __init__(self, lexemes: list[str]) -> None:
        self._lexemes: Final = lexemes
        self._place = 0

    def sequence(self) -> list[_Node]:
        """The whole text."""
        nodes = self._items()
        if self._place < len(self._lexemes):
            raise ValueError(f"unexpected {self._lexemes[self._place]!r}")
        return nodes

    def _peek(self) -> str:
        return self._lexemes[self._place] if self._place < len(self._lexemes) else ""

    def _items(self) -> list[_Node]:
        nodes: list[_Node] = []
        while True:
            lexeme = self._peek()
            # An ellipsis is left for ``_group``: it makes its brackets a repetition.
            if lexeme in ("", "|", "...") or lexeme[0] in ("]", ">"):
                return nodes
            self._place += 1
            if lexeme in ("[", "<"):
                self._group(lexeme, nodes)
            else:
                nodes.append(_Node("", [], lexeme))

    def _group(self, bracket: str, before: list[_Node]) -> None:
        """Read a group whose opening bracket has been read, and append it to ``before``."""
        alternatives = [self._items()]
        if self._peek() == "...":
            self._place += 1
            if self._close(bracket):
                raise ValueError("a repetition has no name or version of its own")
            _repeat(before, alternatives[0])
            return
        while self._peek() == "|":
            self._place += 1
            alternatives.append(self._items())
        text = self._close(bracket)
        if not all(alternatives):
            raise ValueError("an alternative is empty")
        before.append(_Node(bracket, alternatives, text))

    def _close(self, bracket: str) -> str:
        """Read a closing bracket; what stands behind it, without a space, is the answer."""
        expected = "]" if bracket == "[" else ">"
        lexeme = self._peek()
        if lexeme[:1] != expected:
            raise ValueError(f"{expected!r} is missing")
        self._place += 1
        return lexeme[1:]


def _text(sequence: list[_Node]) -> str:
    return " ".join(node.text() for node in sequence)


def _repeat(before: list[_Node], repeated: list[_Node]) -> None:
    """Replace the end of ``before`` by a repetition of it, which ``repeated`` must spell out."""
    count = len(repeated) or 1
    start = len(before) - count
    if start < 0 or (repeated and _text(before[start:]) != _text(repeated)):
        raise ValueError(f"'[{_text(repeated)} ...]' does not repeat what stands before it")
    original = before[start:]
    del before[start:]
    before.append(_Node("...", [original], ""))


def _arguments_of(nodes: list[_Node]) -> list[Argument]:
    """The arguments of a sequence; tokens take what belongs to them."""
    found: list[Argument] = []
    place = 0
    while place < len(nodes):
        node = nodes[place]
        place += 1
        if not node.is_token:
            found.append(_argument_of(node))
            continue
        operands: list[Argument] = []
        while place < len(nodes) and _is_operand(nodes[place]):
            operands.append(_argument_of(nodes[place]))
            place += 1
        found.append(_labelled(_with_token(node.word, operands), node))
    return found


def _is_operand(node: _Node) -> bool:
    if node.bracket == "...":
        # A repetition that brings its own token stands for itself.
        return not node.alternatives[0][0].is_token
    return not node.is_token and not node.is_optional


def _with_token(token: str, operands: list[Argument]) -> Argument:
    if not operands:
        argument = Argument(_TOKEN_NAMES.get(token, token.lower()), "pure-token")
    elif len(operands) == 1 and not operands[0].token and not operands[0].is_optional:
        argument = operands[0]
    else:
        argument = Argument(_BLOCK_NAMES.get(token, token.lower()), "block")
        argument.parts = operands
    argument.token = token
    return argument


def _labelled(argument: Argument, node: _Node) -> Argument:
    """``argument`` with the versions of ``node``, which is what it was made of."""
    argument.since = node.since or argument.since
    argument.deprecated_since = node.deprecated_since or argument.deprecated_since
    return argument


def _argument_of(node: _Node) -> Argument:
    if not node.bracket:
        kind = node.kind or _TYPE_OF.get(node.word, "string")
        return _labelled(Argument(node.word, kind), node)
    if node.bracket == "...":
        argument = _one_of_sequence(node.alternatives[0], "data")
        argument.is_multiple = True
        argument.repeats_token = node.alternatives[0][0].is_token
        return argument
    if len(node.alternatives) == 1:
        argument = _one_of_sequence(node.alternatives[0], "")
    else:
        parts = [_one_of_sequence(sequence, "") for sequence in node.alternatives]
        argument = Argument(_choice_name(parts, _first_word(node)), "oneof")
        argument.parts = parts
    argument.name = node.word or argument.name
    if node.is_optional:
        argument.is_optional = True
    return _labelled(argument, node)


def _one_of_sequence(sequence: list[_Node], block_name: str) -> Argument:
    """One argument for a sequence: its only one, or a block."""
    parts = _arguments_of(sequence)
    if len(parts) == 1:
        return parts[0]
    first = _first_word(sequence[0])
    name = block_name or _BLOCK_NAMES.get(first, f"{first.lower()}-block")
    block = Argument(name, "block")
    block.parts = parts
    return block


def _choice_name(parts: list[Argument], first: str) -> str:
    known = _CHOICE_NAMES.get(first)
    return known if known is not None else "-or-".join(part.name for part in parts[:3])


def _first_word(node: _Node) -> str:
    while node.bracket:
        node = node.alternatives[0][0]
    return node.word


def _without_versions(text: str) -> tuple[str, str, str]:
    """(the rest, since, deprecated since) of a word or of what stands behind a bracket."""
    rest, _, deprecated_since = text.partition("!")
    rest, _, since = rest.partition("@")
    for version in (since, deprecated_since):
        if version and not version.replace(".", "").isdigit():
            raise ValueError(f"{version!r} is no version")
    return rest, since, deprecated_since


def _split_type(word: str) -> tuple[str, str]:
    """(name, explicit type) of a word; ``ip:port`` is a name, because port is no type."""
    name, colon, kind = word.rpartition(":")
    if colon and kind in _TYPES:
        return name, kind
    return word, ""


def _assign_key_specs(tree: list[Argument], specs: list[KeySpec]) -> None:
    """Tell every key which specification finds it: they are declared in the same order.

    The last specification takes all keys that are left (LCS key1 key2). Patterns belong to the one that
    says that there are keys which the arguments do not tell (SORT's BY and GET).
    """
    untold = next((n for n, spec in enumerate(specs) if not spec.index and not spec.keyword), -1)
    usable = [n for n in range(len(specs)) if n != untold]
    place = 0
    for argument in _leaves(tree):
        if argument.kind == "pattern":
            argument.key_spec = untold
        elif argument.kind == "key" and usable:
            argument.key_spec = usable[min(place, len(usable) - 1)]
            place += 1


def _leaves(tree: list[Argument]) -> list[Argument]:
    found: list[Argument] = []
    for argument in tree:
        if argument.is_group:
            found.extend(_leaves(argument.parts))
        else:
            found.append(argument)
    return found
