"""The generated documentation: complete, and written again only when it has changed."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

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
