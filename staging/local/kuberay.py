"""The launcher of pods: the numbers of workers in a RayCluster of KubeRay (ray.io/v1)."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

from staging.core.errors import InvalidValue
from staging.local.errors import NodeStays, ProviderUnavailable
from staging.local.layout import Layout

_GROUP, _VERSION, _PLURAL = "ray.io", "v1", "rayclusters"
_SECONDS = 10
_TRIES = 5
_Result = TypeVar("_Result")
_Operation: TypeAlias = dict[str, Any]


class KubeRay:
    """A Launcher.  KubeRay starts and ends the pods; the kubeconfig or the pod's account is ours.

    It needs `get` and `patch` of rayclusters and `list` of pods in the namespace.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def least_workers(self) -> int:
        """Give the replicas of the workers, the fewest where Ray's own autoscaler runs."""
        cluster = self._cluster()
        field = "minReplicas" if _is_autoscaled(cluster) else "replicas"
        return int(_workers(cluster).get(field, 0))

    def has_autoscaler(self) -> bool:
        """Tell whether the cluster runs Ray's own autoscaler (`enableInTreeAutoscaling`)."""
        return _is_autoscaled(self._cluster())

    def resize(
        self,
        least: int,
        most: int,
        *,
        leaving: Sequence[str] = (),
        idle_minutes: float | None = None,
    ) -> None:
        """Change `replicas`, or `minReplicas` and `maxReplicas` under Ray's own autoscaler.

        The pods at the addresses of `leaving` are the ones that KubeRay deletes.
        """
        pods = self._pods_at(leaving) if leaving else []
        for _ in range(_TRIES):
            cluster = self._cluster()
            if _is_autoscaled(cluster):
                changes = _bounds(cluster, least, most, idle_minutes)
            else:
                changes = _replicas(cluster, least, pods)
            if self._patch(cluster, changes):
                return
        raise ProviderUnavailable(f"RayCluster {self._name} is changed by somebody all the time")

    @property
    def _name(self) -> str:
        return self._layout.settings.ray_cluster or ""

    def _place(self) -> tuple[str, str]:
        if "ray" not in self._layout.options.existing:
            raise NodeStays(
                "STAGING_NODE_PROVIDER=kuberay is for a cluster of KubeRay's; name its head: "
                "staging up --use-existing ray=HOST:6379"
            )
        namespace, slash, name = self._name.partition("/")
        if not (namespace and slash and name):
            raise InvalidValue("set STAGING_RAY_CLUSTER to NAMESPACE/NAME of the RayCluster")
        return namespace, name

    def _cluster(self) -> dict[str, Any]:
        namespace, name = self._place()
        return cast(
            "dict[str, Any]",
            self._ask(
                lambda api: client.CustomObjectsApi(api).get_namespaced_custom_object(
                    _GROUP, _VERSION, namespace, _PLURAL, name, _request_timeout=_SECONDS
                )
            ),
        )

    def _pods_at(self, addresses: Sequence[str]) -> list[str]:
        namespace, name = self._place()
        pods = self._ask(
            lambda api: client.CoreV1Api(api).list_namespaced_pod(
                namespace, label_selector=f"ray.io/cluster={name}", _request_timeout=_SECONDS
            )
        )
        return [
            str(each.metadata.name)
            for each in pods.items
            if each.metadata and each.status and each.status.pod_ip in addresses
        ]

    def _patch(self, cluster: dict[str, Any], changes: list[_Operation]) -> bool:
        """Change this very version of the cluster; False if it is another by now."""
        namespace, name = self._place()
        path, version = "/metadata/resourceVersion", cluster["metadata"]["resourceVersion"]
        unchanged = {"op": "test", "path": path, "value": version}
        try:
            self._ask(
                lambda api: client.CustomObjectsApi(api).patch_namespaced_custom_object(
                    _GROUP,
                    _VERSION,
                    namespace,
                    _PLURAL,
                    name,
                    [unchanged, *changes],
                    _content_type="application/json-patch+json",
                    _request_timeout=_SECONDS,
                )
            )
        except ProviderUnavailable:
            if self._cluster()["metadata"]["resourceVersion"] == version:
                raise
            return False
        return True

    def _ask(self, call: Callable[[client.ApiClient], _Result]) -> _Result:
        try:
            _find_api()
            with client.ApiClient() as api:
                return call(api)
        except ApiException as refused:
            if refused.status == 404:
                raise InvalidValue(f"there is no RayCluster {self._name}") from refused
            raise ProviderUnavailable(
                f"Kubernetes refuses it for RayCluster {self._name}: {refused.status} "
                f"{refused.reason}"
            ) from refused
        except (urllib3.exceptions.HTTPError, ConfigException, OSError) as silent:
            raise ProviderUnavailable(f"Kubernetes does not answer: {silent}") from silent


def _find_api() -> None:
    """Point the client at the kubeconfig's cluster, or at the one that this pod is in."""
    try:
        config.load_kube_config()  # type: ignore[no-untyped-call]
    except ConfigException:
        config.load_incluster_config()  # type: ignore[no-untyped-call]


def _is_autoscaled(cluster: dict[str, Any]) -> bool:
    return bool(cluster["spec"].get("enableInTreeAutoscaling"))


def _workers(cluster: dict[str, Any]) -> dict[str, Any]:
    """Find the one group of workers; raises InvalidValue for several."""
    groups = cluster["spec"].get("workerGroupSpecs") or []
    if len(groups) != 1:
        raise InvalidValue(f"the RayCluster has {len(groups)} groups of workers; keep one")
    found: dict[str, Any] = groups[0]
    return found


def _replicas(cluster: dict[str, Any], count: int, pods: Sequence[str]) -> list[_Operation]:
    group = _workers(cluster)
    changes: dict[str, Any] = {"replicas": count}
    if count > group.get("maxReplicas", count):
        changes["maxReplicas"] = count
    if count < group.get("minReplicas", 0):
        changes["minReplicas"] = count
    if pods or group.get("scaleStrategy"):
        changes["scaleStrategy"] = {"workersToDelete": list(pods)}
    return _set("/spec/workerGroupSpecs/0", changes)


def _bounds(
    cluster: dict[str, Any], least: int, most: int, idle_minutes: float | None
) -> list[_Operation]:
    _workers(cluster)
    changes = _set("/spec/workerGroupSpecs/0", {"minReplicas": least, "maxReplicas": most})
    if idle_minutes is not None:
        options = cluster["spec"].get("autoscalerOptions") or {}
        idle = {"idleTimeoutSeconds": round(idle_minutes * 60)}
        changes += _set("/spec", {"autoscalerOptions": options | idle})
    return changes


def _set(path: str, fields: dict[str, Any]) -> list[_Operation]:
    """Give JSON Patch operations (RFC 6902); `add` replaces a member that is there."""
    return [{"op": "add", "path": f"{path}/{k}", "value": v} for k, v in fields.items()]
