"""Users, rules and selectors: what a rule does, how it is shown, what it allows."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.engine.acl_file import AclFileError, file_text, read_users
from dscache.engine.acl_log import AT_TOP_LEVEL, IN_TRANSACTION, AclLog
from dscache.engine.acl_rules import RuleBook, UnmatchedParenthesis, with_whole_selectors
from dscache.engine.acl_user import DENIED_COMMAND, DENIED_KEY, User
from dscache.errors import AclRuleError

NO_DIGEST = (
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal"
    " characters"
)
AFTER_ALL_KEYS = (
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have"
    " any effect. Try 'resetkeys' to start with an empty list of patterns"
)
AFTER_ALL_CHANNELS = (
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not"
    " have any effect. Try 'resetchannels' to start with an empty list of channels"
)
TABLE = build_table(all_registries())
BOOK = RuleBook(TABLE)
PASSWORD = "#" + sha256(b"secret").hexdigest()


def made(*rules: str) -> User:
    """A user made by ``rules``."""
    user = User(b"bob", False)
    for rule in rules:
        BOOK.apply(user, rule.encode(), False)
    user.become(user.copy())
    return user


def refused(*rules: str) -> str:
    """The reason why the last of ``rules`` makes no sense behind the others."""
    user = made(*rules[:-1])
    before = user.text()
    with pytest.raises(AclRuleError) as caught:
        BOOK.apply(user, rules[-1].encode(), False)
    assert user.text() == before
    return caught.value.reason.decode()


def allows(user: User, request: str) -> bool:
    """Whether ``user`` may make the request."""
    args = request.encode().split()
    command = TABLE.find(args)
    assert command is not None
    return user.denial(command, args) is None


# Rules


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        ("", "off sanitize-payload resetchannels -@all"),
        ("on nopass", "on nopass sanitize-payload resetchannels -@all"),
        (">secret ON", f"on sanitize-payload {PASSWORD} resetchannels -@all"),
        (">secret <secret", "off sanitize-payload resetchannels -@all"),
        (">secret nopass", "off nopass sanitize-payload resetchannels -@all"),
        (f"nopass {PASSWORD} {PASSWORD}", f"off sanitize-payload {PASSWORD} resetchannels -@all"),
        (f"{PASSWORD} {PASSWORD.replace('#', '!')}", "off sanitize-payload resetchannels -@all"),
        (">secret resetpass", "off sanitize-payload resetchannels -@all"),
        ("skip-sanitize-payload", "off skip-sanitize-payload resetchannels -@all"),
        ("~a* ~b ~a*", "off sanitize-payload ~a* ~b resetchannels -@all"),
        ("%R~a %W~b %wr~c", "off sanitize-payload %R~a %W~b ~c resetchannels -@all"),
        ("%R~a %W~a", "off sanitize-payload ~a resetchannels -@all"),
        ("~a ~*", "off sanitize-payload ~* resetchannels -@all"),
        ("allkeys resetkeys ~a", "off sanitize-payload ~a resetchannels -@all"),
        ("&a &b &a", "off sanitize-payload resetchannels &a &b -@all"),
        ("&a allchannels", "off sanitize-payload &* -@all"),
        ("+GET +get", "off sanitize-payload resetchannels -@all +get"),
        ("+get -get", "off sanitize-payload resetchannels -@all -get"),
        ("+@all -@Write", "off sanitize-payload resetchannels +@all -@write"),
        ("+@all -get allcommands", "off sanitize-payload resetchannels +@all"),
        ("+get nocommands", "off sanitize-payload resetchannels -@all"),
        ("+config|get +config", "off sanitize-payload resetchannels -@all +config"),
        ("+config -config|set", "off sanitize-payload resetchannels -@all +config -config|set"),
        ("+select|0 +select|0", "off sanitize-payload resetchannels -@all +select|0"),
        ("+select|0 +select", "off sanitize-payload resetchannels -@all +select"),
        ("+@read +get +@read", "off sanitize-payload resetchannels -@all +get +@read"),
        (
            "(+get) (&* +set)",
            "off sanitize-payload resetchannels -@all (resetchannels -@all +get) (&* -@all +set)",
        ),
        ("(+get) clearselectors", "off sanitize-payload resetchannels -@all"),
        ("on >secret ~a &b +get (+set) reset", "off sanitize-payload resetchannels -@all"),
    ],
)
def test_rules_are_shown_as_redis_shows_them(rules: str, shown: str) -> None:
    words = [word.decode() for word in with_whole_selectors(rules.encode().split())]
    assert made(*words).text() == shown.encode()


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (["nonsense"], "Syntax error"),
        (["~a b"], "Syntax error"),
        (["~a\0"], "Syntax error"),
        (["&a\tb"], "Syntax error"),
        (["%X~a"], "Syntax error"),
        (["%RR~a"], "Syntax error"),
        (["%~a"], "Syntax error"),
        (["%"], "Syntax error"),
        (["+debug|"], "Syntax error"),
        (["+select|a b"], "Syntax error"),
        (["(on)"], "Syntax error"),
        (['(~"a)'], "Syntax error"),
        (["+nosuch"], "Unknown command or category name in ACL"),
        (["-nosuch"], "Unknown command or category name in ACL"),
        (["+@nosuch"], "Unknown command or category name in ACL"),
        (["+config|nosuch"], "Unknown command or category name in ACL"),
        (["-select|0"], "Unknown command or category name in ACL"),
        (["+get|a|b"], "Unknown command or category name in ACL"),
        (["(+nosuch)"], "Unknown command or category name in ACL"),
        (["+config|get|port"], "Allowing first-arg of a subcommand is not supported"),
        (["<secret"], "The password you are trying to remove from the user does not exist"),
        (["#abc"], NO_DIGEST),
        ([PASSWORD.upper()], NO_DIGEST),
        (["~*", "~a"], AFTER_ALL_KEYS),
        (["allchannels", "&a"], AFTER_ALL_CHANNELS),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(rules: list[str], reason: str) -> None:
    assert refused(*rules) == reason


def test_a_selector_may_come_in_several_words() -> None:
    assert with_whole_selectors([b"on", b"(+get", b"~a", b")", b"(~b)", b"off"]) == [
        b"on",
        b"(+get ~a )",
        b"(~b)",
        b"off",
    ]
    with pytest.raises(UnmatchedParenthesis) as caught:
        with_whole_selectors([b"on", b"(+get", b"~a"])
    assert caught.value.word == b"(+get"


_ATOMS = (
    "on off nopass resetpass >one >two ~* ~a %R~b %W~b resetkeys &* &a resetchannels reset"
    " +@all -@all +get -get +config -config +config|get -config|set +select|0 +@read -@read"
    " +@slow -@slow +@write -@dangerous +debug|object -debug clearselectors"
)
_RULES = st.sampled_from(
    [*_ATOMS.split(), "(+get ~a)", "(+@read %R~*)", "(allkeys allchannels +@all)"]
)


@given(st.lists(_RULES, max_size=8))
def test_what_is_shown_makes_the_same_user_again(rules: list[str]) -> None:
    user = User(b"bob", False)
    for rule in rules:
        try:
            BOOK.apply(user, rule.encode(), False)
        except AclRuleError:
            pass
    again = User(b"bob", False)
    for word in with_whole_selectors(user.text().split(b" ")):
        BOOK.apply(again, word, False)
    assert again.text() == user.text()
    assert [one.allowed for one in again.selectors] == [one.allowed for one in user.selectors]
    assert [one.first_args for one in again.selectors] == [one.first_args for one in user.selectors]


# Passwords


def test_any_of_several_passwords_is_right() -> None:
    user = made(">one", ">two\xff")
    assert user.has_password(b"one")
    assert user.has_password("two\xff".encode())
    assert not user.has_password(b"three")
    assert not user.has_password(b"")


def test_no_password_is_right_for_a_user_without_any() -> None:
    assert not made("on").has_password(b"")
    assert made("nopass").has_password(b"anything")


def test_passwords_are_kept_as_digests_only() -> None:
    assert b"secret" not in made(">secret").text()


# What is allowed


def test_a_new_user_may_do_nothing_but_authenticate() -> None:
    user = made()
    assert not allows(user, "PING")
    assert allows(user, "AUTH x")
    assert allows(user, "HELLO 3")


def test_categories_and_commands_count_in_their_order() -> None:
    user = made("~*", "+@all", "-@string", "+get")
    assert allows(user, "GET a")
    assert not allows(user, "SET a 1")
    assert allows(user, "SADD a 1")
    assert not allows(made("~*", "+get", "-@string"), "GET a")


def test_subcommands_may_be_allowed_apart() -> None:
    user = made("+client|id", "+config", "-config|set")
    assert allows(user, "CLIENT ID")
    assert not allows(user, "CLIENT LIST")
    assert allows(user, "CONFIG GET port")
    assert not allows(user, "CONFIG SET port 1")


def test_a_first_argument_may_be_allowed_alone() -> None:
    user = made("+select|0", "+select|one")
    assert allows(user, "SELECT 0")
    assert allows(user, "SELECT ONE")
    assert not allows(user, "SELECT 1")
    assert not allows(made("+select|0", "-select"), "SELECT 0")


@pytest.mark.parametrize(
    ("rule", "may", "may_not"),
    [
        ("~a*", ["GET a1", "SET a 1", "DEL a"], ["GET b", "MGET a b"]),
        ("%R~a*", ["GET a", "EXISTS a", "STRLEN a"], ["SET a 1", "GETSET a 1", "DEL a"]),
        ("%W~a*", ["SET a 1", "DEL a", "EXISTS a", "LPUSH a 1"], ["GET a", "SET a 1 GET"]),
        (
            "%R~a",
            ["BITFIELD a GET u4 0"],
            ["BITFIELD a SET u4 0 1", "BITFIELD a GET u4 0 INCRBY u4 0 1"],
        ),
    ],
)
def test_keys_are_allowed_for_what_is_done_to_them(
    rule: str, may: list[str], may_not: list[str]
) -> None:
    user = made("+@all", rule)
    assert [request for request in may if not allows(user, request)] == []
    assert [request for request in may_not if allows(user, request)] == []


def test_source_and_destination_may_have_different_rights() -> None:
    user = made("+@all", "%R~source", "%W~target")
    assert allows(user, "COPY source target")
    assert not allows(user, "COPY target source")
    assert allows(user, "SORT source STORE target")
    assert not allows(user, "SORT source STORE source")
    assert allows(user, "ZUNIONSTORE target 1 source")
    assert not allows(user, "ZUNIONSTORE target 2 source target")


def test_an_option_that_is_repeated_must_be_allowed_each_time() -> None:
    # GEORADIUS stores where the last STORE says; Redis looks at the first only.
    user = made("+@all", "~from", "~to")
    around = "GEORADIUS from 1 1 1 km"
    assert allows(user, f"{around} STORE to STORE to")
    assert not allows(user, f"{around} STORE to STORE other")
    assert not allows(user, f"{around} STORE other STORE to")
    assert not allows(user, "GEORADIUSBYMEMBER from m 1 km STORE to STOREDIST other")


def test_keys_that_the_arguments_contradict_are_left_to_the_command() -> None:
    user = made("+@all", "~a")
    assert allows(user, "ZUNION 9 a b")
    assert not allows(user, "ZUNIONSTORE b 9 a")


def test_channels_are_matched_and_patterns_are_compared() -> None:
    user = made("+@all", "~*", "&news:*", "&one")
    assert allows(user, "SUBSCRIBE news:1 one")
    assert not allows(user, "SUBSCRIBE news:1 two")
    assert allows(user, "PUBLISH one x")
    assert not allows(user, "PUBLISH two news:1")
    assert allows(user, "PSUBSCRIBE news:*")
    assert not allows(user, "PSUBSCRIBE news:1")
    assert allows(user, "SPUBLISH news:1 x")
    assert not allows(user, "SSUBSCRIBE two")
    # To stop listening needs no right.
    assert allows(user, "UNSUBSCRIBE two")
    assert allows(user, "SUNSUBSCRIBE two")


def test_one_selector_must_allow_all_of_a_request() -> None:
    user = made("+get", "~a", "(+set ~b)", "(%R~source %W~target +copy)")
    assert allows(user, "GET a")
    assert allows(user, "SET b 1")
    assert not allows(user, "GET b")
    assert not allows(user, "SET a 1")
    assert allows(user, "COPY source target")


def test_the_selector_that_came_nearest_says_what_was_refused() -> None:
    user = made("+mget", "~a", "(+mget ~a ~b)")
    args = [b"MGET", b"a", b"b", b"c"]
    command = TABLE.find(args)
    assert command is not None
    denial = user.denial(command, args)
    assert denial is not None
    assert (denial.reason, denial.word) == (DENIED_KEY, b"c")
    assert denial.short_text() == b"No permissions to access a key"
    assert denial.full_text() == b"User bob has no permissions to access the 'c' key"


def test_only_who_may_do_everything_is_unrestricted() -> None:
    assert made("+@all", "~*", "&*").is_unrestricted
    assert made("(+@all ~* &*)").is_unrestricted
    assert not made("+@all", "~*").is_unrestricted
    assert not made("+@all", "~*", "&*", "-debug", "+debug").is_unrestricted
    assert not made("(+@all ~*)", "&*").is_unrestricted


def test_every_category_of_a_command_is_known() -> None:
    for command in TABLE.all():
        for name in command.categories():
            assert command in (BOOK.category(name.upper().encode()) or [])


# The file


def test_a_file_gives_back_the_users_that_were_written(tmp_path: Path) -> None:
    path = tmp_path / "users"
    users = [made("on", ">secret", "~a*", "&b", "+@read", "(+set %W~c)")]
    path.write_bytes(file_text(users) + b"\n \t\r\n")
    read = read_users(str(path), BOOK, True)
    assert file_text(list(read.values())) == file_text(users)


def test_a_file_is_refused_with_all_that_is_wrong_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_bytes(
        b"user good on\n"
        b"\n"
        b"# no comments\n"
        b"user good off\n"
        b"user a\x0bb on\n"
        b"user one >hidden <other nonsense +nosuch\n"
        b"user two (+get\n"
    )
    with pytest.raises(AclFileError) as caught:
        read_users(str(path), BOOK, False)
    place = str(path).encode()
    assert caught.value.reply == b" ".join(
        [
            place + b":3 should start with user keyword followed by the username.",
            b"WARNING: Duplicate user 'good' found on line 4.",
            b"'" + place + b":5: username 'a\x0bb' contains invalid characters.",
            place + b":6: The password you are trying to remove from the user does not exist.",
            place
            + b":6: Error in applying operation '+nosuch': Unknown command or category name in ACL.",
            place + b":7: Unmatched parenthesis in selector definition.",
            b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
        ]
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(AclFileError, match=re.escape(f"opening file '{path}': No such file")):
        read_users(str(path), BOOK, False)


# The log


def noted(log: AclLog, word: bytes, now_ms: int, context: bytes = AT_TOP_LEVEL) -> None:
    """Note that ``bob`` may not call ``word``."""
    log.add(DENIED_COMMAND, context, word, b"bob", b"client", now_ms, max_length=3)


def test_what_happens_again_within_a_minute_is_counted() -> None:
    log = AclLog()
    noted(log, b"get", 1000)
    noted(log, b"set", 2000)
    noted(log, b"get", 61_000)
    assert [(one.word, one.count, one.number) for one in log.entries] == [
        (b"get", 2, 0),
        (b"set", 1, 1),
    ]
    newest = log.entries[0]
    assert (newest.created_ms, newest.updated_ms) == (1000, 61_000)
    noted(log, b"get", 121_001)
    noted(log, b"get", 121_002, IN_TRANSACTION)
    assert [(one.word, one.count) for one in log.entries] == [(b"get", 1), (b"get", 1), (b"get", 2)]
    assert log.denied(DENIED_COMMAND) == 5


def test_the_log_is_bounded_in_entries_and_in_what_each_holds() -> None:
    log = AclLog()
    for number in range(5):
        noted(log, b"x" * 5000 + b"%d" % number, 100_000 * number)
    assert len(log.entries) == 3
    assert len(log.entries[0].word) == 1024
    log.add(DENIED_COMMAND, AT_TOP_LEVEL, b"get", b"bob", b"", 0, max_length=0)
    assert not log.entries
