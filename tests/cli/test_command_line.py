"""What holds for every subcommand: help that says how it ends, completion for shells."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dscache.cli.main import main
from terminal import Dscache

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_help_explains_itself_and_names_its_exit_codes(name: str) -> None:
    done = CliRunner().invoke(main, [name, "--help"], terminal_width=80)
    assert done.exit_code == 0
    assert "Exit codes:" in done.output
    for code in ("0 ", "2 "):
        assert code in done.output.split("Exit codes:")[1]
    assert max(map(len, done.output.splitlines())) <= 80


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_option_has_its_help(name: str) -> None:
    for parameter in main.commands[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_help_shows_every_subcommand_once_with_its_whole_short_help() -> None:
    said = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    for name, command in main.commands.items():
        lines = [line for line in said.splitlines() if line.startswith(f"  {name} ")]
        assert len(lines) == 1, name
        assert not lines[0].endswith("..."), name
        assert command.short_help


def test_the_documentation_names_every_subcommand_and_its_exit_codes() -> None:
    text = DOCS.read_text()
    for name in main.commands:
        assert f"| `{name}` |" in text, name


def test_dscache_serve_does_not_wait_for_what_others_need() -> None:
    modules = subprocess.run(
        [sys.executable, "-c", "import sys, dscache.cli.main; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"prompt_toolkit", "rich", "ssl", "dscache.commands", "dscache.engine"} & {*modules}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(shell: str, dscache: Dscache) -> None:
    code, said, errors = dscache("completion", shell)
    assert (code, errors) == (0, "")
    assert f"_DSCACHE_COMPLETE={shell}_complete" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["to"], ["plain,top"]),
        (["serve", "--maxmemory-c"], ["plain,--maxmemory-clients"]),
        (["cli", "-p", "7", "getrang"], ["plain,getrange"]),
        (["cli", "client", "no-t"], ["plain,no-touch"]),
        (["cli", "set", "a b", "c", "keep"], ["plain,keepttl"]),
        (["top", "--cacert"], ["plain,--cacert", "plain,--cacertdir"]),
        (["import", "/tm"], ["file,/tm"]),
        (["bench", "--distribution", "z"], ["plain,zipf"]),
    ],
)
def test_the_shell_is_told_what_may_come(words: list[str], expected: list[str]) -> None:
    variables = {
        "_DSCACHE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(
            f"'{word}'" if " " in word else word for word in ["dscache", *words]
        ),
        "COMP_CWORD": str(len(words)),
    }
    done = CliRunner().invoke(main, [], prog_name="dscache", env=variables)
    assert done.output.split() == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_script(dscache: Dscache) -> None:
    _, script, _ = dscache("completion", "bash")
    done = subprocess.run(
        ["bash", "-c", f"{script}\ncomplete -p dscache"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_dscache_completion" in done.stdout, done.stderr
