"""COMMAND: what it answers about commands, in Redis's shapes."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from driver import Driver
from dscache.engine.command import CATEGORIES, Handler
from dscache.engine.docstrings import summary_of
from dscache.wire.encoder import ReplyWriter
from dscache.wire.reply import SetReply, Status


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An engine over a store in memory."""
    driver = Driver()
    yield driver
    driver.close()


def plain(reply: object) -> object:
    """A reply with sets as lists and simple strings as text, for comparing."""
    if isinstance(reply, SetReply):
        return [plain(item) for item in reply.items]
    if isinstance(reply, Status):
        return reply.text.decode()
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    if isinstance(reply, dict):
        return {plain(key): plain(item) for key, item in reply.items()}
    return reply


def info(driver: Driver, name: str) -> list[object]:
    """COMMAND INFO of one command."""
    [described] = cast("list[list[object]]", plain(driver.run("COMMAND", "INFO", name)))
    return described


def docs(driver: Driver, name: str) -> dict[str, object]:
    """COMMAND DOCS of one command."""
    found = cast("dict[str, dict[str, object]]", plain(driver.run("COMMAND", "DOCS", name)))
    return found[name]


# INFO


def test_a_command_is_described_by_ten_fields(driver: Driver) -> None:
    assert info(driver, "GET") == [
        "get",
        2,
        ["readonly", "fast"],
        1,
        1,
        1,
        ["@read", "@string", "@fast"],
        [],
        [
            {
                "flags": ["RO", "access"],
                "begin_search": {"type": "index", "spec": {"index": 1}},
                "find_keys": {"type": "range", "spec": {"lastkey": 0, "keystep": 1, "limit": 0}},
            }
        ],
        [],
    ]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("mset", [1, -1, 2]),
        ("del", [1, -1, 1]),
        ("rename", [1, 2, 1]),
        ("lcs", [1, 2, 1]),
        ("object|encoding", [2, 2, 1]),
        ("ping", [0, 0, 0]),
    ],
)
def test_keys_are_also_told_in_the_old_way(driver: Driver, name: str, keys: list[int]) -> None:
    assert info(driver, name)[3:6] == keys


def test_subcommands_are_described_with_their_parent_and_alone(driver: Driver) -> None:
    subcommands = cast("list[list[object]]", info(driver, "config")[9])
    assert [one[0] for one in subcommands] == [
        "config|get",
        "config|set",
        "config|resetstat",
        "config|rewrite",
        "config|help",
    ]
    assert info(driver, "config|set") == subcommands[1]


def test_what_only_holds_subcommands_is_only_slow(driver: Driver) -> None:
    assert info(driver, "config")[6] == ["@slow"]


@pytest.mark.parametrize("name", ["nosuch", "get|x", "config|nosuch", "config|get|x"])
def test_an_unknown_name_is_null(driver: Driver, name: str) -> None:
    assert driver.run("COMMAND", "INFO", "ping", name)[1] is None  # type: ignore[index]


def test_command_alone_describes_all(driver: Driver) -> None:
    everything = cast("list[object]", driver.run("COMMAND"))
    assert len(everything) == driver.run("COMMAND", "COUNT")
    assert plain(everything) == plain(driver.run("COMMAND", "INFO"))
    assert info(driver, "set") in cast("list[object]", plain(everything))


def test_flags_are_simple_strings_and_sets_are_sets_for_resp3(driver: Driver) -> None:
    writer = ReplyWriter()
    writer.resp = 3
    writer.write(driver.run("COMMAND", "INFO", "ping"))
    assert writer.take() == (
        b"*1\r\n*10\r\n$4\r\nping\r\n:-1\r\n~1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n"
        b"~2\r\n+@fast\r\n+@connection\r\n" + _tips_of_ping(driver) + b"~0\r\n~0\r\n"
    )


def _tips_of_ping(driver: Driver) -> bytes:
    command = driver.engine.table.get(b"ping")
    assert command is not None
    writer = ReplyWriter()
    writer.resp = 3
    writer.write(SetReply(list(command.tips)))
    return writer.take()


# DOCS


def test_docs_tell_summary_and_arguments(driver: Driver) -> None:
    described = docs(driver, "setrange")
    summary = described.pop("summary")
    assert isinstance(summary, str)
    assert summary.endswith(".")
    described.pop("complexity")
    assert described == {
        "since": "2.2.0",
        "group": "string",
        "arguments": [
            {"name": "key", "type": "key", "display_text": "key", "key_spec_index": 0},
            {"name": "offset", "type": "integer", "display_text": "offset"},
            {"name": "value", "type": "string", "display_text": "value"},
        ],
    }


def test_docs_tell_history_tokens_and_flags(driver: Driver) -> None:
    described = docs(driver, "set")
    history = cast("list[list[str]]", described["history"])
    assert [since for since, _ in history] == ["2.6.12", "6.0.0", "6.2.0", "7.0.0"]
    arguments = cast("list[dict[str, object]]", described["arguments"])
    assert arguments[2] == {
        "name": "condition",
        "type": "oneof",
        "since": "2.6.12",
        "flags": ["optional"],
        "arguments": [
            {"name": "nx", "type": "pure-token", "display_text": "nx", "token": "NX"},
            {"name": "xx", "type": "pure-token", "display_text": "xx", "token": "XX"},
        ],
    }


def test_docs_tell_what_is_deprecated(driver: Driver) -> None:
    described = docs(driver, "substr")
    assert described["doc_flags"] == ["deprecated"]
    assert (described["deprecated_since"], described["replaced_by"]) == ("2.0.0", "`GETRANGE`")
    assert "doc_flags" not in docs(driver, "getrange")


def test_docs_tell_which_arguments_are_deprecated(driver: Driver) -> None:
    [one_of] = cast("list[dict[str, object]]", docs(driver, "client|kill")["arguments"])
    old, new = cast("list[dict[str, object]]", one_of["arguments"])
    assert old == {
        "name": "old-format",
        "type": "string",
        "display_text": "ip:port",
        "deprecated_since": "2.8.12",
    }
    assert (new["name"], new["flags"]) == ("new-format", ["multiple"])


def test_docs_call_commands_that_are_not_for_users_system_commands(driver: Driver) -> None:
    documented = cast("dict[str, dict[str, object]]", plain(driver.run("COMMAND", "DOCS")))
    system = {name for name, one in documented.items() if one.get("doc_flags") == ["syscmd"]}
    assert system == {"debug", "pfdebug", "pfselftest"}


def outline(described: object) -> list[object]:
    """Names of arguments; (name, parts) of groups."""
    return [
        (one["name"], outline(one["arguments"])) if "arguments" in one else one["name"]
        for one in cast("list[dict[str, object]]", described)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "lmove",
            [
                "source",
                "destination",
                ("wherefrom", ["left", "right"]),
                ("whereto", ["left", "right"]),
            ],
        ),
        (
            "sort_ro",
            [
                "key",
                "by-pattern",
                ("limit", ["offset", "count"]),
                "get-pattern",
                ("order", ["asc", "desc"]),
                "sorting",
            ],
        ),
        (
            "bitfield",
            [
                "key",
                (
                    "operation",
                    [
                        ("get-block", ["encoding", "offset"]),
                        (
                            "write",
                            [
                                ("overflow-block", ["wrap", "sat", "fail"]),
                                (
                                    "write-operation",
                                    [
                                        ("set-block", ["encoding", "offset", "value"]),
                                        ("incrby-block", ["encoding", "offset", "increment"]),
                                    ],
                                ),
                            ],
                        ),
                    ],
                ),
            ],
        ),
        (
            "xtrim",
            [
                "key",
                (
                    "trim",
                    [
                        ("strategy", ["maxlen", "minid"]),
                        ("operator", ["equal", "approximately"]),
                        "threshold",
                        "count",
                    ],
                ),
            ],
        ),
        (
            "xgroup|create",
            ["key", "group", ("id-selector", ["id", "new-id"]), "mkstream", "entriesread"],
        ),
        ("xinfo|stream", ["key", ("full-block", ["full", "count"])]),
    ],
)
def test_arguments_have_the_names_that_redis_gives_them(
    driver: Driver, name: str, expected: list[object]
) -> None:
    assert outline(docs(driver, name)["arguments"]) == expected


def versions(described: object) -> dict[object, object]:
    """{argument: version that brought it} of those that are younger than their command."""
    found: dict[object, object] = {}
    for one in cast("list[dict[str, object]]", described):
        if "since" in one:
            found[one["name"]] = one["since"]
        found.update(versions(one.get("arguments", [])))
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auth", {"username": "6.0.0"}),
        ("bitcount", {"unit": "7.0.0"}),
        ("client|list", {"client-type": "5.0.0", "client-id": "6.2.0"}),
        ("expire", {"condition": "7.0.0"}),
        ("flushall", {"async": "4.0.0", "sync": "6.2.0"}),
        ("get", {}),
        ("lpop", {"count": "6.2.0"}),
        (
            "restore",
            {"replace": "3.0.0", "absttl": "5.0.0", "seconds": "5.0.0", "frequency": "5.0.0"},
        ),
        ("shutdown", {"now": "7.0.0", "force": "7.0.0", "abort": "7.0.0"}),
        ("xadd", {"nomkstream": "6.2.0", "minid": "6.2.0", "count": "6.2.0"}),
        ("zrange", {"sortby": "6.2.0", "rev": "6.2.0", "limit": "6.2.0"}),
    ],
)
def test_docs_tell_since_when_an_old_command_has_an_argument(
    driver: Driver, name: str, expected: dict[object, object]
) -> None:
    assert versions(docs(driver, name)["arguments"]) == expected


def test_docs_tell_which_specification_finds_what_patterns_and_options_lead_to(
    driver: Driver,
) -> None:
    arguments = cast("list[dict[str, object]]", docs(driver, "sort")["arguments"])
    found = {str(one["name"]): one.get("key_spec_index") for one in arguments}
    assert [found[name] for name in ("key", "by-pattern", "get-pattern", "destination")] == [
        0,
        1,
        1,
        2,
    ]


def test_docs_of_a_parent_hold_those_of_its_subcommands(driver: Driver) -> None:
    subcommands = cast("dict[str, object]", docs(driver, "config")["subcommands"])
    assert subcommands["config|get"] == docs(driver, "config|get")


def test_docs_leave_unknown_names_out(driver: Driver) -> None:
    assert list(cast("dict[str, object]", driver.run("COMMAND", "DOCS", "no", "GET"))) == ["get"]


def test_docs_without_names_document_every_command(driver: Driver) -> None:
    assert len(cast("dict[str, object]", driver.run("COMMAND", "DOCS"))) == driver.run(
        "COMMAND", "COUNT"
    )


def test_every_command_is_summed_up_in_a_sentence(driver: Driver) -> None:
    for command in driver.engine.table.all():
        assert command.summary.endswith("."), command.name
        assert "\n" not in command.summary


def test_summaries_are_found_in_the_source_of_compiled_handlers(driver: Driver) -> None:
    for command in driver.engine.table.all():
        handler = command.handler
        compiled = SimpleNamespace(
            __doc__=None,
            __module__=getattr(handler, "__module__", ""),
            __name__=getattr(handler, "__name__", ""),
        )
        assert summary_of(cast("Handler", compiled)) == command.summary, command.name


# LIST


def test_the_list_names_subcommands_too(driver: Driver) -> None:
    names = cast("list[str]", driver.run("COMMAND", "LIST"))
    assert {"get", "config", "config|get"} <= set(names)
    assert len(names) == len(driver.engine.table.all())


def test_the_list_can_be_filtered(driver: Driver) -> None:
    def listed(kind: str, wanted: str) -> object:
        return driver.run("COMMAND", "LIST", "FILTERBY", kind, wanted)

    assert listed("pattern", "MGE?") == ["mget"]
    assert "config|set" in cast("list[str]", listed("PATTERN", "config|*"))
    assert set(cast("list[str]", listed("ACLCAT", "transaction"))) == {
        "multi",
        "exec",
        "discard",
        "watch",
        "unwatch",
    }
    assert listed("ACLCAT", "nosuch") == []
    assert listed("MODULE", "any") == []


@pytest.mark.parametrize(
    "words",
    [["x"], ["FILTERBY"], ["FILTERBY", "PATTERN"], ["FILTERBY", "x", "y"],
     ["FILTERBY", "PATTERN", "a", "b"]],
)  # fmt: skip
def test_a_wrong_filter_is_a_syntax_error(driver: Driver, words: list[str]) -> None:
    assert driver.run("COMMAND", "LIST", *words) == b"-ERR syntax error"


# GETKEYS


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("GET a", [b"a"]),
        ("mset a 1 b 2", [b"a", b"b"]),
        ("DEL a b c", [b"a", b"b", b"c"]),
        ("RENAME a b", [b"a", b"b"]),
        ("MEMORY USAGE a SAMPLES 5", [b"a"]),
    ],
)
def test_keys_are_found_in_a_command(driver: Driver, command: str, keys: list[bytes]) -> None:
    assert driver.run("COMMAND", "GETKEYS", *command.split()) == keys


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("SET a 1", [["a", ["OW", "update"]]]),
        ("SET a 1 get", [["a", ["RW", "access", "update"]]]),
        ("COPY a b", [["a", ["RO", "access"]], ["b", ["OW", "update"]]]),
        ("BITFIELD a", [["a", ["RO", "access"]]]),
        ("BITFIELD a get u8 0 OVERFLOW SAT GET u8 8", [["a", ["RO", "access"]]]),
        ("BITFIELD a GET u8 0 SET u8 8 1", [["a", ["RW", "access", "update"]]]),
        ("BITFIELD a GET u8", [["a", ["RW", "access", "update"]]]),
    ],
)
def test_keys_are_found_with_what_is_done_to_them(
    driver: Driver, command: str, found: list[object]
) -> None:
    reply = driver.run("COMMAND", "GETKEYSANDFLAGS", *command.split())
    assert plain(reply) == found


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("NOSUCH a", "Invalid command specified"),
        ("CONFIG NOSUCH", "Invalid command specified"),
        ("PING", "The command has no key arguments"),
        ("MEMORY", "The command has no key arguments"),
        ("GET", "Invalid number of arguments specified for command"),
        ("GET a b", "Invalid number of arguments specified for command"),
        ("LMPOP 3 a LEFT", "Invalid arguments specified for command"),
        ("ZUNIONSTORE a 0 b", "Invalid arguments specified for command"),
        ("PFMERGE a", "Invalid arguments specified for command"),
        ("XREAD COUNT 1 a", "Invalid arguments specified for command"),
    ],
)
def test_a_command_without_keys_to_find_is_an_error(
    driver: Driver, command: str, error: str
) -> None:
    expected = b"-ERR " + error.encode()
    assert driver.run("COMMAND", "GETKEYS", *command.split()) == expected
    assert driver.run("COMMAND", "GETKEYSANDFLAGS", *command.split()) == expected


def test_nothing_is_looked_up_to_find_keys(driver: Driver) -> None:
    driver.run("SET", "a", "1")
    driver.evict_all()
    driver.run("COMMAND", "GETKEYS", "GET", "a")
    assert driver.engine.residency.resident == 0


def test_help_shows_each_subcommand(driver: Driver) -> None:
    lines = cast("list[str]", plain(driver.run("COMMAND", "HELP")))
    assert lines[0].startswith("COMMAND <subcommand>")
    assert "GETKEYS command [arg [arg ...]]" in lines


def test_categories_are_those_of_redis(driver: Driver) -> None:
    for command in driver.engine.table.all():
        assert set(command.extra_categories) <= set(CATEGORIES), command.name
        categories = command.categories()
        assert ("fast" in categories) != ("slow" in categories), command.name
