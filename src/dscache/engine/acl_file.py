"""The file of users (``aclfile``): a line for each, ``user <name> <rule> ...``, as ACL LIST shows it.

It is written whole by ACL SAVE, so it has no comments; words are separated by single blanks, and nothing
is quoted, as no word may contain one. It is read at start and by ACL LOAD, all of it or nothing: every
line that is wrong is told with its number, and of what may be a password nothing is told.
"""

from __future__ import annotations

from typing import Final

from dscache.engine.acl_rules import (
    RuleBook,
    UnmatchedParenthesis,
    has_blank,
    with_whole_selectors,
)
from dscache.engine.acl_user import User
from dscache.errors import AclRuleError

_BLANKS: Final = b" \t\r\n"


class AclFileError(Exception):
    """The file cannot be taken into use; ``reply`` names everything that is wrong with it."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply.decode("utf-8", "replace"))
        self.reply = reply


def read_users(path: str, book: RuleBook, all_channels: bool) -> dict[bytes, User]:
    """The users in the file at ``path``. Raises AclFileError."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        reason = f"Error loading ACLs, opening file '{path}': {error.strerror}"
        raise AclFileError(reason.encode("utf-8", "surrogateescape")) from error
    users: dict[bytes, User] = {}
    errors: list[bytes] = []
    for number, line in enumerate(text.split(b"\n"), start=1):
        stripped = line.strip(_BLANKS)
        if stripped:
            place = path.encode("utf-8", "surrogateescape") + b":%d" % number
            errors += _read_user(stripped, number, place, users, book, all_channels)
    if errors:
        errors.append(
            b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        )
        raise AclFileError(b" ".join(errors))
    return users


def _read_user(
    line: bytes,
    number: int,
    place: bytes,
    users: dict[bytes, User],
    book: RuleBook,
    all_channels: bool,
) -> list[bytes]:
    """Add the user of ``line`` to ``users``; the answer is what is wrong with it."""
    words = line.split(b" ")
    if words[0] != b"user" or len(words) < 2:
        return [place + b" should start with user keyword followed by the username."]
    name = words[1]
    if has_blank(name):
        return [b"'" + place + b": username '" + name + b"' contains invalid characters."]
    if name in users:
        return [b"WARNING: Duplicate user '" + name + b"' found on line %d." % number]
    try:
        rules = with_whole_selectors(words[2:])
    except UnmatchedParenthesis:
        return [place + b": Unmatched parenthesis in selector definition."]
    user = User(name, all_channels)
    errors: list[bytes] = []
    is_told = False
    for rule in rules:
        stripped = rule.strip(b"\t\r\n")
        try:
            book.apply(user, stripped, all_channels)
        except AclRuleError as error:
            if error.is_unknown_name:
                # The name of a command is no secret.
                failed = place + b": Error in applying operation '" + stripped + b"': "
                errors.append(failed + error.reason + b".")
            elif not is_told:
                # What follows may be wrong only because of this.
                errors.append(place + b": " + error.reason + b".")
                is_told = True
    users[name] = User(name, False)
    users[name].become(user)
    return errors


def file_text(users: list[User]) -> bytes:
    """The text of a file of these users."""
    return b"".join(b"user " + user.name + b" " + user.text() + b"\n" for user in users)
