"""The command line: ``python -m bench [--quick] [--all] [--only a,b] [--json FILE] [--runs N]``."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bench import machine, peers
from bench.load import ServerError
from bench.report import Report, show, summary
from bench.scenarios import SCENARIOS, WITH_GOALS
from bench.settings import Settings


def main() -> int:
    """Run the chosen scenarios; 1 if a promise did not hold or a scenario could not run."""
    arguments = _parser().parse_args()
    settings = Settings(
        quick=arguments.quick,
        runs=arguments.runs or (1 if arguments.quick else 7),
        subject=arguments.subject,
        durability=arguments.durability,
        directory=arguments.dir,
    )
    names = arguments.only or list(SCENARIOS if arguments.all else WITH_GOALS)
    facts = machine.facts(settings.directory)
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    print(
        f"subject: {settings.subject}, durability: {settings.durability}, quick: {settings.quick}"
    )
    started = time.perf_counter()
    reports = [_run(name, settings) for name in names]
    show(summary(reports))
    print(f"all of it: {(time.perf_counter() - started) / 60:.1f} minutes")
    if arguments.json is not None:
        document = {
            "machine": facts,
            "subject": str(settings.subject),
            "durability": str(settings.durability),
            "quick": settings.quick,
            "scenarios": [report.as_json() for report in reports],
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 1 if any(report.failures for report in reports) else 0


def _run(name: str, settings: Settings) -> Report:
    """Run and show one scenario. One that breaks fails by itself and does not stop the others."""
    started = time.perf_counter()
    if name != "policies" and not peers.is_present(settings.subject):
        report = Report(name, failures=[f"{settings.subject} is not installed"])
    else:
        try:
            report = SCENARIOS[name](settings)
        except (ServerError, peers.StartError) as error:
            report = Report(name, failures=[str(error)])
    show(report)
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--only", type=_names, help=f"some of: {','.join(SCENARIOS)}")
    parser.add_argument("--all", action="store_true", help="those without goals, too")
    parser.add_argument("--json", type=Path, help="write everything found to this file")
    parser.add_argument("--runs", type=int, help="repetitions of alternating measurements")
    parser.add_argument("--subject", type=peers.Kind, choices=list(peers.Kind), default="dscache")
    parser.add_argument(
        "--durability",
        type=peers.Durability,
        choices=list(peers.Durability),
        default="everysec",
        help="of all servers, but in durability itself; everysec is dscache's default",
    )
    parser.add_argument(
        "--dir", type=Path, default=Path(tempfile.gettempdir()), help="where data directories go"
    )
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no scenario called {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
