"""Ask Ray's own autoscaler for CPUs: `python -m cluster.request ADDRESS CPUS`.

A process of its own, for the reason that `cluster.nodes` has.
"""

import logging
import sys

import ray
from ray.autoscaler.sdk import request_resources


def request(address: str, cpus: int) -> None:
    """Want so many CPUs in all until something else is asked for; 0: none above the fewest nodes.

    Ray starts nodes for them at once, whether tasks wait or not, and keeps those.
    """
    ray.init(
        address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False
    )
    request_resources(num_cpus=cpus)


if __name__ == "__main__":
    request(sys.argv[1], int(sys.argv[2]))
