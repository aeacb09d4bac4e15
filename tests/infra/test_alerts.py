"""Alerts fire when they should, as Prometheus' own tool finds; Debian's package `prometheus` brings it."""

import subprocess

import pytest
import yaml

from tests.infra.manifests import INFRA

BASE = INFRA / "base"


def _promtool(*words):
    done = subprocess.run(
        ["promtool", *words], cwd=BASE, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.cluster
@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_rules_and_they_do_what_they_should(words):
    status, said = _promtool(*words)
    assert status == 0, said


def test_every_alert_is_tried_in_silence_and_in_need():
    rules = yaml.safe_load((BASE / "alerts.yml").read_text())["groups"][0]["rules"]
    names = {rule["alert"] for rule in rules}
    quiet, loud = yaml.safe_load((BASE / "alerts.test.yml").read_text())["tests"]
    assert {t["alertname"] for t in quiet["alert_rule_test"]} == names
    assert not any("exp_alerts" in t for t in quiet["alert_rule_test"])
    fired = {t["alertname"] for t in loud["alert_rule_test"] if "exp_alerts" in t}
    assert fired == names
