"""Access control: all users, who is calling as whom, and what is refused.

A client is *known* once it has given a password, or when the user ``default`` is on and needs none:
then everybody who comes is he. Until it is known it may only call what needs no authentication.

Most servers have one user who may do everything, so that case must cost nothing: a session has a flag,
``is_unrestricted``, that is settled here whenever its user, his rules or whether it is known may
have changed. The engine looks at nothing else; only for the others it asks ``refusal``.

Requests are checked before they run, before MULTI queues them, and again when EXEC runs them or when
they have waited: rights may be lost meanwhile. A user who is deleted, or who loses channels, loses the
connections that depend on it.

Nothing here knows sockets. Files are touched at start and by ACL LOAD and SAVE only.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.clock import Clock
from dscache.config.file import replace_file
from dscache.engine.acl_file import AclFileError, file_text, read_users
from dscache.engine.acl_log import AT_TOP_LEVEL, IN_SCRIPT, IN_TRANSACTION, AclLog
from dscache.engine.acl_rules import RuleBook, UnmatchedParenthesis, with_whole_selectors
from dscache.engine.acl_user import (
    DENIED_AUTH,
    DENIED_CHANNEL,
    DENIED_COMMAND,
    DENIED_KEY,
    Denial,
    User,
    matches_channel,
)
from dscache.engine.client_line import client_line
from dscache.engine.command import NO_AUTH, NO_MULTI, Command, CommandTable
from dscache.engine.pubsub import PubSub
from dscache.errors import AclRuleError, CommandError, ConfigError

if TYPE_CHECKING:
    from dscache.config import Config
    from dscache.config.file import Statement
    from dscache.engine.session import Session

log: Final = logging.getLogger("dscache")

_NO_AUTH: Final = b"NOAUTH Authentication required."
_WRONG_PASSWORD: Final = b"WRONGPASS invalid username-password pair or user is disabled."
_LOST_SINCE_QUEUED: Final = (
    b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "
    b"This command is no longer allowed for the following reason: "
)
_LOST: Final = {
    DENIED_COMMAND: b"no permission to execute the command or subcommand",
    DENIED_KEY: b"no permission to touch the specified keys",
    DENIED_CHANNEL: b"no permission to access one of the channels used as arguments",
}
_SAVE_FAILED: Final = (
    b"ERR There was an error trying to save the ACLs. Please check the server logs for more "
    b"information"
)

_TWO_PLACES: Final = "users are defined here, and aclfile is set: it must be the one or the other"
_DEFINED_TWICE: Final = "Duplicate user found. A user can only be defined once in config files"

_DEFAULT: Final = b"default"


class Acl:
    """See the module's docstring. Only the thread that runs commands touches it.

    ``leave`` lets a session's command wait no longer.
    """

    def __init__(
        self,
        config: Config,
        table: CommandTable,
        clock: Clock,
        sessions: dict[int, Session],
        pubsub: PubSub,
        leave: Callable[[Session], None],
    ) -> None:
        self._config: Final = config
        self._table: Final = table
        self._clock: Final = clock
        self._sessions: Final = sessions
        self._pubsub: Final = pubsub
        self._leave = leave
        self.book: Final[RuleBook] = RuleBook(table)
        self.log: Final[AclLog] = AclLog()
        #: Always the same object: whoever connects begins as this user.
        self.default: Final[User] = User(_DEFAULT, False)
        self.default.become(self._first_default())
        self.users: dict[bytes, User] = {_DEFAULT: self.default}

    def _first_default(self) -> User:
        """The user default as he is where nothing is said about him: he may do everything."""
        return self._made(User(_DEFAULT, True), [b"on", b"nopass", b"~*", b"+@all"])

    def _made(self, user: User, rules: list[bytes]) -> User:
        for rule in rules:
            self.book.apply(user, rule, self._all_channels())
        return user

    def _all_channels(self) -> bool:
        return self._config.acl_pubsub_default == "allchannels"

    # Who is calling

    @property
    def is_open(self) -> bool:
        """Whether everybody who comes is let in."""
        return self.default.is_enabled and self.default.needs_no_password

    def is_known(self, session: Session) -> bool:
        """Whether ``session`` need not authenticate, or has done so."""
        return session.authenticated or self.is_open

    def begin(self, session: Session) -> None:
        """``session`` is new, or as new (RESET)."""
        self._set_user(session, self.default, self.is_open)

    def authenticate(
        self, session: Session, name: bytes, password: bytes, args: list[bytes]
    ) -> None:
        """AUTH and HELLO, with all their ``args``: let ``session`` be the user called ``name``.

        Raises CommandError, and changes nothing, if that is not his password or he is off.
        """
        user = self.users.get(name)
        if user is None or not user.is_enabled or not user.has_password(password):
            self._note(session, args, DENIED_AUTH, _context(session), args[0], name)
            raise CommandError(_WRONG_PASSWORD)
        self._set_user(session, user, True)

    def follow(self, session: Session, other: Session) -> None:
        """Let ``session`` be who ``other`` is."""
        self._set_user(session, other.user, other.authenticated)

    def _set_user(self, session: Session, user: User, authenticated: bool) -> None:
        session.user = user
        session.authenticated = authenticated
        self._settle(session)

    def _settle(self, session: Session) -> None:
        session.is_unrestricted = session.user.is_unrestricted and self.is_known(session)

    def _settle_all(self) -> None:
        for session in self._sessions.values():
            self._settle(session)

    # What is refused

    def refusal(self, session: Session, command: Command, args: list[bytes]) -> bytes | None:
        """The error line for a request that ``session`` may not make; None if it may.

        What is refused for lack of rights is noted in the log.
        """
        if not self.is_known(session) and not command.flags & NO_AUTH:
            return _NO_AUTH
        if session.transaction is not None and command.flags & NO_MULTI:
            # Refused anyway, and for this reason first, as in Redis.
            return None
        denial = session.user.denial(command, args)
        if denial is None:
            return None
        session.last_command = command
        self._note_denial(session, args, denial, _context(session))
        return b"NOPERM " + denial.short_text()

    def check_queued(self, session: Session, command: Command, args: list[bytes]) -> None:
        """EXEC is about to run this. Raises CommandError if it is no longer allowed."""
        denial = session.user.denial(command, args)
        if denial is not None:
            self._note_denial(session, args, denial, IN_TRANSACTION)
            raise CommandError(_LOST_SINCE_QUEUED + _LOST[denial.reason])

    def refusal_in_script(
        self, session: Session, command: Command, args: list[bytes]
    ) -> bytes | None:
        """The error line for what a script of ``session`` may not call; None if it may."""
        denial = session.user.denial(command, args)
        if denial is None:
            return None
        self._note_denial(session, args, denial, IN_SCRIPT)
        return b"ERR ACL failure in script: " + denial.short_text()

    def check_command(self, user: User, command: Command, args: list[bytes]) -> Denial | None:
        """Why ``user`` may not make this request; None if he may. Nothing is noted."""
        return user.denial(command, args)

    def may_read_every_key(self, session: Session, args: list[bytes]) -> bool:
        """Whether the running command may read keys that its arguments do not name (SORT BY)."""
        if session.is_unrestricted:
            return True
        command = self._table.find(args)
        assert command is not None, "what runs is in the table"
        return session.user.may_read_every_key(command, args)

    def _note_denial(
        self, session: Session, args: list[bytes], denial: Denial, context: bytes
    ) -> None:
        self._note(session, args, denial.reason, context, denial.word, denial.user.name)

    def _note(
        self,
        session: Session,
        args: list[bytes],
        reason: int,
        context: bytes,
        word: bytes,
        user_name: bytes,
    ) -> None:
        self.log.add(
            reason,
            context,
            word,
            user_name,
            client_line(session, session, args),
            int(self._clock.time() * 1000),
            self._config.acllog_max_len,
        )

    # Changing users

    def sorted_users(self) -> list[User]:
        """All users, by name."""
        return [self.users[name] for name in sorted(self.users)]

    def set_user(self, name: bytes, words: list[bytes]) -> None:
        """ACL SETUSER: change a user, or make one; all rules or none.

        Raises CommandError. Clients that are subscribed to what he may no longer hear are ended.
        """
        all_channels = self._all_channels()
        user = self.users.get(name)
        changed = User(name, all_channels) if user is None else user.copy()
        try:
            for rule in with_whole_selectors(words):
                try:
                    self.book.apply(changed, rule, all_channels)
                except AclRuleError as error:
                    raise CommandError(
                        b"ERR Error in ACL SETUSER modifier '" + rule + b"': " + error.reason
                    ) from error
        except UnmatchedParenthesis as unmatched:
            raise CommandError(
                b"ERR Unmatched parenthesis in acl selector starting at '" + unmatched.word + b"'."
            ) from unmatched
        if user is None:
            user = self.users[name] = User(name, all_channels)
        else:
            self._end_deaf(user, changed)
        user.become(changed)
        self._settle_all()

    def delete_user(self, name: bytes) -> bool:
        """ACL DELUSER: whether there was such a user. His clients are ended."""
        user = self.users.pop(name, None)
        if user is None:
            return False
        for session in list(self._sessions.values()):
            if session.user is user:
                self._expel(session)
        return True

    def set_default_password(self, password: bytes) -> None:
        """The directive requirepass: the only password of the user default, or none if empty."""
        self.default.become(self._made(self.default.copy(), _password_rules(password)))
        self._settle_all()

    def _expel(self, session: Session) -> None:
        """End a client; if it is the one whose command is running, after that command's reply."""
        self._set_user(session, self.default, False)
        if not session.is_running:
            # What it waits for must not run it as somebody else.
            self._leave(session)
        session.end()

    def _end_deaf(self, old: User, new: User) -> None:
        """End clients of ``old`` that listen to something that ``new`` may not hear."""
        allowed = _channels_left(old, new)
        if allowed is None or self._pubsub.clients == 0:
            return
        for session in list(self._sessions.values()):
            if session.user is old and self._hears_more(session, allowed):
                self._expel(session)

    def _hears_more(self, session: Session, allowed: dict[bytes, re.Pattern[bytes]]) -> bool:
        pubsub = self._pubsub
        names = pubsub.channels.names_of(session) + pubsub.shard_channels.names_of(session)
        return any(
            not matches_channel(allowed, name, is_pattern=True)
            for name in pubsub.patterns.names_of(session)
        ) or any(not matches_channel(allowed, name, is_pattern=False) for name in names)

    # Files

    def load_at_start(self) -> None:
        """Take over the users of the configuration, or of ``aclfile``. Raises ConfigError."""
        config = self._config
        if config.aclfile and config.users:
            raise config.users[0].error(_TWO_PLACES, secret=True)
        names: set[bytes] = set()
        for statement in config.users:
            name = _bytes(statement.words[0])
            if name in names:
                raise statement.error(_DEFINED_TWICE, secret=True)
            names.add(name)
            self._define(name, statement)
        config.present_users = self._statements
        if config.aclfile:
            try:
                self._load()
            except AclFileError as error:
                raise ConfigError(_text(error.reply)) from error
        if config.requirepass and self.is_open:
            log.warning("requirepass has no effect: the users that were loaded say otherwise")

    def _define(self, name: bytes, statement: Statement) -> None:
        all_channels = self._all_channels()
        user = User(name, all_channels)
        rule = b""
        try:
            for rule in with_whole_selectors([_bytes(word) for word in statement.words[1:]]):
                self.book.apply(user, rule, all_channels)
        except AclRuleError as error:
            # The name of a command is no secret.
            shown = f" ({_text(rule)})" if error.is_unknown_name else ""
            raise statement.error(f"{error}{shown}", secret=True) from error
        except UnmatchedParenthesis as unmatched:
            raise statement.error("unmatched parenthesis", secret=True) from unmatched
        self.users.setdefault(name, User(name, False)).become(user)
        if not user.is_enabled:
            log.warning("the user %s of the configuration is off: no rule says on", _text(name))

    def _statements(self) -> list[list[str]]:
        """The words of the statements that CONFIG REWRITE writes.

        There are none where the users are in a file of their own, nor where requirepass says all there is.
        """
        if self._config.aclfile:
            return []
        rules = _password_rules(_bytes(self._config.requirepass))
        as_new = self._made(self._first_default(), rules)
        if len(self.users) == 1 and not self._config.users and as_new.text() == self.default.text():
            return []
        return [_text(user.name + b" " + user.text()).split(" ") for user in self.sorted_users()]

    def load(self) -> None:
        """ACL LOAD. Raises CommandError, and changes nothing, if anything in the file is wrong."""
        try:
            self._load()
        except AclFileError as error:
            raise CommandError(b"ERR " + error.reply) from error

    def _load(self) -> None:
        loaded = read_users(self._config.aclfile, self.book, self._all_channels())
        new_default = loaded.get(_DEFAULT) or self._first_default()
        loaded[_DEFAULT] = self.default
        for name, old in self.users.items():
            new = new_default if name == _DEFAULT else loaded.get(name)
            if new is not None:
                self._end_deaf(old, new)
        self.default.become(new_default)
        self.users = loaded
        for session in list(self._sessions.values()):
            user = loaded.get(session.user.name)
            if user is None:
                self._expel(session)
            else:
                self._set_user(session, user, session.authenticated)

    def save(self) -> None:
        """ACL SAVE: write all users to ``aclfile``. Blocks for two fsyncs. Raises CommandError."""
        try:
            replace_file(self._config.aclfile, file_text(self.sorted_users()))
        except OSError as error:
            log.warning("ACL SAVE: %s cannot be written: %s", self._config.aclfile, error.strerror)
            raise CommandError(_SAVE_FAILED) from error


def _context(session: Session) -> bytes:
    """Where a request of ``session`` is refused: also AUTH that EXEC has begun to run."""
    running = session.last_command if session.is_running else None
    in_exec = running is not None and running.name == "exec"
    return IN_TRANSACTION if in_exec or session.transaction is not None else AT_TOP_LEVEL


def _channels_left(old: User, new: User) -> dict[bytes, re.Pattern[bytes]] | None:
    """The channel patterns of ``new``, if ``old`` had any that are not among them; else None."""
    if any(selector.all_channels for selector in new.selectors):
        return None
    left: dict[bytes, re.Pattern[bytes]] = {}
    for selector in new.selectors:
        left.update(selector.channels)
    for selector in old.selectors:
        if selector.all_channels or not selector.channels.keys() <= left.keys():
            return left
    return None


def _password_rules(password: bytes) -> list[bytes]:
    return [b"resetpass", b">" + password] if password else [b"nopass"]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
