"""A cluster that `ray up ray-cluster.yaml` launched on hosts of this machine, and its service."""

import getpass
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import warehouse
from tests.cluster import Operator
from tests.ray_hosts import HOME, REPOSITORY, Host, HostNetwork, Relay, host_network
from tests.stack import RunningStack

_RAY = str(Path(sys.executable).parent / "ray")
_PORT = 6379
_FILE = Path("/tmp/cluster.yaml")
"""On the head; what is in /tmp there is in the host's folder here."""
_CONNECTION = """
[connections.warehouse]
kind = "postgres"
host = "{host}"
port = {port}
database = "{database}"
user = "{user}"
password = "env:WAREHOUSE_PASSWORD"
"""


@dataclass(frozen=True, slots=True)
class Launched:
    """The hosts, the file they were launched by, and a service of which they are the cluster."""

    network: HostNetwork
    file: Path
    stack: RunningStack
    operator: Operator


@contextmanager
def launched(s3_port: int, postgres_port: int, database: str) -> Iterator[Launched]:
    """Launch a head and one worker; a second worker's host is in the file and not there yet.

    The service runs on the head, and `ray up` is typed there.
    """
    with host_network() as network, ExitStack() as last:
        head = network.add()
        network.add()
        s3 = last.enter_context(_relay(network, s3_port))
        postgres = last.enter_context(_relay(network, postgres_port))
        environment = {"RAY_AUTH_MODE": "token", "WAREHOUSE_PASSWORD": warehouse.READER_PASSWORD}
        _furnish(head, network, postgres, database)
        _ray_up(head, environment)
        settings = environment | {
            "HOME": str(HOME),
            "STAGING_HOST": head.address,
            "STAGING_INSECURE_BIND": "1",
            "STAGING_CONNECTIONS": "/tmp/connections.toml",
            "STAGING_NODE_PROVIDER": "ray-up",
            "STAGING_RAY_CLUSTER": str(_FILE),
            "STAGING_STATE_DIR": "/tmp/state",
        }
        existing = [f"ray={head.address}:{_PORT}", f"s3=http://{network.gateway}:{s3}"]
        stack = RunningStack(
            head.folder / "state", settings, "--use-existing", *existing, inside=head.inside
        )
        last.callback(stack.stop)
        operator = Operator(
            stack.environment, head.inside, lambda: head.read("ray/session_*/logs/monitor.*")
        )
        yield Launched(network, head.folder / _FILE.name, stack, operator)


def _furnish(head: Host, network: HostNetwork, postgres: int, database: str) -> None:
    """Write what an operator of the head has: the file, the key, the token, the connections."""
    shutil.copy(network.key, head.folder / "key")
    (head.folder / _FILE.name).write_text(yaml.safe_dump(_config(network)))
    token = head.folder / "home/.ray/auth_token"
    token.parent.mkdir()
    token.write_text(secrets.token_hex(32))
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    lines = [f"{name}={os.environ[name]}" for name in names]
    (head.folder / "home/staging.env").write_text(
        "\n".join([*lines, f"WAREHOUSE_PASSWORD={warehouse.READER_PASSWORD}", ""])
    )
    (head.folder / "connections.toml").write_text(
        _CONNECTION.format(
            host=network.gateway, port=postgres, database=database, user=warehouse.READER
        )
    )


def _config(network: HostNetwork) -> dict[str, Any]:
    """Give ray-cluster.yaml with these hosts and this machine's own environment of Python."""
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "ray-cluster.yaml").read_text())
    mounts = config["file_mounts"]
    return config | {
        "cluster_name": f"staging-test-{os.getpid()}",
        "provider": {
            "type": config["provider"]["type"],
            "head_ip": network.address(0),
            "worker_ips": [network.address(1), network.address(2)],
        },
        "auth": {"ssh_user": getpass.getuser(), "ssh_private_key": "/tmp/key"},
        "min_workers": 1,
        "max_workers": 1,
        "file_mounts": {name: mounts[name] for name in mounts if name != "~/staging-service"},
        "setup_commands": [config["setup_commands"][0], f"ln -sfn {sys.prefix} ~/staging-venv"],
    }


def _ray_up(head: Host, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [*head.inside, _RAY, "up", str(_FILE), "-y", "--no-config-cache"],
        check=False,
        env=dict(os.environ) | {"HOME": str(HOME)} | environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _relay(network: HostNetwork, port: int) -> Iterator[int]:
    relay = Relay(network.gateway, port)
    yield relay.port
    relay.close()
