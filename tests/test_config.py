"""The configuration: what a file and the command line may say, and CONFIG GET, SET and REWRITE.

Wordings of errors that go to clients are Redis 7.4's (``src/config.c``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dscache.config import (
    Config,
    Directive,
    OutputLimit,
    OutputLimits,
    annotated_file,
    parse_overrides,
)
from dscache.config.directive import (
    Boolean,
    BufferLimits,
    Choice,
    EventClasses,
    FileName,
    Percentiles,
    SavePoints,
    Words,
)
from dscache.config.file import REWRITE_MARKER
from dscache.config.memory import available_memory_bytes
from dscache.config.quoting import quoted, split_words
from dscache.errors import ConfigError

MB = 1024 * 1024
GB = 1024 * MB


def glob(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern)


def get(config: Config, name: str) -> str:
    return config.get_matching([name], glob)[name]


def values(config: Config) -> dict[str, object]:
    return {directive.name: config.value_of(directive) for directive in Config.directives()}


@pytest.fixture
def from_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    """Make a configuration from the text of a file ``dscache.conf`` in the working directory."""
    monkeypatch.chdir(tmp_path)

    def read(text: str) -> Config:
        Path("dscache.conf").write_text(text)
        return Config.from_arguments("dscache.conf", [])

    return read


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        call()
    return str(caught.value)


# The declarations


def test_the_defaults_are_those_of_the_design() -> None:
    config = Config()
    shown = {name: get(config, name) for name in (d.name for d in Config.directives())}
    assert shown == {
        "bind": "127.0.0.1 -::1",
        "port": "6379",
        "tls-port": "0",
        "tls-cert-file": "",
        "tls-key-file": "",
        "tls-key-file-pass": "",
        "tls-ca-cert-file": "",
        "tls-ca-cert-dir": "",
        "tls-auth-clients": "yes",
        "tls-protocols": "",
        "tls-ciphers": "",
        "tcp-backlog": "511",
        "unixsocket": "",
        "unixsocketperm": "0",
        "http-port": "0",
        "http-bind": "127.0.0.1",
        "timeout": "0",
        "tcp-keepalive": "300",
        "protected-mode": "yes",
        "requirepass": "",
        "aclfile": "",
        "acl-pubsub-default": "resetchannels",
        "acllog-max-len": "128",
        "enable-debug-command": "no",
        "dir": "./dscache-data",
        "volatile": "no",
        "load": "",
        "databases": "16",
        "cache-flush-delay": "1",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "dbfilename": "dump.rdb",
        "disk-threads": "4",
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
        "cache-policy": "s3fifo",
        "lfu-log-factor": "10",
        "lfu-decay-time": "1",
        "maxclients": "10000",
        "maxmemory-clients": "50%",
        "proto-max-bulk-len": "536870912",
        "client-query-buffer-limit": "1073741824",
        "client-output-buffer-limit": (
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        ),
        "tracking-table-max-keys": "1000000",
        "hash-max-listpack-entries": "128",
        "hash-max-listpack-value": "64",
        "list-max-listpack-size": "-2",
        "set-max-intset-entries": "512",
        "set-max-listpack-entries": "128",
        "set-max-listpack-value": "64",
        "zset-max-listpack-entries": "128",
        "zset-max-listpack-value": "64",
        "stream-node-max-entries": "100",
        "hll-sparse-max-bytes": "3000",
        "hz": "10",
        "active-expire-effort": "1",
        "shutdown-timeout": "10",
        "loglevel": "notice",
        "logfile": "",
        "log-format": "text",
        "busy-reply-threshold": "5000",
        "slowlog-log-slower-than": "10000",
        "slowlog-max-len": "128",
        "latency-monitor-threshold": "0",
        "latency-tracking": "yes",
        "latency-tracking-info-percentiles": "50 99 99.9",
        "notify-keyspace-events": "",
    }


def test_an_attribute_has_the_value_and_the_class_has_the_directive() -> None:
    config = Config()
    port: int = config.port
    flush_delay_s: float = config.cache_flush_delay
    limits: OutputLimits = config.client_output_buffer_limit
    assert (port, flush_delay_s, limits.pubsub.soft_seconds) == (6379, 1.0, 60)
    assert isinstance(Config.port, Directive)
    assert Config.port.name == "port"


@pytest.mark.parametrize("directive", Config.directives(), ids=lambda directive: directive.name)
def test_every_directive_is_documented_and_named_as_its_attribute(
    directive: Directive[object],
) -> None:
    assert getattr(Config, directive.attribute) is directive
    assert directive.doc.endswith(".")
    assert directive.accepts()
    assert Config.find(directive.name.upper()) is directive


def test_passwords_are_secret_and_nothing_else() -> None:
    assert [directive.name for directive in Config.directives() if directive.secret] == [
        "tls-key-file-pass",
        "requirepass",
    ]


def test_what_is_read_at_start_only_is_immutable() -> None:
    assert {directive.name for directive in Config.directives() if directive.immutable} == {
        "tcp-backlog",
        "unixsocket",
        "unixsocketperm",
        "http-port",
        "http-bind",
        "aclfile",
        "dbfilename",
        "databases",
        "dir",
        "volatile",
        "disk-threads",
        "logfile",
        "enable-debug-command",
        "load",
        "appendonly",
    }


# The kinds of value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8388608", 8 * MB),
        ("8388608b", 8 * MB),
        ("9000k", 9_000_000),
        ("9000kb", 9000 * 1024),
        ("64m", 64_000_000),
        ("64mb", 64 * MB),
        ("64MB", 64 * MB),
        ("1g", 1_000_000_000),
        ("1Gb", GB),
        ("0", 0),
        ("0mb", 0),
    ],
)
def test_a_memory_value_may_have_a_unit(text: str, value: int) -> None:
    config = Config()
    config.set_many([("maxmemory", text)])
    assert config.maxmemory == value
    assert get(config, "maxmemory") == str(value)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("port", "65536", "argument must be between 0 and 65535 inclusive"),
        ("port", "-1", "argument must be between 0 and 65535 inclusive"),
        ("port", "80x", "argument couldn't be parsed into an integer"),
        ("port", "", "argument couldn't be parsed into an integer"),
        ("port", " 80", "argument couldn't be parsed into an integer"),
        ("port", "080", "argument couldn't be parsed into an integer"),
        ("port", "+80", "argument couldn't be parsed into an integer"),
        ("port", "\u0663", "argument couldn't be parsed into an integer"),
        ("port", "9223372036854775808", "argument couldn't be parsed into an integer"),
        ("hz", "0", "argument must be between 1 and 500 inclusive"),
        ("active-expire-effort", "11", "argument must be between 1 and 10 inclusive"),
        ("slowlog-max-len", "-1", "argument must be between 0 and 9223372036854775807 inclusive"),
        ("maxmemory", "12zb", "argument must be a memory value"),
        ("maxmemory", "mb", "argument must be a memory value"),
        ("maxmemory", "-1", "argument must be a memory value"),
        ("maxmemory", "1.5gb", "argument must be a memory value"),
        ("maxmemory", "1mb", "argument must be 0 or at least 8mb"),
        (
            "proto-max-bulk-len",
            "1kb",
            "argument must be between 1048576 and 9223372036854775807 inclusive",
        ),
        (
            "maxmemory",
            "99999999999gb",
            "argument must be between 8388608 and 9223372036854775807 inclusive",
        ),
        ("cache-flush-delay", "3601", "argument must be between 0 and 3600 inclusive"),
        ("cache-flush-delay", "nan", "argument couldn't be parsed into a number of seconds"),
        ("latency-tracking", "maybe", "argument must be 'yes' or 'no'"),
        (
            "cache-policy",
            "clock",
            "argument(s) must be one of the following: s3fifo, sieve, lru, lfu, random",
        ),
        ("bind", "a " * 17, "Too many bind addresses specified."),
        (
            "latency-tracking-info-percentiles",
            "50 x",
            "Invalid latency-tracking-info-percentiles parameters",
        ),
        (
            "latency-tracking-info-percentiles",
            "101",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ),
        (
            "latency-tracking-info-percentiles",
            "-1",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ),
        (
            "client-output-buffer-limit",
            "pubsub 1 1",
            "Wrong number of arguments in buffer limit configuration.",
        ),
        ("cache-flush-delay", "-1", "argument must be between 0 and 3600 inclusive"),
        (
            "maxmemory-policy",
            "allkeys-lru",
            (
                "argument(s) must be one of the following: noeviction; no key is ever lost when memory"
                " is full, and cache-policy says which entries leave memory for the disk first"
            ),
        ),
        ("maxmemory-clients", "half", "argument must be a memory or percent value"),
        ("maxmemory-clients", "-1%", "argument must be a memory or percent value"),
        ("maxmemory-clients", "101%", "percentage argument must be less or equal to 100"),
        (
            "client-output-buffer-limit",
            "master 1 1 1",
            "Invalid client class specified in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit",
            "pubsub 1 1 -1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
        (
            "client-output-buffer-limit",
            "pubsub 1zb 1 1",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
    ],
)
def test_a_bad_value_is_refused_with_the_words_of_redis(name: str, text: str, reason: str) -> None:
    config = Config()
    before = values(config)
    assert error_of(lambda: config.set_many([(name, text)])) == (
        f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"
    )
    assert values(config) == before


def test_the_permissions_of_the_socket_are_octal(from_text: Callable[[str], Config]) -> None:
    config = from_text("unixsocketperm 770")
    assert config.unixsocketperm == 0o770
    assert get(config, "unixsocketperm") == "770"
    assert "between 0 and 777 inclusive" in error_of(lambda: from_text("unixsocketperm 1777"))
    assert "octal number, such as 700" in error_of(lambda: from_text("unixsocketperm rwx"))


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0.25", 0.25), (".5", 0.5), ("2.", 2.0)])
def test_the_flush_delay_may_be_a_fraction_of_a_second(text: str, value: float) -> None:
    config = Config()
    config.set_many([("cache-flush-delay", text)])
    assert config.cache_flush_delay == value


def test_words_and_choices_do_not_mind_case_and_an_empty_list_is_one() -> None:
    config = Config()
    config.set_many([("CACHE-policy", "LRU"), ("latency-TRACKING", "No"), ("bind", "")])
    assert (config.cache_policy, config.latency_tracking, config.bind) == ("lru", False, ())


def test_an_output_limit_changes_only_the_classes_that_it_names() -> None:
    config = Config()
    config.set_many([("client-output-buffer-limit", "slave 1mb 2kb 3 PubSub 4 5 6")])
    config.set_many([("client-output-buffer-limit", "")])
    assert config.client_output_buffer_limit == OutputLimits(
        normal=OutputLimit(0, 0, 0),
        replica=OutputLimit(MB, 2048, 3),
        pubsub=OutputLimit(4, 5, 6),
    )


numbers = st.decimals(0, 100, places=6).map(float)
sizes = st.integers(0, 2**63 - 1)
limits = st.builds(OutputLimit, sizes, sizes, st.integers(0, 2**31))
texts = st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
words_without_blanks = st.text(st.characters(codec="utf-8"), min_size=1).filter(
    lambda word: word.split() == [word]
)


def some_value(directive: Directive[object]) -> st.SearchStrategy[object]:
    """Values of the directive's kind, within its bounds."""
    match directive:
        case Boolean():
            return st.booleans()
        case Choice():
            return st.sampled_from(directive.choices)
        case Words():
            words = st.lists(words_without_blanks, max_size=directive.maximum_words)
            return words.map(tuple)
        case Percentiles():
            return st.lists(numbers, max_size=5).map(tuple)
        case BufferLimits():
            return st.builds(OutputLimits, limits, limits, limits)
        case SavePoints():
            pair = st.tuples(st.integers(1, 2**31), st.integers(0, 2**31))
            return st.lists(pair, max_size=4).map(tuple)
        case FileName():
            names = texts.filter(lambda text: "/" not in text)
            return names.filter(lambda text: text not in ("", ".", ".."))
        case EventClasses():
            # Without n: CONFIG GET does not show it beside A.
            return st.text("g$lshzxetdKEm").map(lambda text: directive.parse([text], ""))
    kind = type(directive).__name__
    if kind == "Text":
        return texts.filter(lambda text: bool(text) or directive is not Config.dir)
    if kind == "Seconds":
        return numbers
    if kind == "MemoryOrPercent":
        return st.integers(-100, 2**63 - 1)
    minimum: int = getattr(directive, "minimum", 0)
    maximum: int = getattr(directive, "maximum", 2**63 - 1)
    return st.integers(minimum, maximum)


@given(st.data())
def test_what_config_get_shows_and_what_a_file_holds_reads_back_as_the_same_value(
    data: st.DataObject,
) -> None:
    directive = data.draw(st.sampled_from(Config.directives()))
    value = data.draw(some_value(directive))
    assert directive.parse([directive.render(value)], directive.default) == value
    from_file = directive.default
    for line in directive.lines(value):
        name, *words = split_words(line)
        assert name == directive.name
        assert "\n" not in line
        from_file = directive.parse(words, from_file)
    assert from_file == value


def test_event_classes_are_shown_as_redis_shows_them() -> None:
    directive = Config.notify_keyspace_events
    for text, shown, filed in (
        ("", "", '""'),
        ("KEA", "AKE", "AKE"),
        ("mEx$", "$xEm", "$xEm"),
        ("xx$nK", "$xnK", "$xnK"),
        ("dtezxhsl$gK", "AK", "AK"),
        ("AKn", "AK", "AnK"),
    ):
        value = directive.parse([text], "")
        assert directive.render(value) == shown
        assert directive.lines(value) == [f"notify-keyspace-events {filed}"]
    for wrong in ("q", "KEAq", "K E"):
        with pytest.raises(ConfigError, match="Invalid event class character"):
            directive.parse([wrong], "")


# Quoting


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a  b\tc ", ["a", "b", "c"]),
        ('a "b c" ""', ["a", "b c", ""]),
        (r'"\n\r\t\b\a\x41\\\"\q"', ['\n\r\t\b\aA\\"q']),
        (r'"\xc3\xa9\xff"', ["é\udcff"]),
        (r"'a\'b\n'", [r"a'b\n"]),
        (r"c:\dir", [r"c:\dir"]),
        ('a"b c"', ["ab c"]),
        ("", []),
    ],
)
def test_words_are_split_as_redis_splits_them(line: str, words: list[str]) -> None:
    assert split_words(line) == words


@pytest.mark.parametrize("line", ['"a', "'a", '"a"b', "'a'b", r"'a\'", 'a"', '"a\\', "\"a'"])
def test_a_quote_that_is_not_closed_before_a_blank_is_an_error(line: str) -> None:
    assert error_of(lambda: split_words(line)) == "unbalanced quotes"


@given(st.lists(texts))
def test_quoted_words_split_back_into_themselves(words: list[str]) -> None:
    line = " ".join(quoted(word) for word in words)
    assert split_words(line) == words
    assert line.isascii()
    assert "\n" not in line


# Files


def test_a_file_has_comments_blank_lines_and_statements_in_any_case(
    from_text: Callable[[str], Config],
) -> None:
    config = from_text("# port 1\n\n  PORT 7000 \r\n\trequirepass 'two words'\ndir /a/b\n")
    assert (config.port, config.requirepass, config.dir) == (7000, "two words", "/a/b")


def test_the_last_of_several_lines_counts(from_text: Callable[[str], Config]) -> None:
    assert from_text("port 1\nbind a b\nport 2\nbind c").port == 2
    assert from_text("bind a b\nbind c").bind == ("c",)


def test_lines_of_output_limits_add_up(from_text: Callable[[str], Config]) -> None:
    config = from_text(
        "client-output-buffer-limit normal 1 2 3\nclient-output-buffer-limit replica 4 5 6\n"
    )
    assert config.client_output_buffer_limit == OutputLimits(
        OutputLimit(1, 2, 3), OutputLimit(4, 5, 6), OutputLimit(32 * MB, 8 * MB, 60)
    )


def test_a_list_may_be_one_quoted_word(from_text: Callable[[str], Config]) -> None:
    assert from_text('bind "127.0.0.1 ::1"').bind == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("maxmemory 12zb", "'maxmemory 12zb': argument must be a memory value, such as 100mb"),
        (
            "port",
            "'port': wrong number of arguments, a value is missing: an integer from 0 to 65535",
        ),
        ("port 1 2", "'port 1 2': wrong number of arguments"),
        (
            "bind",
            "'bind': wrong number of arguments, a value is missing: up to 16 words; \"\" for none",
        ),
        (
            "volatile",
            "'volatile': wrong number of arguments, a value is missing: yes or no",
        ),
        ("dir ''", "'dir \"\"': argument can't be empty"),
        ("prot 1", "'prot': unknown directive; did you mean 'port'?"),
        (
            "save 900 x",
            "'save 900 x': Invalid save parameters. It is written as: 3600 1, or \"\" for none",
        ),
        ("include", "'include': wrong number of arguments"),
        ("include missing", "'include missing': missing does not exist"),
        (
            "client-output-buffer-limit pubsub 1",
            (
                "'client-output-buffer-limit pubsub 1': Wrong number of arguments in buffer limit"
                " configuration. It is written as: pubsub 32mb 8mb 60"
            ),
        ),
    ],
)
def test_an_error_in_a_file_names_file_line_directive_and_remedy(
    from_text: Callable[[str], Config], line: str, error: str
) -> None:
    assert error_of(lambda: from_text(f"# a comment\n\n{line}\n")) == f"dscache.conf:3: {error}"


@pytest.mark.parametrize(
    "line", ["requirepass hunter2 x", 'requirepass "hunter2', "requirepas hunter2"]
)
def test_no_error_shows_a_password(from_text: Callable[[str], Config], line: str) -> None:
    assert "hunter2" not in error_of(lambda: from_text(line))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "missing.conf")
    error = error_of(lambda: Config.from_arguments(path, []))
    assert error == f"{path}: cannot be read: No such file or directory"


def test_an_include_stands_for_the_lines_of_the_other_file(
    from_text: Callable[[str], Config],
) -> None:
    Path("other.conf").write_text("port 2\ntimeout 2\n")
    config = from_text("port 1\ninclude other.conf\ntimeout 3\n")
    assert (config.port, config.timeout) == (2, 3)
    Path("other.conf").write_text("\nport x\n")
    error = error_of(lambda: from_text("include other.conf"))
    assert error.startswith("other.conf:2: 'port x': ")


def test_an_include_of_a_pattern_reads_all_matches_in_order_and_may_match_none(
    from_text: Callable[[str], Config],
) -> None:
    Path("2.part").write_text("port 2")
    Path("1.part").write_text("port 1")
    assert from_text("include *.part\ninclude *.none").port == 2


def test_a_file_that_includes_itself_is_an_error(from_text: Callable[[str], Config]) -> None:
    error = error_of(lambda: from_text("include dscache.conf"))
    assert error == (
        "dscache.conf:1: 'include dscache.conf': dscache.conf includes itself; remove this line"
    )


def test_the_annotated_file_reads_back_as_the_defaults(from_text: Callable[[str], Config]) -> None:
    text = annotated_file()
    assert values(from_text(text)) == values(Config())
    assert all(f"\n{directive.name} " in text for directive in Config.directives())
    assert max(map(len, text.splitlines())) <= 80


def test_the_annotated_file_stays_as_it_is_when_it_is_rewritten(
    from_text: Callable[[str], Config],
) -> None:
    from_text(annotated_file()).rewrite()
    assert Path("dscache.conf").read_text() == annotated_file()


# The command line


def test_the_command_line_is_grouped_into_directives_and_their_values() -> None:
    assert parse_overrides(["--Port", "1", "--bind", "127.0.0.1", "-::1", "--volatile"]) == [
        ("port", ["1"]),
        ("bind", ["127.0.0.1", "-::1"]),
        ("volatile", []),
    ]
    assert parse_overrides([]) == []


def test_a_value_without_a_directive_is_an_error() -> None:
    assert error_of(lambda: parse_overrides(["6380"])) == (
        "'6380': expected a directive such as --port"
    )


def test_the_command_line_goes_before_the_file(from_text: Callable[[str], Config]) -> None:
    from_text("port 1\ntimeout 1\n")
    config = Config.from_arguments("dscache.conf", [("port", ["2"])])
    assert (config.port, config.timeout) == (2, 1)


def test_a_switch_alone_on_the_command_line_means_yes() -> None:
    assert Config.from_arguments(None, [("volatile", [])]).volatile is True
    assert Config.from_arguments(None, [("volatile", ["no"])]).volatile is False


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["--prot", "1"], "--prot: unknown directive; did you mean --port?"),
        (["--qqqqq"], "--qqqqq: unknown directive"),
        (["--"], "--: unknown directive"),
        (
            ["--maxmemory"],
            (
                "'--maxmemory': wrong number of arguments, a value is missing: 0, or a memory size, at least"
                " 8mb"
            ),
        ),
        (
            ["--maxmemory", "12zb"],
            "'--maxmemory 12zb': argument must be a memory value, such as 100mb",
        ),
        (["--requirepass", "a", "b"], "'--requirepass (hidden)': wrong number of arguments"),
    ],
)
def test_an_error_on_the_command_line_names_the_directive_and_the_remedy(
    argv: Sequence[str], error: str
) -> None:
    assert error_of(lambda: Config.from_arguments(None, parse_overrides(argv))) == error


# Memory


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write files of a pretended /proc and /sys below a directory; it starts with 16 GB."""

    def write(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return tmp_path

    write("proc/meminfo", f"MemTotal:  {16 * MB} kB\nMemFree: 1 kB\n")
    return write


def test_maxmemory_0_means_a_quarter_of_the_memory(machine: Callable[[str, str], Path]) -> None:
    root = machine("proc/self/cgroup", "0::/\n")
    assert Config().resolved_maxmemory(root) == 4 * GB


def test_maxmemory_otherwise_means_what_it_says(machine: Callable[[str, str], Path]) -> None:
    root = machine("proc/self/cgroup", "0::/\n")
    config = Config.from_arguments(None, [("maxmemory", ["100mb"])])
    assert config.resolved_maxmemory(root) == 100 * MB


def test_the_smallest_limit_of_the_control_groups_above_counts(
    machine: Callable[[str, str], Path],
) -> None:
    machine("proc/self/cgroup", "0::/a/b\n")
    machine("sys/fs/cgroup/a/memory.max", f"{GB}\n")
    root = machine("sys/fs/cgroup/a/b/memory.max", "max\n")
    assert available_memory_bytes(root) == GB
    machine("sys/fs/cgroup/a/b/memory.max", f"{2 * GB}\n")
    assert available_memory_bytes(root) == GB


def test_a_container_sees_its_limit_at_the_root_of_the_control_groups(
    machine: Callable[[str, str], Path],
) -> None:
    machine("proc/self/cgroup", "5:cpu,memory:/docker/123\n4:pids:/docker/123\n0::/docker/123\n")
    root = machine("sys/fs/cgroup/memory/memory.limit_in_bytes", f"{GB}\n")
    assert available_memory_bytes(root) == GB


def test_an_old_control_group_without_a_limit_does_not_matter(
    machine: Callable[[str, str], Path],
) -> None:
    machine("proc/self/cgroup", "5:memory:/\n")
    root = machine("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert available_memory_bytes(root) == 16 * GB


def test_a_tiny_container_still_gets_the_smallest_maxmemory(
    machine: Callable[[str, str], Path],
) -> None:
    machine("proc/self/cgroup", "0::/\n")
    root = machine("sys/fs/cgroup/memory.max", f"{MB}\n")
    assert Config().resolved_maxmemory(root) == 8 * MB


def test_a_system_without_proc_is_asked_for_its_memory(tmp_path: Path) -> None:
    assert available_memory_bytes(tmp_path) > 8 * MB


# CONFIG GET


def test_patterns_match_names_in_any_case() -> None:
    assert Config().get_matching(["MAXMEM?RY", "lfu-?ecay-time"], glob) == {
        "maxmemory": "0",
        "lfu-decay-time": "1",
    }


def test_a_plain_name_is_answered_as_it_was_written_and_only_once() -> None:
    config = Config()
    assert config.get_matching(["PORT", "port", "por*", "nothing"], glob) == {"PORT": "6379"}


def test_the_password_is_shown_to_who_may_ask() -> None:
    config = Config()
    config.set_many([("requirepass", "hunter2")])
    assert get(config, "requirepass") == "hunter2"


# CONFIG SET


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        (
            [("xyz", "1"), ("databases", "1")],
            "Unknown option or number of arguments for CONFIG SET - 'xyz'",
        ),
        (
            [("Databases", "1"), ("xyz", "1")],
            (
                "CONFIG SET failed (possibly related to argument 'Databases') - can't set immutable"
                " config"
            ),
        ),
        (
            [("port", "1"), ("PORT", "2")],
            "CONFIG SET failed (possibly related to argument 'PORT') - duplicate parameter",
        ),
        (
            [("port", "x"), ("xyz", "1")],
            "Unknown option or number of arguments for CONFIG SET - 'xyz'",
        ),
        (
            [("timeout", "1"), ("PORT", "x")],
            (
                "CONFIG SET failed (possibly related to argument 'port') - argument couldn't be"
                " parsed into an integer"
            ),
        ),
    ],
)
def test_either_all_directives_change_or_none(pairs: list[tuple[str, str]], error: str) -> None:
    config = Config()
    assert error_of(lambda: config.set_many(pairs)) == f"ERR {error}"
    assert values(config) == values(Config())


def test_a_listener_is_told_once_when_all_new_values_are_in_place() -> None:
    config = Config()
    seen: list[tuple[int, int]] = []
    config.on_change(["hz", "timeout"], lambda changed: seen.append((changed.hz, changed.timeout)))
    config.set_many([("hz", "20"), ("timeout", "5"), ("port", "1")])
    assert seen == [(20, 5)]


def test_a_listener_is_not_told_of_other_directives_or_of_equal_values() -> None:
    config = Config()
    seen: list[int] = []
    config.on_change(["hz"], lambda changed: seen.append(changed.hz))
    config.set_many([("timeout", "1"), ("hz", "10")])
    assert seen == []


def test_a_veto_brings_all_old_values_back_and_tells_who_was_told() -> None:
    config = Config()
    told: list[tuple[str, int, int]] = []

    def first(changed: Config) -> None:
        told.append(("first", changed.hz, changed.port))

    def vetoing(changed: Config) -> None:
        raise ConfigError("Unable to listen on this port.")

    def never_reached(changed: Config) -> None:
        told.append(("never", changed.hz, changed.port))

    config.on_change(["hz"], first)
    config.on_change(["port"], vetoing)
    config.on_change(["port"], never_reached)
    assert error_of(lambda: config.set_many([("hz", "20"), ("port", "1")])) == (
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this"
        " port."
    )
    assert told == [("first", 20, 1), ("first", 10, 6379)]
    assert values(config) == values(Config())


def test_a_listener_that_cannot_go_back_does_not_keep_others_from_it_and_is_reported() -> None:
    config = Config()
    told: list[int] = []

    def stubborn(changed: Config) -> None:
        if changed.port == 6379:
            raise ConfigError("6379 is taken by now")

    def vetoing(changed: Config) -> None:
        raise ConfigError("no")

    config.on_change(["port"], stubborn)
    config.on_change(["port"], lambda changed: told.append(changed.port))
    config.on_change(["port"], vetoing)
    assert error_of(lambda: config.set_many([("port", "1")])) == (
        "ERR CONFIG SET failed (possibly related to argument 'port') - no; the old value could not"
        " be taken back into use: 6379 is taken by now"
    )
    assert told == [1, 6379]


def test_a_defect_in_a_listener_brings_the_old_values_back_and_stays_visible() -> None:
    config = Config()

    def defective(changed: Config) -> None:
        raise ZeroDivisionError

    config.on_change(["hz"], defective)
    with pytest.raises(ZeroDivisionError):
        config.set_many([("hz", "20")])
    assert config.hz == 10


@pytest.mark.parametrize("name", ["hzz", "dir"])
def test_listening_to_what_never_changes_is_a_mistake(name: str) -> None:
    with pytest.raises(AssertionError):
        Config().on_change([name], print)


# CONFIG REWRITE


def rewritten(from_text: Callable[[str], Config], old: str, *pairs: tuple[str, str]) -> str:
    config = from_text(old)
    config.set_many(pairs)
    config.rewrite()
    assert values(Config.from_arguments("dscache.conf", [])) == values(config)
    return Path("dscache.conf").read_text()


def test_rewriting_replaces_what_changed_and_leaves_the_rest_alone(
    from_text: Callable[[str], Config],
) -> None:
    old = "# mine\n\n\n   port   6379\n# more\nmaxmemory 102400kb\ntimeout 5\n"
    assert rewritten(from_text, old, ("port", "7000")) == (
        "# mine\n\n\nport 7000\n# more\nmaxmemory 102400kb\ntimeout 5\n"
    )


def test_rewriting_appends_what_is_new_below_a_marker_that_stands_there_once(
    from_text: Callable[[str], Config],
) -> None:
    first = rewritten(from_text, "port 1\n", ("requirepass", 'a "b"\n'), ("maxmemory", "1gb"))
    assert first == f'port 1\n{REWRITE_MARKER}\nrequirepass "a \\"b\\"\\n"\nmaxmemory 1gb\n'
    second = rewritten(from_text, first, ("hz", "20"))
    assert second == first + "hz 20\n"


def test_rewriting_does_not_append_defaults_but_keeps_their_lines(
    from_text: Callable[[str], Config],
) -> None:
    assert rewritten(from_text, "port 1\nhz 10\n", ("port", "6379")) == "port 6379\nhz 10\n"


def test_rewriting_removes_repeated_lines(from_text: Callable[[str], Config]) -> None:
    assert rewritten(from_text, "port 1\n# x\nport 2\ntimeout 1\nport 3\n") == (
        "port 3\n# x\ntimeout 1\n"
    )


def test_rewriting_writes_one_line_for_each_class_of_output_limits(
    from_text: Callable[[str], Config],
) -> None:
    old = "client-output-buffer-limit pubsub 1mb 1mb 1\nport 1\n"
    assert rewritten(from_text, old) == old
    assert rewritten(from_text, old, ("client-output-buffer-limit", "normal 5 6 7")) == (
        "client-output-buffer-limit normal 5 6 7\nport 1\n"
        f"{REWRITE_MARKER}\n"
        "client-output-buffer-limit replica 256mb 64mb 60\n"
        "client-output-buffer-limit pubsub 1mb 1mb 1\n"
    )
    back_to_default = ("client-output-buffer-limit", "pubsub 32mb 8mb 60")
    assert rewritten(from_text, old, back_to_default) == (
        "client-output-buffer-limit normal 0 0 0\nport 1\n"
    )


def test_rewriting_keeps_includes_and_turns_what_it_cannot_read_into_comments(
    from_text: Callable[[str], Config],
) -> None:
    config = from_text("port 1\n")
    Path("other.conf").write_text("")
    Path("dscache.conf").write_text('include other.conf\nnew-directive 1\nport "1\n')
    config.rewrite()
    assert Path("dscache.conf").read_text() == (
        f'include other.conf\n# ??? new-directive 1\n# ??? port "1\n{REWRITE_MARKER}\nport 1\n'
    )


def test_rewriting_writes_what_came_from_the_command_line(
    from_text: Callable[[str], Config],
) -> None:
    from_text("")
    Config.from_arguments("dscache.conf", [("volatile", [])]).rewrite()
    assert Path("dscache.conf").read_text() == f"{REWRITE_MARKER}\nvolatile yes\n"


def test_rewriting_keeps_the_permissions_and_leaves_no_other_file(
    from_text: Callable[[str], Config], tmp_path: Path
) -> None:
    config = from_text("port 1\n")
    Path("dscache.conf").chmod(0o640)
    config.rewrite()
    assert stat.S_IMODE(Path("dscache.conf").stat().st_mode) == 0o640
    assert os.listdir() == ["dscache.conf"]


def test_a_file_that_disappeared_is_written_anew_for_its_owner_only(
    from_text: Callable[[str], Config],
) -> None:
    config = from_text("requirepass x\n")
    Path("dscache.conf").unlink()
    config.rewrite()
    assert Path("dscache.conf").read_text() == f"{REWRITE_MARKER}\nrequirepass x\n"
    assert stat.S_IMODE(Path("dscache.conf").stat().st_mode) == 0o600


def test_rewriting_follows_a_symbolic_link_and_not_the_working_directory(
    from_text: Callable[[str], Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("real.conf").write_text("port 1\n")
    Path("link.conf").symlink_to("real.conf")
    config = Config.from_arguments("link.conf", [("port", ["2"])])
    monkeypatch.chdir("/")
    config.rewrite()
    assert (tmp_path / "link.conf").is_symlink()
    assert (tmp_path / "real.conf").read_text() == "port 2\n"


def test_a_failure_leaves_the_old_file_and_nothing_else(
    from_text: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = from_text("port 1\n")
    config.set_many([("port", "2")])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert error_of(config.rewrite) == "ERR Rewriting config file: No space left on device"
    assert os.listdir() == ["dscache.conf"]
    assert Path("dscache.conf").read_text() == "port 1\n"


def test_without_a_file_there_is_nothing_to_rewrite() -> None:
    assert error_of(Config().rewrite) == "ERR The server is running without a config file"


def test_an_older_name_of_a_directive_is_understood_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "dscache.conf"
    path.write_text("hash-max-ziplist-entries 7\n")
    config = Config.from_arguments(str(path), [("dir", [str(tmp_path)])])
    assert config.hash_max_listpack_entries == 7
    match = fnmatchcase
    assert config.get_matching(["hash-max-ziplist-entries"], match) == {
        "hash-max-ziplist-entries": "7"
    }
    config.set_many([("Hash-Max-Ziplist-Entries", "9")])
    config.rewrite()
    assert "hash-max-listpack-entries 9\n" in path.read_text()
    assert "ziplist" not in path.read_text()
