"""Tell whether a Ray cluster does its work: `python -m cluster.probe ADDRESS`."""

import logging
import sys

import ray

_TASK_SECONDS = 20.0


def probe(address: str) -> None:
    """Run one task and take its result; any failure of Ray's is raised."""
    ray.init(
        address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
    )
    echo = ray.remote(num_cpus=0, max_retries=0)(lambda: "ready")
    assert ray.get(echo.remote(), timeout=_TASK_SECONDS) == "ready"


if __name__ == "__main__":
    probe(sys.argv[1])
