"""The files of deploy/ have the form that their readers define: no engine runs here.

Compose: the compose specification's schema, as check-jsonschema brings it.  Kubernetes: the
strict schemas of kubernetes-validate.  KubeRay: raycluster.schema.json, which says where it is
from, Kubernetes' schema for the pods in it, and Ray's own reading of the whole.
"""

import copy
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)

from tests.architecture.deployment import DEPLOY, compose, manifests, of_kind, pod_templates

OLDEST, NEWEST = "1.30.0", "1.37.0"
"""Of Kubernetes: sidecars that are restarted came with 1.29, switched on."""
RAY_CLUSTER = json.loads(Path(__file__).with_name("raycluster.schema.json").read_text())


def named(each: dict) -> str:
    return f"{each['kind']} {each['metadata']['name']}"


def test_compose_has_the_form_of_the_compose_specification():
    schema = json.loads(
        (files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text()
    )
    jsonschema.validate(compose(), schema)

    wrong = compose()
    wrong["services"]["api"]["healthchek"] = {}
    with pytest.raises(jsonschema.ValidationError, match="healthchek"):
        jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize(
    "manifest", [each for each in manifests() if each["kind"] != "RayCluster"], ids=named
)
def test_a_manifest_has_the_form_of_kubernetes(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", pod_templates())
def test_a_pod_has_the_form_of_kubernetes(name, version):
    pod = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": name},
        "template": pod_templates()[name],
    }
    kubernetes_validate.validate(pod, version, strict=True)

    wrong = copy.deepcopy(pod)
    wrong["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_ray_cluster_has_the_form_of_kuberay():
    (cluster,) = of_kind("RayCluster")
    jsonschema.validate(cluster, RAY_CLUSTER)

    for wrong in ({"maxReplicas": "8"}, {"replica": 2}):
        broken = copy.deepcopy(cluster)
        broken["spec"]["workerGroupSpecs"][0] |= wrong
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, RAY_CLUSTER)


def test_ray_reads_the_cluster_as_it_is_meant():
    (cluster,) = of_kind("RayCluster")
    cluster["metadata"]["namespace"] = "staging"

    found = _derive_autoscaling_config_from_ray_cr(cluster)

    head, readers = (found["available_node_types"][each] for each in ("headgroup", "readers"))
    assert head["resources"]["CPU"] == 0
    assert readers["resources"]["CPU"] == 2
    assert (readers["min_workers"], readers["max_workers"]) == (1, 8)


def test_kubectl_renders_the_whole_folder(kubectl):
    rendered = list(yaml.safe_load_all(kubectl("kustomize", DEPLOY / "k8s")))

    assert sorted(map(named, rendered)) == sorted(map(named, manifests()))
    assert {each["metadata"].get("namespace", "staging") for each in rendered} == {"staging"}
    text = yaml.safe_dump(rendered)
    assert "image: staging-service" not in text
    assert text.count("image: registry.example.internal/staging-service:0.1.0") == 7
