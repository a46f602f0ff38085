"""The rules of ACL SETUSER: one word each, such as ``on``, ``>secret``, ``~cache:*``, ``+@read``.

=====================  =====================================================================
``on`` ``off``         he may, may not log in
``>p`` ``<p``          adds, removes a password; ``#`` and ``!`` the same by its digest
``nopass``             any password is right; ``resetpass``: none is, there are none
``~p`` ``%R~p``        keys that he may use, read (``%W~p``: write); ``allkeys`` ``resetkeys``
``&p``                 channels; ``allchannels`` ``resetchannels``
``+c`` ``-c``          a command, or ``c|sub``; ``+@g`` ``-@g``: a category, or ``@all``
``+c|arg``             a command that has no subcommands, with this first argument only
``(r ...)``            another selector with rules of its own; ``clearselectors``
``reset``              as a new user
=====================  =====================================================================

and ``allcommands``, ``nocommands``, ``sanitize-payload``, ``skip-sanitize-payload``.

Names are understood in any case. What is refused, and with which words, is Redis's. Two things are
refused that Redis stumbles over later: a key pattern that gives no right (``%~x``, ``%``), and a first
argument with a blank in it.
"""

from __future__ import annotations

from typing import Final

from dscache.config.quoting import split_words
from dscache.engine.acl_user import KeyPattern, Selector, User, digest_of
from dscache.engine.command import CATEGORIES, Command, CommandTable
from dscache.engine.glob import compile_glob
from dscache.engine.keyspec import READS, WRITES
from dscache.errors import AclRuleError, ConfigError

_SYNTAX: Final = b"Syntax error"
_UNKNOWN_NAME: Final = b"Unknown command or category name in ACL"
_AFTER_ALL_KEYS: Final = (
    b"Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any "
    b"effect. Try 'resetkeys' to start with an empty list of patterns"
)
_AFTER_ALL_CHANNELS: Final = (
    b"Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have "
    b"any effect. Try 'resetchannels' to start with an empty list of channels"
)
_NO_SUCH_PASSWORD: Final = b"The password you are trying to remove from the user does not exist"
_NO_DIGEST: Final = (
    b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
    b"characters"
)
_FIRST_ARG_OF_SUBCOMMAND: Final = b"Allowing first-arg of a subcommand is not supported"

_DIGEST_LETTERS: Final = frozenset(b"0123456789abcdef")
_BLANKS: Final = frozenset(b" \t\n\v\f\r\0")


def has_blank(text: bytes) -> bool:
    """Whether ``text`` has a blank or a zero byte, with which no line of rules could be read again."""
    return any(byte in _BLANKS for byte in text)


class UnmatchedParenthesis(Exception):
    """A selector was opened, in ``word``, and not closed."""

    def __init__(self, word: bytes) -> None:
        super().__init__()
        self.word = word


def with_whole_selectors(words: list[bytes]) -> list[bytes]:
    """``words`` with those of one selector joined: ``(+get``, ``~a)`` is ``(+get ~a)``.

    Raises UnmatchedParenthesis.
    """
    found: list[bytes] = []
    open_words: list[bytes] = []
    for word in words:
        if not open_words and not (word.startswith(b"(") and not word.endswith(b")")):
            found.append(word)
            continue
        open_words.append(word)
        if word.endswith(b")"):
            found.append(b" ".join(open_words))
            open_words = []
    if open_words:
        raise UnmatchedParenthesis(open_words[0])
    return found


class RuleBook:
    """Applies rules to users; it knows which commands and categories there are."""

    def __init__(self, table: CommandTable) -> None:
        self._table: Final = table
        commands = table.all()
        self._names: Final = frozenset(command.encoded_name for command in commands)
        self._categories: Final[dict[bytes, list[Command]]] = {
            name.encode(): [] for name in CATEGORIES
        }
        for command in commands:
            for category in command.categories():
                self._categories[category.encode()].append(command)

    def category(self, name: bytes) -> list[Command] | None:
        """The commands of a category, named in any case; None if there is no such category."""
        return self._categories.get(name.lower())

    def apply(self, user: User, rule: bytes, all_channels: bool) -> None:
        """Change ``user`` as ``rule`` says. Raises AclRuleError, having changed nothing.

        ``all_channels``: selectors begin with all channels (acl-pubsub-default). Whoever has applied
        all rules hands them over with ``User.become``.
        """
        if not rule:
            return
        word = rule.lower()
        sign = rule[:1]
        if word in (b"on", b"off"):
            user.is_enabled = word == b"on"
        elif word in (b"skip-sanitize-payload", b"sanitize-payload"):
            user.skips_sanitizing = word == b"skip-sanitize-payload"
        elif word in (b"nopass", b"resetpass"):
            user.needs_no_password = word == b"nopass"
            user.passwords = []
        elif sign in (b">", b"#"):
            _add_password(user, _digest(rule))
        elif sign in (b"<", b"!"):
            _remove_password(user, _digest(rule))
        elif sign == b"(" and rule.endswith(b")"):
            user.selectors.append(self._new_selector(rule[1:-1], all_channels))
        elif word == b"clearselectors":
            del user.selectors[1:]
        elif word == b"reset":
            user.become(User(user.name, all_channels))
        else:
            self._apply_to(user.root, rule)

    def _new_selector(self, text: bytes, all_channels: bool) -> Selector:
        selector = Selector(all_channels)
        try:
            words = split_words(text.decode("utf-8", "surrogateescape"))
        except ConfigError:
            raise AclRuleError(_SYNTAX) from None
        for word in words:
            self._apply_to(selector, word.encode("utf-8", "surrogateescape"))
        return selector

    def _apply_to(self, selector: Selector, rule: bytes) -> None:
        word = rule.lower()
        sign = rule[:1]
        if word in (b"allkeys", b"~*", b"resetkeys"):
            selector.all_keys = word != b"resetkeys"
            selector.key_patterns.clear()
        elif word in (b"allchannels", b"&*", b"resetchannels"):
            selector.all_channels = word != b"resetchannels"
            selector.channels.clear()
        elif word in (b"allcommands", b"+@all", b"nocommands", b"-@all"):
            self._set_all_commands(selector, word in (b"allcommands", b"+@all"))
        elif sign in (b"~", b"%"):
            _add_keys(selector, rule)
        elif sign == b"&":
            _add_channel(selector, rule[1:])
        elif sign in (b"+", b"-") and rule[1:2] == b"@":
            self._set_category(selector, word[2:], sign == b"+")
        elif sign == b"+" and b"|" in rule:
            self._allow_part(selector, word[1:])
        elif sign in (b"+", b"-"):
            command = self._named(word[1:])
            _set_command(selector, command, sign == b"+")
            _remember(selector, sign, command.encoded_name)
        else:
            raise AclRuleError(_SYNTAX)

    def _named(self, name: bytes) -> Command:
        command = self._table.named(name)
        if command is None:
            raise AclRuleError(_UNKNOWN_NAME, is_unknown_name=True)
        return command

    def _set_all_commands(self, selector: Selector, allow: bool) -> None:
        selector.all_commands = selector.begins_with_all = allow
        selector.allowed = set(self._names) if allow else set()
        selector.command_rules.clear()
        selector.first_args.clear()

    def _set_category(self, selector: Selector, name: bytes, allow: bool) -> None:
        commands = self.category(name)
        if commands is None:
            raise AclRuleError(_UNKNOWN_NAME, is_unknown_name=True)
        for command in commands:
            _set_command(selector, command, allow)
        _remember(selector, b"+" if allow else b"-", b"@" + name)

    def _allow_part(self, selector: Selector, name: bytes) -> None:
        """Allow a subcommand, or a command with a certain first argument."""
        parent_name, _, part = name.rpartition(b"|")
        parent = self._named(parent_name)
        if parent.parent:
            raise AclRuleError(_FIRST_ARG_OF_SUBCOMMAND)
        if not part or has_blank(part):
            raise AclRuleError(_SYNTAX)
        if parent.subcommands:
            _set_command(selector, self._named(name), True)
        else:
            allowed = selector.first_args.setdefault(parent.encoded_name, [])
            if part not in allowed:
                allowed.append(part)
        _remember(selector, b"+", name)


def _set_command(selector: Selector, command: Command, allow: bool) -> None:
    """Allow or refuse a command and its subcommands."""
    names = {command.encoded_name}
    names.update(subcommand.encoded_name for subcommand in command.subcommands.values())
    selector.first_args.pop(command.encoded_name, None)
    if allow:
        selector.allowed |= names
    else:
        selector.allowed -= names
        selector.all_commands = False


def _remember(selector: Selector, sign: bytes, name: bytes) -> None:
    """Add a rule to the history; earlier ones that it makes meaningless go."""
    kept = [
        rule
        for rule in selector.command_rules
        if rule[1:] != name and not rule[1:].startswith(name + b"|")
    ]
    kept.append(sign + name)
    selector.command_rules = kept


def _add_keys(selector: Selector, rule: bytes) -> None:
    if selector.all_keys:
        raise AclRuleError(_AFTER_ALL_KEYS)
    rights = READS | WRITES
    pattern = rule[1:]
    if rule.startswith(b"%"):
        letters, _, pattern = pattern.partition(b"~")
        rights = _rights(letters)
    if has_blank(pattern):
        raise AclRuleError(_SYNTAX)
    known = selector.key_patterns.get(pattern)
    if known is None:
        selector.key_patterns[pattern] = KeyPattern(pattern, rights)
    else:
        known.rights |= rights


def _rights(letters: bytes) -> int:
    rights = 0
    for letter in letters.upper():
        right = READS if letter == ord("R") else WRITES if letter == ord("W") else 0
        if not right or rights & right:
            raise AclRuleError(_SYNTAX)
        rights |= right
    if not rights:
        raise AclRuleError(_SYNTAX)
    return rights


def _add_channel(selector: Selector, pattern: bytes) -> None:
    if selector.all_channels:
        raise AclRuleError(_AFTER_ALL_CHANNELS)
    if has_blank(pattern):
        raise AclRuleError(_SYNTAX)
    selector.channels.setdefault(pattern, compile_glob(pattern))


def _digest(rule: bytes) -> bytes:
    """The digest that ``rule`` names, or that of the password in it."""
    text = rule[1:]
    if rule[:1] in (b">", b"<"):
        return digest_of(text)
    if len(text) != 64 or not _DIGEST_LETTERS.issuperset(text):
        raise AclRuleError(_NO_DIGEST)
    return text


def _add_password(user: User, digest: bytes) -> None:
    if digest not in user.passwords:
        user.passwords.append(digest)
    user.needs_no_password = False


def _remove_password(user: User, digest: bytes) -> None:
    if digest not in user.passwords:
        raise AclRuleError(_NO_SUCH_PASSWORD)
    user.passwords.remove(digest)
