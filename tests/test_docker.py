"""The Dockerfile, as far as it can be tried without Docker: what it takes along, what it calls healthy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving import DEADLINE_SECONDS, StartServer
from test_packaging import PYPROJECT, ROOT

DOCKER = ROOT / "contrib" / "docker"

pytestmark = pytest.mark.skipif(not DOCKER.exists(), reason="contrib is not here")


def _is_healthy(folder: Path, port: int) -> bool:
    """What the image's health check says of the server at ``port``."""
    check = re.search(
        r"^HEALTHCHECK .* CMD (.*)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE
    )
    assert check is not None
    program = folder / "dscache"
    program.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -m dscache cli -p {port} "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", check[1]],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    return done.returncode == 0


def test_a_server_is_healthy_also_if_it_asks_for_a_password_until_it_has_ended(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server()
    _, port = server.address
    assert _is_healthy(tmp_path, port)
    assert server.call("CONFIG", "SET", "requirepass", "secret") == b"OK"
    assert _is_healthy(tmp_path, port)
    server.kill()
    assert not _is_healthy(tmp_path, port)


def test_an_image_is_built_from_the_source_and_from_nothing_that_lies_beside_it() -> None:
    lines = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    taken = {rule[1:] for rule in rules if rule.startswith("!")}
    project = PYPROJECT["project"]
    assert rules[0] == "*"
    assert all((ROOT / name).exists() for name in taken)
    assert {"pyproject.toml", "setup.py", "constraints.txt", "src", "typings"} <= taken
    assert {project["readme"], *project["license-files"]} <= taken
