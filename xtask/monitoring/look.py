"""Reads the metrics of a server as strictly as can be, and asks a Prometheus that scrapes it every
question of the alerts and of the panels: none may have an empty answer. The folder `ops` is its argument."""

import json
import math
import pathlib
import re
import sys
import urllib.parse
import os

from loopback import done, http, until
from prometheus_client.openmetrics.parser import text_string_to_metric_families

METRICS, PROMETHEUS, OPS = os.environ["METRICS_URL"], os.environ["PROMETHEUS_URL"], pathlib.Path(sys.argv[1])
# Only a server on PostgreSQL has these.
OF_POSTGRES = {"kola_wal_archived_timestamp_seconds"}


def ask(question):
    status, answer = http("GET", f"{PROMETHEUS}/api/v1/query?{urllib.parse.urlencode({'query': question})}")
    assert status == 200, (question, answer)
    return answer["data"]["result"]


def is_up():
    try:
        return any(one["value"][1] == "1" for one in ask('up{job="kola"}'))
    except OSError:
        return False


def strict():
    status, text = http("GET", METRICS)
    assert status == 200
    families = list(text_string_to_metric_families(text.decode()))
    assert len(families) > 40, len(families)
    samples = sum(len(family.samples) for family in families)
    print(f"{len(families)} metrics with {samples} series, understood by the strict parser")


def questions():
    """Of the panels of Grafana, with what it puts in for its own words."""
    for file in sorted((OPS / "grafana").glob("*.json")):
        board = json.loads(file.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                question = target["expr"].replace("$__rate_interval", "15s").replace("$instance", ".*")
                assert "$" not in question, question
                yield f"{file.name}, {panel['title']}", question


def is_answered(question):
    return any(not math.isnan(float(one["value"][1])) for one in ask(question))


def alerts_ask_for_what_is_there():
    names = set(re.findall(r"\b(?:kola|process)_[a-z_]+", "\n".join(
        line for line in (OPS / "prometheus" / "alerts.yml").read_text().splitlines() if "runbook" not in line
    )))
    for name in sorted(names - OF_POSTGRES):
        until(f"{name}, which an alert asks for", lambda: ask(f"count({name})"))
    return len(names)


def rules_are_evaluated():
    def look():
        groups = done("GET", f"{PROMETHEUS}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        wrong = [rule for rule in rules if rule["health"] == "err"]
        assert not wrong, wrong
        return all(rule["health"] == "ok" for rule in rules) and rules

    return len(until("every rule is evaluated", look))


until("Prometheus has scraped the server", is_up)
strict()
count = 0
for where, question in questions():
    until(f"an answer for {where}: {question}", lambda: is_answered(question))
    count += 1
print(f"{count} questions of panels answered, {alerts_ask_for_what_is_there()} names of alerts found,",
      f"{rules_are_evaluated()} alerts evaluated")
