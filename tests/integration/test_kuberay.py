"""The numbers of workers in a RayCluster are changed as KubeRay's published API has them."""

import dataclasses

import pytest

from staging.core.errors import InvalidValue
from staging.local.errors import NodeStays, ProviderUnavailable
from staging.local.folder import StateFolder
from staging.local.kuberay import KubeRay
from staging.local.layout import lay_out
from staging.local.options import UpOptions
from staging.local.ports import PortBook, free_port
from staging.settings import Settings
from tests.kubernetes_api import kubeconfig, kubernetes_api

PODS = {"ray-head": "10.0.0.1", "ray-worker-a": "10.0.0.2", "ray-worker-b": "10.0.0.3"}


def a_spec(**spec):
    group = {"groupName": "readers", "replicas": 2, "minReplicas": 0, "maxReplicas": 4}
    return {"workerGroupSpecs": [group], "rayVersion": "2.60.0"} | spec


@pytest.fixture
def layout(tmp_path):
    folder = StateFolder(tmp_path / "state")
    folder.create()
    settings = Settings(state_dir=folder.root, node_provider="kuberay", ray_cluster="staging/ray")
    options = UpOptions(port=0, existing={"ray": "127.0.0.1:6379"})
    return lay_out(settings, options, folder, None, PortBook())


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Serve a RayCluster with a spec; the client is pointed at it as a person would."""

    def of(spec):
        context = kubernetes_api(spec, PODS)
        api = context.__enter__()
        served.append(context)
        config = str(kubeconfig(tmp_path, api.url))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", config)
        return api

    served = []
    yield of
    for each in served:
        each.__exit__(None, None, None)


def group_of(api):
    return api.spec["workerGroupSpecs"][0]


def test_replicas_are_changed_and_nothing_else(layout, serve):
    api = serve(a_spec())
    launcher = KubeRay(layout)
    assert (launcher.least_workers(), launcher.has_autoscaler()) == (2, False)

    launcher.resize(3, 3)

    assert api.spec == a_spec() | {
        "workerGroupSpecs": [a_spec()["workerGroupSpecs"][0] | {"replicas": 3}]
    }
    assert len(api.patches) == 1


def test_the_drained_workers_are_the_pods_that_are_deleted_and_are_forgotten_next_time(
    layout, serve
):
    api = serve(a_spec())
    launcher = KubeRay(layout)

    launcher.resize(1, 1, leaving=["10.0.0.3"])
    assert group_of(api)["replicas"] == 1
    assert group_of(api)["scaleStrategy"] == {"workersToDelete": ["ray-worker-b"]}

    launcher.resize(2, 2)
    assert group_of(api)["scaleStrategy"] == {"workersToDelete": []}


def test_the_bounds_of_the_cluster_give_way_to_what_an_operator_wants(layout, serve):
    api = serve(a_spec())
    KubeRay(layout).resize(9, 9)
    assert (group_of(api)["replicas"], group_of(api)["maxReplicas"]) == (9, 9)


def test_under_rays_own_autoscaler_the_bounds_are_changed_and_the_replicas_are_its(layout, serve):
    api = serve(a_spec(enableInTreeAutoscaling=True, autoscalerOptions={"version": "v2"}))
    launcher = KubeRay(layout)
    assert (launcher.least_workers(), launcher.has_autoscaler()) == (0, True)

    launcher.resize(1, 7, idle_minutes=0.5)

    found = group_of(api)
    assert (found["replicas"], found["minReplicas"], found["maxReplicas"]) == (2, 1, 7)
    assert api.spec["autoscalerOptions"] == {"version": "v2", "idleTimeoutSeconds": 30}


def test_what_somebody_else_changed_meanwhile_is_kept(layout, serve):
    api = serve(a_spec())
    api.before_patch.append(a_spec(rayVersion="2.61.0"))

    KubeRay(layout).resize(4, 4)

    assert (api.spec["rayVersion"], group_of(api)["replicas"]) == ("2.61.0", 4)


def test_an_api_that_refuses_or_is_away_is_told(layout, serve, tmp_path):
    api = serve(a_spec())
    api.refuse_with = 403
    with pytest.raises(ProviderUnavailable, match="refuses it for RayCluster staging/ray: 403"):
        KubeRay(layout).resize(3, 3)

    kubeconfig(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ProviderUnavailable, match="Kubernetes does not answer"):
        KubeRay(layout).least_workers()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("staging/none", "there is no RayCluster staging/none"),
        ("ray", "NAMESPACE/NAME"),
        (None, "NAMESPACE/NAME"),
    ],
)
def test_a_cluster_that_is_not_there_is_named(layout, serve, name, says):
    serve(a_spec())
    other = layout.settings.model_copy(update={"ray_cluster": name})

    with pytest.raises(InvalidValue, match=says):
        KubeRay(dataclasses.replace(layout, settings=other)).least_workers()


def test_several_groups_and_a_ray_of_our_own_are_refused(layout, serve):
    serve(a_spec(workerGroupSpecs=[{}, {}]))
    with pytest.raises(InvalidValue, match="2 groups of workers"):
        KubeRay(layout).least_workers()
    with pytest.raises(NodeStays, match="--use-existing ray="):
        KubeRay(dataclasses.replace(layout, options=UpOptions(0))).least_workers()
