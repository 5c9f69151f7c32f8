"""What deploy/ must never do: show a secret, open a port, run as root, give Ray the catalog."""

import json
import re
import stat
import subprocess

import pytest

from staging.settings import Settings
from tests.architecture.deployment import (
    DEPLOY,
    ROOT,
    compose,
    compose_containers,
    containers,
    kubernetes_containers,
    manifests,
    of_kind,
    ours,
    pod_templates,
)

A_SECRET = re.compile(r"PASSWORD|PWD|SECRET|TOKEN|_KEY$|CATALOG_URL")
A_PLACE = re.compile(r"(_FILE|_PATH|_DIR)$")
ONCE = {"migrate", "temporal-schema", "temporal-namespace"}
OF_KUBERAY = {"ray.io/cluster": {"staging-ray"}, "ray.io/node-type": {"head", "worker"}}
SERVICES = compose()["services"]


def by_owner(container) -> str:
    return container.owner


@pytest.mark.parametrize("container", containers(), ids=by_owner)
def test_a_secret_is_named_and_never_written_out(container):
    for name, value in container.environment.items():
        if A_SECRET.search(name) and not A_PLACE.search(name):
            assert isinstance(value, dict), f"{name} is written out"
            assert set(value) == {"secretKeyRef"}
    assert not re.search(r"://[^/\s]*:[^/\s@]*@", container.line + str(container.environment))


def test_no_secret_is_in_the_tree():
    assert of_kind("Secret") == []
    assert {each["file"] for each in compose()["secrets"].values()} == {
        f"./secrets/{name}" for name in compose()["secrets"]
    }
    kept = subprocess.run(
        ["git", "check-ignore", "deploy/secrets/ray_token", "deploy/connections.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert kept.stdout.split() == ["deploy/secrets/ray_token", "deploy/connections.toml"]


def test_the_secrets_are_made_once_and_only_for_their_owner(tmp_path):
    def make() -> dict[str, str]:
        subprocess.run(["sh", DEPLOY / "make-secrets.sh", tmp_path / "made"], check=True)
        return {
            file.name: file.read_text() for file in (tmp_path / "made").iterdir() if file.is_file()
        }

    made = make()

    assert make() == made
    assert set(compose()["secrets"]) <= set(made)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o700
    assert len({made[name] for name in ("ray_token", "staging_ticket_key", "s3_secret_key")}) == 3
    assert re.fullmatch("[0-9a-f]{64}", made["ray_token"])
    (identity,) = json.loads(made["s3_identities"])["identities"]
    assert identity["credentials"][0]["secretKey"] == made["s3_secret_key"]
    assert f"aws_secret_access_key = {made['s3_secret_key']}\n" in made["aws_credentials"]
    chosen = Settings(_secrets_dir=tmp_path / "made")
    assert made["catalog_password"] in chosen.effective_catalog_url
    assert chosen.ticket_key_bytes.decode() == made["staging_ticket_key"]


@pytest.mark.parametrize("container", containers(), ids=by_owner)
def test_nothing_is_privileged_or_of_the_host(container):
    text = json.dumps([container.whole, container.pod])
    for word in ("privileged", "hostPort", "hostNetwork", "hostPID", "hostPath", "docker.sock"):
        assert word not in text
    assert container.whole.get("network_mode") != "host"


@pytest.mark.parametrize("container", ours(), ids=by_owner)
def test_our_own_containers_have_no_rights_and_write_nothing_to_their_image(container):
    if container.owner.startswith("compose"):
        assert container.whole["read_only"] is True
        assert container.whole["cap_drop"] == ["ALL"]
        assert container.whole["security_opt"] == ["no-new-privileges:true"]
        assert container.whole.get("user", "10001") != "root"
        return
    assert container.pod["securityContext"]["runAsNonRoot"] is True
    assert container.pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container.pod["automountServiceAccountToken"] is False
    context = container.whole["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}


def test_only_three_ports_are_published_and_only_on_the_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "s3": ["127.0.0.1:8333:8333"],
        "api": ["127.0.0.1:8003:8003"],
        "flight": ["127.0.0.1:8815:8815"],
    }
    assert {each["spec"].get("type", "ClusterIP") for each in of_kind("Service")} == {"ClusterIP"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_of_compose_is_bounded_watched_and_waits_for_what_it_needs(name):
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert ("healthcheck" in service) == (name not in ONCE)
    assert service["restart"] == "unless-stopped" or name in ONCE
    for other, how in service.get("depends_on", {}).items():
        ended = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert how["condition"] == ended
    for kind in ("networks", "secrets"):
        assert set(service.get(kind, [])) <= set(compose()[kind])
    for each in service.get("configs", []):
        assert each["source"] in compose()["configs"]
    for each in service.get("volumes", []):
        assert each[0] in "./" or each.partition(":")[0] in compose()["volumes"]


def test_ray_gets_neither_the_catalogs_address_nor_its_password():
    nodes = [each for each in ours() if "ray" in each.owner.replace("worker worker", "")]
    assert len(nodes) == 6
    for each in nodes:
        secrets = set(each.whole.get("secrets", [])) | {
            mount["name"] for mount in each.whole.get("volumeMounts", [])
        }
        assert secrets & {"staging_catalog_url", "staging_ticket_key", "secrets"} == set()
        assert "STAGING_SECRETS_DIR" not in each.environment
    for name in ("ray-head", "ray-node"):
        assert SERVICES[name]["networks"] == ["ray"]
    for pod in (name for name in pod_templates() if name.startswith("staging-ray")):
        volumes = json.dumps(pod_templates()[pod]["spec"]["volumes"])
        assert "staging-secrets" not in volumes
        assert "staging-settings" not in json.dumps(pod_templates()[pod])


def test_the_raylet_beside_a_worker_is_another_user_without_cpus():
    """Who has Ray's token can run code there; it must not read the worker's environment."""
    raylet, worker = SERVICES["worker-raylet"], SERVICES["worker"]
    assert raylet["user"] == "10002:10001"
    assert "user" not in worker
    assert worker["network_mode"] == worker["pid"] == "service:worker-raylet"

    pod = pod_templates()["staging-worker"]["spec"]
    (sidecar,), (worker,) = pod["initContainers"], pod["containers"]
    assert pod["shareProcessNamespace"] is True
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["securityContext"]["runAsUser"] != pod["securityContext"]["runAsUser"]
    assert "runAsUser" not in worker["securityContext"]
    for each in ours():
        if each.line.endswith("python -m workflows"):
            assert each.environment["RAY_event_log_reporter_enabled"] == "0"
    for each in (raylet["command"][-1], sidecar["args"][0]):
        assert "--num-cpus=0" in each
        assert "umask 0002" in each


@pytest.mark.parametrize("container", ours(), ids=by_owner)
def test_ray_asks_for_its_token(container):
    if "ray" not in container.owner and "worker" not in container.owner:
        return
    assert container.environment["RAY_AUTH_MODE"] == "token"
    if container.owner.startswith("compose"):
        assert container.environment["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
        assert "ray_token" in container.whole["secrets"]
    else:
        assert container.environment["RAY_AUTH_TOKEN"]["secretKeyRef"]["name"] == "staging-ray"


def test_rays_ports_are_open_to_ray_and_the_workers_alone():
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("NetworkPolicy")}
    allowed = [
        {"podSelector": {"matchLabels": {"ray.io/cluster": "staging-ray"}}},
        {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "staging-worker"}}},
    ]
    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["ray"]["ingress"] == [{"from": allowed}]
    assert policies["worker"]["ingress"][0] == {"from": allowed}
    (catalog,) = policies["migrate"]["egress"][0]["to"]
    beyond = policies["ray"]["egress"][1]["to"][0]["ipBlock"]
    assert catalog["ipBlock"]["cidr"] in beyond["except"]
    for name in ("api", "flight", "worker", "ray"):
        blocks = re.findall(r"'ipBlock': (\{.*?\})\}", str(policies[name]))
        assert blocks
        assert all("169.254.0.0/16" in each for each in blocks)


def test_whatever_kubernetes_names_is_there():
    pods = {name: each["metadata"]["labels"] for name, each in pod_templates().items()}
    made = {
        key: {labels[key] for labels in pods.values() if key in labels}
        for labels in pods.values()
        for key in labels
    } | OF_KUBERAY
    selectors = [
        each["spec"]["selector"].get("matchLabels", each["spec"]["selector"])
        for each in manifests()
        if "selector" in each.get("spec", {})
    ] + [each["spec"]["podSelector"].get("matchLabels", {}) for each in of_kind("NetworkPolicy")]
    for selector in selectors:
        for key, value in selector.items():
            assert value in made[key], selector
    maps = {each["metadata"]["name"] for each in of_kind("ConfigMap")}
    assert (
        set(re.findall(r"'configMap(?:Ref|KeyRef)?': \{'name': '([\w-]+)'", str(manifests())))
        == maps
    )


@pytest.mark.parametrize("container", kubernetes_containers(), ids=by_owner)
def test_a_container_of_kubernetes_is_bounded_probed_and_mounts_what_is_there(container):
    volumes = {each["name"] for each in container.pod["volumes"]}
    assert {each["name"] for each in container.whole["volumeMounts"]} <= volumes
    assert set(container.whole["resources"]["requests"]) >= {"cpu", "memory"}
    assert "memory" in container.whole["resources"]["limits"]
    if container.owner.startswith("kubernetes staging-migrate"):
        return
    assert "livenessProbe" in container.whole
    if "raylet" not in container.owner:
        assert "readinessProbe" in container.whole
    ports = {each["name"] for each in container.whole.get("ports", [])}
    probed = re.findall(r"'port': '(\w+)'", str(container.whole))
    assert set(probed) <= ports


def test_the_api_is_asked_what_it_answers():
    (api,) = [each.whole for each in kubernetes_containers() if each.owner.endswith(" api")]
    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"
    known = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    assert {"/healthz", "/readyz"} <= set(known)
    assert (
        "/readyz"
        in next(c.whole for c in compose_containers() if c.owner == "compose api")["healthcheck"][
            "test"
        ][-1]
    )


def test_what_may_be_disrupted_is_bounded():
    budgets = {each["metadata"]["name"] for each in of_kind("PodDisruptionBudget")}
    assert budgets == {"staging-api", "staging-worker", "staging-flight", "staging-ray"}
    for each in of_kind("PodDisruptionBudget"):  # the only form that counts pods without a scale
        assert isinstance(each["spec"]["minAvailable"], int), each["metadata"]["name"]
    for each in of_kind("Deployment"):
        assert each["spec"]["replicas"] >= 2
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
