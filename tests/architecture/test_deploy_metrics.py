"""Dashboard and alerts ask for metrics and labels that the parts really show."""

import json
import re
from functools import cache

import pytest
import yaml

from tests import metrics_page
from tests.architecture.deployment import ALERTS, DASHBOARD, DEPLOY, alerts, expressions

_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
_STRINGS = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right) ?\(([^)]*)\)")
_NAME = re.compile(r"(?<![\w$.])[a-z_]\w*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "by", "on", "without", "bool", "offset"}
_DURATION = re.compile(r"\[[^\]]*\]")
_OF_SCRAPING = {"job", "instance"}
_OF_TEMPORAL = {"namespace", "task_queue", "activity_type", "workflow_type", "worker_type"} | {
    "operation",
    "le",
}
_OF_PROCESSES = {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}


@cache
def shown() -> dict[str, set[str]]:
    """The labels of every sample that can be scraped, by its name.

    The names are those of the registries, as docs/reference/metrics.md is written from them.
    """
    found: dict[str, set[str]] = {"up": set()} | {name: set() for name in _OF_PROCESSES}
    for name, kind, named in _ROW.findall(metrics_page.page_text()):
        labels = set(re.findall(r"`(\w+)`", named))
        if kind == "histogram":
            found[f"{name}_bucket"] = labels | {"le"}
            found |= {f"{name}_sum": labels, f"{name}_count": labels}
        else:
            found[name] = labels
    for name, _ in metrics_page.TEMPORAL:
        suffixes = ("_bucket", "_sum", "_count") if name.endswith("_seconds") else ("",)
        found |= {name + suffix: _OF_TEMPORAL for suffix in suffixes}
    return found


def asked(expression: str) -> tuple[set[str], set[str]]:
    """The metrics of an expression, and its selectors and groupings' labels as `metric label`."""
    bare = _DURATION.sub("", _STRINGS.sub('""', expression))
    selected = {
        (metric, label)
        for metric, matchers in _SELECTOR.findall(bare)
        for label in re.findall(r"(\w+) ?(?:=~|!~|!=|=)", matchers)
    }
    grouped = {label.strip() for each in _GROUPING.findall(bare) for label in each.split(",")}
    names = _NAME.findall(_GROUPING.sub("", re.sub(r"\{[^}]*\}", "", bare)))
    metrics = {name for name in names if name not in _WORDS and not name[0].isdigit()}
    return metrics, {f"{metric} {label}" for metric, label in selected} | (grouped - {""})


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_every_metric_that_is_asked_for_is_shown(place, expression):
    metrics, labels = asked(expression)
    known = shown()

    assert metrics, "the expression asks for nothing"
    assert metrics - set(known) == set()
    of_these = set().union(*(known[name] for name in metrics)) | _OF_SCRAPING
    for each in labels:
        metric, _, label = each.rpartition(" ")
        assert label in (known[metric] | _OF_SCRAPING if metric else of_these), each


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("max(a_b) > 5", {"a_b"}, set()),
        (
            'sum by (x, y) (rate(a_total{z=~"b|c(d)"}[5m])) / on () c',
            {"a_total", "c"},
            {"x", "y", "a_total z"},
        ),
        ("time() - min by (state) (t_seconds) > 1e9", {"t_seconds"}, {"state"}),
    ],
)
def test_expressions_are_read_right(expression, metrics, labels):
    assert asked(expression) == (metrics, labels)


def test_an_unknown_metric_or_label_would_be_noticed():
    known = shown()
    assert "staging_jobs" in known
    assert "staging_job" not in known
    assert known["staging_garbage_bytes_total"] == {"fate"}
    assert "staging_http_request_seconds_bucket" in known
    assert "staging_http_request_seconds" not in known


def test_an_alert_says_what_happened_and_what_to_do():
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    for rule in alerts():
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["for"]


def test_the_jobs_of_the_alerts_are_those_that_are_scraped():
    scraped = yaml.safe_load((DEPLOY / "prometheus/compose.yaml").read_text())["scrape_configs"]
    jobs = {each["job_name"] for each in scraped}
    named = set(re.findall(r'job="([\w-]+)"', ALERTS.read_text()))
    assert named <= jobs
    assert all(job.startswith("staging-") for job in jobs)
    for config in ("compose.yaml", "kubernetes.yaml"):
        for job in named - {"staging-temporal-sdk"}:
            assert job in (DEPLOY / "prometheus" / config).read_text()


def test_the_panels_of_the_dashboard_are_apart_and_in_order():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_prometheus_takes_the_alerts_and_every_expression(promtool, tmp_path):
    rules = [{"record": f"r{n}", "expr": expr} for n, (_, expr) in enumerate(expressions())]
    (tmp_path / "all.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]})
    )
    promtool("check", "rules", ALERTS, tmp_path / "all.yaml")


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml"])
def test_prometheus_takes_the_scrape_configuration(promtool, tmp_path, name):
    """Debian's promtool is built without discovery in Kubernetes, which is left out here."""
    config = yaml.safe_load((DEPLOY / "prometheus" / name).read_text())
    for each in config["scrape_configs"]:
        each.pop("kubernetes_sd_configs", None)
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text())

    promtool("check", "config", tmp_path / "prometheus.yaml")
