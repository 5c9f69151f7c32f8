"""The alerts fire when something is wrong, and are silent when nothing is: Prometheus' own test."""

from dataclasses import dataclass

import pytest
import yaml

from tests.architecture.deployment import alerts

MOVED = "staging_oldest_job_moved_timestamp_seconds"
GARBAGE = "staging_garbage_bytes_total"
IN_USE = "staging_source_connections_in_use"
WAREHOUSE = 'connection="warehouse"'


@dataclass(frozen=True)
class Case:
    """What is scraped each minute, from the epoch on, when it is bad and when it is good."""

    alert: str
    minutes: int
    bad: dict[str, str]
    good: dict[str, str]
    labels: dict[str, str]


def up(**jobs: int) -> dict[str, str]:
    return {
        f'up{{job="staging-{job}",instance="one"}}': f"{is_up}x200" for job, is_up in jobs.items()
    }


CASES = [
    Case(
        "StagingPartDown",
        5,
        up(flight=0, api=1),
        up(flight=1, api=1),
        {"job": "staging-flight", "instance": "one"},
    ),
    Case(
        "StagingPartMissing",
        5,
        up(api=1, flight=1),
        up(api=1, worker=1, flight=1),
        {"job": "staging-worker"},
    ),
    Case(
        "StagingPartMissing",
        5,
        up(api=1, flight=1, worker=0),
        up(api=1, flight=1, worker=1),
        {"job": "staging-worker"},
    ),
    Case(
        "StagingCatalogDown",
        2,
        {"staging_catalog_up": "0x200"},
        {
            'staging_catalog_up{instance="one"}': "0x200",
            'staging_catalog_up{instance="two"}': "1x200",
        },
        {},
    ),
    Case(
        "StagingJobWithoutProgress",
        40,
        {"staging_longest_without_progress_seconds": "0+60x200"},
        {"staging_longest_without_progress_seconds": "0 60 120 180 60 120 180 60x200"},
        {},
    ),
    Case(
        "StagingClusterMissing",
        5,
        {'staging_cluster_cpus{instance="one"}': "0x200"},
        {
            'staging_cluster_cpus{instance="one"}': "0x200",
            'staging_cluster_cpus{instance="two"}': "2x200",
        },
        {},
    ),
    Case(
        "StagingJobNotStarted",
        20,
        {f'{MOVED}{{state="pending"}}': "0x200"},
        {f'{MOVED}{{state="pending"}}': "0+60x200", f'{MOVED}{{state="running"}}': "0x200"},
        {},
    ),
    Case(
        "StagingJobNotEnding",
        15,
        {f'{MOVED}{{state="cancelling"}}': "0x200"},
        {f'{MOVED}{{state="cancelling"}}': "0+60x200", f'{MOVED}{{state="paused"}}': "0x200"},
        {"state": "cancelling"},
    ),
    Case(
        "StagingDataNotDeleted",
        90,
        {f'{MOVED}{{state="failed"}}': "0x200"},
        {f'{MOVED}{{state="failed"}}': "0+60x200", f'{MOVED}{{state="staged"}}': "0x200"},
        {"state": "failed"},
    ),
    Case(
        "StagingGarbageBytes",
        100,
        {f'{GARBAGE}{{fate="found"}}': "0+100000000x200"},
        {f'{GARBAGE}{{fate="{fate}"}}': "0+100000000x200" for fate in ("found", "deleted")},
        {},
    ),
    Case(
        "StagingLoopStopped",
        40,
        {'staging_loop_rounds_total{loop="janitor",outcome="done"}': "7x200"},
        {'staging_loop_rounds_total{loop="janitor",outcome="done"}': "7+1x200"},
        {"loop": "janitor"},
    ),
    Case(
        "StagingWorkflowTasksFailing",
        20,
        {'temporal_workflow_task_execution_failed_total{workflow_type="StagingJob"}': "0+1x200"},
        {'temporal_workflow_task_execution_failed_total{workflow_type="StagingJob"}': "7x200"},
        {"workflow_type": "StagingJob"},
    ),
    Case(
        "StagingAttemptsFailing",
        40,
        {
            'staging_attempts_ended_total{outcome="failed",code="source_timeout"}': "0+3x200",
            'staging_attempts_ended_total{outcome="published",code=""}': "0+7x200",
        },
        {
            'staging_attempts_ended_total{outcome="failed",code="source_timeout"}': "0+1x200",
            'staging_attempts_ended_total{outcome="published",code=""}': "0+9x200",
        },
        {},
    ),
    Case(
        "StagingSourceBudgetExhausted",
        40,
        {
            f'{IN_USE}{{instance="one",{WAREHOUSE},use="attempt"}}': "5 6 6 6 " * 50,
            f'{IN_USE}{{instance="one",{WAREHOUSE},use="holder"}}': "2x200",
            f"staging_source_connections_budget{{{WAREHOUSE}}}": "8x200",
            "staging_partitions_left": "9x200",
            "staging_partitions_running": "5 6 6 6 " * 50,
        },
        {
            f'{IN_USE}{{instance="one",{WAREHOUSE},use="attempt"}}': "6x200",
            f'{IN_USE}{{instance="two",{WAREHOUSE},use="attempt"}}': "6x200",
            f"staging_source_connections_budget{{{WAREHOUSE}}}": "8x200",
            "staging_partitions_left": "9x200",
            "staging_partitions_running": "6x200",
        },
        {"connection": "warehouse"},
    ),
    Case(
        "StagingWorkerSlotsExhausted",
        20,
        {'temporal_worker_task_slots_available{worker_type="ActivityWorker"}': "0x200"},
        {'temporal_worker_task_slots_available{worker_type="ActivityWorker"}': "1x200"},
        {"worker_type": "ActivityWorker"},
    ),
    Case(
        "StagingApiErrors",
        30,
        {
            'staging_http_requests_total{status="503"}': "0+1x200",
            'staging_http_requests_total{status="200"}': "0+9x200",
        },
        {
            'staging_http_requests_total{status="404"}': "0+9x200",
            'staging_http_requests_total{status="200"}': "0+9x200",
        },
        {},
    ),
    Case(
        "StagingFlightFull",
        30,
        {"staging_flight_streams_refused_total": "0+1x200"},
        {"staging_flight_streams_refused_total": "5x200"},
        {},
    ),
]


def test_the_alerts_fire_when_they_should_and_only_then(promtool, tmp_path):
    rules = [{key: each[key] for key in each if key != "annotations"} for each in alerts()]
    (tmp_path / "alerts.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "staging", "rules": rules}]})
    )
    severities = {each["alert"]: each["labels"] for each in alerts()}
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": of} for name, of in series.items()],
            "alert_rule_test": [
                {
                    "alertname": case.alert,
                    "eval_time": f"{case.minutes}m",
                    "exp_alerts": [{"exp_labels": case.labels | severities[case.alert]}]
                    if series is case.bad
                    else [],
                }
            ],
        }
        for case in CASES
        for series in (case.bad, case.good)
    ]
    (tmp_path / "test.yaml").write_text(
        yaml.safe_dump({"rule_files": ["alerts.yaml"], "tests": tests})
    )

    promtool("test", "rules", tmp_path / "test.yaml")


@pytest.mark.parametrize("alert", [each["alert"] for each in alerts()])
def test_every_alert_has_a_case(alert):
    assert alert in {case.alert for case in CASES}
