"""Show what a process counts to Prometheus, on a port of its own."""

from prometheus_client import CollectorRegistry, Info, start_http_server

from staging.build import this_build


class MetricsPortTaken(Exception):
    """Nothing can listen on the port that was set for the metrics."""


def show_metrics(registry: CollectorRegistry, host: str, port: int | None) -> None:
    """Answer on `port` with the registry's metrics for as long as the process lives.

    None: show nothing.  Raises MetricsPortTaken.
    """
    if port is None:
        return
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as refused:
        raise MetricsPortTaken(f"metrics cannot be shown on {host}:{port}: {refused}") from refused


def tell_build(registry: CollectorRegistry) -> None:
    """Show the build among the metrics, as `staging_build_info`."""
    Info("staging_build", "Which build the process runs.", registry=registry).info(
        {"build": this_build()}
    )
