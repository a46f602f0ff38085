"""Metrics: everything that INFO has, in a form that Prometheus's own parser reads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from driver import Driver
from dscache.engine.figures.figure import TEXT, Family, Figure
from dscache.engine.figures.table import SECTIONS
from dscache.http.metrics import LEFT_OUT, METRICS, Exposition
from serving import ServerProcess
from visitor import Visitor

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
CONTRIB = Path(__file__).parents[2] / "contrib"
SERIES = {name for metric in METRICS for name in metric.series}


def _fresh_driver() -> Driver:
    """An engine whose commands, which belong to the process, have not been called."""
    driver = Driver()
    driver.run("CONFIG", "RESETSTAT")
    return driver


def _values(driver: Driver) -> dict[str, float]:
    text = Exposition(driver.engine).render(OPENMETRICS)[0].decode()
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in read_openmetrics(text)
        for sample in family.samples
    }


def test_both_forms_can_be_read_and_have_every_metric(server: ServerProcess) -> None:
    visitor = Visitor(server)
    assert visitor.call("SET", "a", "1") == "OK"
    assert visitor.call("LPUSH", "a", "1") is not None
    text = visitor.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    openmetrics = visitor.get("/metrics", Accept=OPENMETRICS)
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    for families in (read_text(text.text), read_openmetrics(openmetrics.text)):
        found = {sample.name for family in families for sample in family.samples}
        assert found - {name for name in found if name.endswith("_created")} == SERIES


def test_every_figure_of_info_is_a_metric_or_left_out_with_a_reason() -> None:
    members = [member for section in SECTIONS for member in section.members]
    assert set(LEFT_OUT) <= {member.name for member in members}
    numbers = {metric.name.removeprefix("dscache_") for metric in METRICS}
    labels = {label for metric in METRICS if metric.kind == "info" for label in metric.labels}
    for member in members:
        if member.name in LEFT_OUT:
            continue
        if isinstance(member, Family):
            assert member.name in {"cmdstat_<command>", "errorstat_<code>", "db<n>"}
            continue
        name = member.name.removeprefix("dscache_")
        assert (name in numbers) != (member.name in labels), member.name
        if member.kind != TEXT:
            assert name in numbers


def test_metrics_have_distinct_names() -> None:
    names = [name for metric in METRICS for name in metric.series]
    assert len(names) == len(set(names))


def test_values_are_those_of_info() -> None:
    driver = _fresh_driver()
    driver.run("SET", "a", "1")
    driver.run("SET", "b", "1", "EX", 100)
    driver.run("GET", "a")
    driver.run("GET", "a", "b")
    values = _values(driver)
    assert values["dscache_command_calls_total set"] == 2
    assert values["dscache_command_rejected_calls_total get"] == 1
    assert values["dscache_errors_total ERR"] == 1
    assert (values["dscache_db_keys 0"], values["dscache_db_expires 0"]) == (2, 1)
    assert values["dscache_keyspace_hits_total"] == 1
    assert values["dscache_maxmemory"] == 64 * 2**20
    assert values["dscache_aof_last_write_status"] == 1
    for section in SECTIONS:
        for figure in section.members:
            if isinstance(figure, Figure) and f"dscache_{figure.name}_total" in values:
                assert values[f"dscache_{figure.name}_total"] == pytest.approx(
                    float(figure.read(driver.engine)), rel=0.2
                )
    driver.close()


def test_waits_for_the_disk_are_in_histograms_until_they_are_reset() -> None:
    driver = _fresh_driver()
    driver.run("SET", "a", "1")
    driver.run("CACHE", "FLUSH")
    driver.evict_all()
    driver.run("GET", "a")
    values = _values(driver)
    assert values["dscache_load_duration_seconds_count"] == 1
    assert values["dscache_flush_duration_seconds_count"] == 1
    assert values["dscache_load_duration_seconds_sum"] > 0
    assert values["dscache_load_duration_seconds_bucket +Inf"] == 1
    assert values["dscache_command_duration_seconds_count get"] == 1
    driver.run("CONFIG", "RESETSTAT")
    values = _values(driver)
    assert values["dscache_load_duration_seconds_count"] == 0
    assert values["dscache_flush_duration_seconds_count"] == 0
    driver.close()


def test_syncs_of_the_redo_log_are_counted(server: ServerProcess) -> None:
    visitor = Visitor(server)
    assert visitor.call("SET", "a", "1") == "OK"
    with server.connect() as client:
        assert client.call("SET", "b", "1") == b"OK"
        assert client.call("WAITAOF", 1, 0, 0) == [1, 0]
    figures = visitor.get("/api/figures").json()["figures"]
    assert isinstance(figures, dict)
    count, seconds = figures["fsync_count"], figures["fsync_seconds"]
    assert isinstance(count, float)
    assert isinstance(seconds, float)
    assert count >= 1
    assert seconds > 0


def _named_in(text: str) -> set[str]:
    return set(re.findall(r"\bdscache_[a-z0-9_]+", text))


@pytest.mark.skipif(not CONTRIB.exists(), reason="contrib is not here")
def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    dashboard = json.loads((CONTRIB / "grafana-dashboard.json").read_text())
    expressions = [
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])
    ]
    assert len(expressions) > 10
    assert {name for one in expressions for name in _named_in(one)} <= SERIES


@pytest.mark.skipif(not CONTRIB.exists(), reason="contrib is not here")
def test_the_alerts_ask_for_metrics_that_exist() -> None:
    text = (CONTRIB / "prometheus-alerts.yml").read_text()
    rules = re.split(r"^ *- alert: ", text, flags=re.MULTILINE)[1:]
    assert len(rules) >= 8
    for rule in rules:
        assert re.search(r"^ *expr: ", rule, re.MULTILINE)
        assert re.search(r"^ *severity: (warning|critical)$", rule, re.MULTILINE)
        assert re.search(r"^ *description: ", rule, re.MULTILINE)
    assert _named_in(text) <= SERIES
