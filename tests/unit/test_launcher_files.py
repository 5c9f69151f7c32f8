"""The files for `ray up` are what Ray's launcher takes, and ask for what the service needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from staging.core.errors import InvalidValue
from staging.local.launcher_file import read_launcher_file

REPOSITORY = Path(__file__).parents[2]
FILES = [REPOSITORY / "ray-cluster.yaml", REPOSITORY / "deploy/ray/aws.yaml"]
_PREPARE = """
import json, sys, yaml
from ray.autoscaler._private.util import prepare_config, validate_config
prepared = prepare_config(yaml.safe_load(open(sys.argv[1])))
validate_config(prepared)
print(json.dumps(prepared))
"""


def prepared(path):
    """What Ray makes of a file, in a process of its own: this one must not load grpcio."""
    done = subprocess.run(
        [sys.executable, "-c", _PREPARE, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_ray_takes_the_file_and_every_host_gets_the_token_the_project_and_no_catalog(path):
    config = prepared(path)

    starts = [config[f"{kind}_start_ray_commands"][-1] for kind in ("head", "worker")]
    assert all("RAY_AUTH_MODE=token" in each and ". ~/staging.env" in each for each in starts)
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in starts[0]
    assert "RAY_health_check_period_ms=" in starts[0]
    assert set(config["file_mounts"]) == {
        "~/staging-service",
        "~/.ray/auth_token",
        "~/staging.env",
    }
    assert "~/staging-service/client ~/staging-service" in config["setup_commands"][-1]
    assert "CATALOG" not in json.dumps(config)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_written_anew_with_another_number_of_workers_and_nothing_else(path, tmp_path):
    file = read_launcher_file(path)
    other = tmp_path / "other.yaml"

    other.write_text(file.sized(1, 2, idle_minutes=0.5))

    before, after = prepared(path), prepared(other)
    types, changed = before["available_node_types"], after["available_node_types"]
    [worker] = set(changed) - {after["head_node_type"]} or {after["head_node_type"]}
    assert (changed[worker]["min_workers"], changed[worker]["max_workers"]) == (1, 2)
    assert (after["max_workers"], after["idle_timeout_minutes"]) == (2, 0.5)
    same = {"max_workers", "idle_timeout_minutes", "available_node_types"}
    assert {k: v for k, v in before.items() if k not in same} == {
        k: v for k, v in after.items() if k not in same
    }
    assert set(types) == set(changed)


def test_the_hosts_of_a_file_are_its_most_workers_and_a_cloud_has_no_such_number():
    assert [read_launcher_file(each).most_workers for each in FILES] == [2, None]
    assert [read_launcher_file(each).least_workers for each in FILES] == [2, 0]


@pytest.mark.parametrize("text", ["", "provider: 3", "a: [", "{}"])
def test_what_is_no_file_of_the_launcher_is_refused_by_its_path(tmp_path, text):
    path = tmp_path / "cluster.yaml"
    path.write_text(text)

    with pytest.raises(InvalidValue, match=f"STAGING_RAY_CLUSTER={path} is no file"):
        read_launcher_file(path)


def test_a_number_of_nodes_must_say_which(tmp_path):
    config = yaml.safe_load(FILES[1].read_text())
    config["available_node_types"]["another"] = config["available_node_types"]["worker"]
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(config))

    with pytest.raises(InvalidValue, match="2 types of workers"):
        read_launcher_file(path)
