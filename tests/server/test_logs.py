"""The log's two forms."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta

from dscache.server.logs import JsonFormatter
from serving import StartServer


def test_json_lines_have_time_level_process_and_message(start_server: StartServer) -> None:
    server = start_server(log_format="json")
    lines = [json.loads(line) for line in server.log().splitlines()]
    ready = next(line for line in lines if " ready on " in line["message"])
    assert ready.keys() == {"time", "level", "pid", "message"}
    assert ready["level"] == "notice"
    assert ready["pid"] == server.pid
    age = datetime.now(UTC) - datetime.fromisoformat(ready["time"])
    assert timedelta(0) <= age < timedelta(minutes=2)


def test_the_form_of_the_log_can_be_changed_while_the_server_runs(
    start_server: StartServer,
) -> None:
    server = start_server()
    assert server.log().startswith("20")
    assert server.call("CONFIG", "SET", "log-format", "json") == b"OK"
    server.stop()
    assert json.loads(server.log().splitlines()[-1])["message"] == "bye"


def test_a_traceback_and_line_breaks_stay_in_one_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord(
            "dscache", logging.ERROR, __file__, 1, "first\n%s", ("second",), sys.exc_info()
        )
    line = JsonFormatter().format(record)
    assert "\n" not in line
    fields = json.loads(line)
    assert fields["message"] == "first\nsecond"
    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].endswith("ValueError: broken")
