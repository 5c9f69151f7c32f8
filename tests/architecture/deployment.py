"""The files of deploy/, read."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus/alerts.yaml"
DASHBOARD = DEPLOY / "grafana/staging.json"
IMAGE = "staging-service"


@dataclass(frozen=True)
class Container:
    """One container of either kind of deployment."""

    owner: str
    image: str
    command: list[str]
    environment: dict[str, Any]
    """A value, or the place that Kubernetes takes it from."""
    whole: dict[str, Any] = field(repr=False)
    pod: dict[str, Any] = field(repr=False, default_factory=dict)

    @property
    def is_ours(self) -> bool:
        return self.image.partition(":")[0].endswith(IMAGE)

    @property
    def line(self) -> str:
        return " ".join(self.command)


def compose() -> dict[str, Any]:
    return _read(DEPLOY / "compose.yaml")[0]


def manifests() -> list[dict[str, Any]]:
    """Everything that kustomization.yaml names, in its order."""
    folder = DEPLOY / "k8s"
    (kustomization,) = _read(folder / "kustomization.yaml")
    return [each for name in kustomization["resources"] for each in _read(folder / name)]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in manifests() if each["kind"] == kind]


def pod_templates() -> dict[str, dict[str, Any]]:
    """The pods that are made, by the name of what makes them."""
    found = {}
    for each in manifests():
        name = each["metadata"]["name"]
        if each["kind"] in ("Deployment", "Job"):
            found[name] = each["spec"]["template"]
        if each["kind"] == "RayCluster":
            found[f"{name}-head"] = each["spec"]["headGroupSpec"]["template"]
            for group in each["spec"]["workerGroupSpecs"]:
                found[f"{name}-{group['groupName']}"] = group["template"]
    return found


def compose_containers() -> list[Container]:
    return [
        Container(
            owner=f"compose {name}",
            image=service["image"],
            command=[*service.get("entrypoint", []), *service.get("command", [])],
            environment=service.get("environment", {}),
            whole=service,
        )
        for name, service in compose()["services"].items()
    ]


def kubernetes_containers() -> list[Container]:
    settings = of_kind("ConfigMap")[0]["data"]
    return [
        Container(
            owner=f"kubernetes {name} {each['name']}",
            image=each["image"],
            command=[*each.get("command", []), *each.get("args", [])],
            environment=(settings if "envFrom" in each else {})
            | {one["name"]: one.get("value", one.get("valueFrom")) for one in each.get("env", [])},
            whole=each,
            pod=template["spec"],
        )
        for name, template in pod_templates().items()
        for each in [
            *template["spec"].get("initContainers", []),
            *template["spec"]["containers"],
        ]
    ]


def containers() -> list[Container]:
    return compose_containers() + kubernetes_containers()


def ours() -> list[Container]:
    return [each for each in containers() if each.is_ours]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in _read(ALERTS)[0]["groups"] for rule in group["rules"]]


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression with its place."""
    for rule in alerts():
        yield f"alert {rule['alert']}", rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"].replace("$__rate_interval", "5m")


def _read(file: Path) -> list[dict[str, Any]]:
    """Its documents, for the caller to change."""
    return copy.deepcopy(_parsed(file))


@cache
def _parsed(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def pinned(package: str) -> str:
    """The version of a package in constraints.txt."""
    found = re.search(rf"^{package}==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found, package
    return found[1]
