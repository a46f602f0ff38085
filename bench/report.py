"""What a scenario found: tables for people, figures for machines, and broken promises.

A `Report` is filled while a scenario runs and printed when it ends. Tables hold text as it is to be
read; `figures` holds the raw numbers under stable names, for the JSON file and for comparing two
commits. A failure is a promise that did not hold (memory above its bound, a wrong value): the
program's exit status tells.
"""

import dataclasses
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bench.ratios import Spread

Figure: TypeAlias = int | float | str | Sequence[float]


@dataclass(slots=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        assert len(cells) == len(self.columns), f"{self.title}: {cells} for {self.columns}"
        self.rows.append(cells)


@dataclass(frozen=True, slots=True)
class Goal:
    """What was to be reached, and what was."""

    work: str
    goal: str
    figure: str
    holds: bool | None
    """None where it could not be measured; ``figure`` says why."""

    @property
    def verdict(self) -> str:
        return {True: "reached", False: "MISSED", None: "-"}[self.holds]


@dataclass(slots=True)
class Report:
    scenario: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def table(self, title: str, *columns: str) -> Table:
        """A new table, printed after those before it."""
        table = Table(title, columns)
        self.tables.append(table)
        return table

    def goal(self, work: str, goal: str, figure: str, holds: bool | None) -> None:
        """A line of the table of goals, which is printed at the end of everything."""
        self.goals.append(Goal(work, goal, figure, holds))

    def goal_of_ratio(self, work: str, least: float, ratio: Spread, other: str) -> None:
        """A goal that is a share of ``other``'s figure."""
        self.goal(work, f">= {least} x {other}", ratio.text(2), ratio.median >= least)

    def as_json(self) -> dict[str, object]:
        return dataclasses.asdict(self)


def summary(reports: Sequence[Report]) -> Report:
    """All goals in one table."""
    report = Report("goals")
    table = report.table("Goals", "work", "goal", "figure", "verdict")
    for goal in (goal for one in reports for goal in one.goals):
        table.add(goal.work, goal.goal, goal.figure, goal.verdict)
    return report


def show(report: Report) -> None:
    """Print: with rich on a terminal, as plain aligned text elsewhere."""
    if sys.stdout.isatty() and importlib.util.find_spec("rich") is not None:
        _show_rich(report)
    else:
        _show_plain(report)


def _show_plain(report: Report) -> None:
    print(f"\n== {report.scenario} ==")
    for table in report.tables:
        rows = [table.columns, *table.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
        print(f"\n{table.title}")
        for number, row in enumerate(rows):
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            print("  " + "  ".join(cells).rstrip())
            if number == 0:
                print("  " + "  ".join("-" * width for width in widths))
    for note in report.notes:
        print(f"note: {note}")
    for failure in report.failures:
        print(f"FAILED: {failure}")
    sys.stdout.flush()


def _show_rich(report: Report) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    console = Console()
    console.rule(report.scenario)
    for table in report.tables:
        drawn = RichTable(title=escape(table.title), title_justify="left")
        for number, column in enumerate(table.columns):
            drawn.add_column(column, justify="left" if number == 0 else "right")
        for row in table.rows:
            drawn.add_row(*(escape(cell) for cell in row))
        console.print(drawn)
    for note in report.notes:
        console.print(f"[dim]note:[/] {escape(note)}")
    for failure in report.failures:
        console.print(f"[bold red]FAILED:[/] {escape(failure)}")
