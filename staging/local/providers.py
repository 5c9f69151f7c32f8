"""Which provider starts and ends the nodes of a stack, as one table."""

from collections.abc import Callable, Mapping

from staging.core.autoscale import ScalableNodes
from staging.core.errors import InvalidValue
from staging.local.far_nodes import FarNodes
from staging.local.layout import Layout
from staging.local.local_nodes import LocalNodes
from staging.local.ray_up import RayUp


def _kuberay(layout: Layout) -> ScalableNodes:
    try:
        from staging.local.kuberay import KubeRay  # noqa: PLC0415 - an extra, and slow to load
    except ModuleNotFoundError as missing:
        raise InvalidValue(
            f"STAGING_NODE_PROVIDER=kuberay needs {missing.name}: "
            "pip install 'staging-service[kuberay]'"
        ) from missing
    return FarNodes(layout, KubeRay(layout))


_PROVIDERS: Mapping[str, Callable[[Layout], ScalableNodes]] = {
    "local": lambda layout: LocalNodes(layout.folder),
    "ray-up": lambda layout: FarNodes(layout, RayUp(layout)),
    "kuberay": _kuberay,
}


def node_provider(layout: Layout) -> ScalableNodes:
    """Give the provider that the stack's settings name."""
    return _PROVIDERS[layout.settings.node_provider](layout)
