"""The generated documentation: complete, and written again only when it has changed."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from dscache.cli.redis_commands import REDIS_COMMANDS, REMARKS, explained, reason_for
from dscache.cli.reference import FILES, reference, render_commands, render_configuration
from dscache.commands import all_registries
from dscache.commands.table import build_table
from dscache.config import Config

ROOT = Path(__file__).parents[2]


def test_every_command_has_its_place() -> None:
    text = render_commands()
    for command in build_table(all_registries()).all():
        is_only_a_parent = command.subcommands and not command.flags
        if not is_only_a_parent:
            assert f"\n### {command.name.replace('|', ' ').upper()}\n" in text, command.name


def test_every_command_of_redis_is_there_or_explained_and_never_both() -> None:
    text = render_commands()
    ours = {command.name for command in build_table(all_registries()).all()}
    for name in REDIS_COMMANDS:
        if name in ours:
            assert reason_for(name) is None, f"{name} is there now: it needs no explanation"
        else:
            assert reason_for(name) is not None, f"{name} is neither there nor explained"
        assert text.count(f"\n| `{name.replace('|', ' ').upper()}` |") == 1
    assert set(explained()) <= set(REDIS_COMMANDS)
    assert set(REMARKS) <= ours


def test_every_command_of_ours_is_one_of_redis_or_our_own() -> None:
    for command in build_table(all_registries()).all():
        if command.name.partition("|")[0] in ("backup", "cache"):
            assert command.name not in REDIS_COMMANDS
        elif command.name == "script|show":
            assert command.since == "8.0.0", "Valkey's"
        else:
            assert command.since == REDIS_COMMANDS.get(command.name), command.name


def test_every_directive_has_its_place() -> None:
    text = render_configuration()
    for directive in Config.directives():
        assert f"\n### {directive.name}\n" in text


def test_the_files_in_the_repository_are_up_to_date() -> None:
    result = CliRunner().invoke(reference, ["--check", str(ROOT)])
    assert result.exit_code == 0, result.output


def test_a_stale_file_fails_the_check_until_it_is_written_again(tmp_path: Path) -> None:
    runner = CliRunner()
    missing = runner.invoke(reference, ["--check", str(tmp_path)])
    assert missing.exit_code == 1
    assert all(name in missing.output for name in FILES)
    assert not list(tmp_path.iterdir())
    assert runner.invoke(reference, [str(tmp_path)]).exit_code == 0
    assert runner.invoke(reference, ["--check", str(tmp_path)]).exit_code == 0
    stale = tmp_path / "docs" / "info.md"
    stale.write_text("old")
    assert runner.invoke(reference, ["--check", str(tmp_path)]).exit_code == 1
    assert runner.invoke(reference, [str(tmp_path)]).output == "docs/info.md written\n"
