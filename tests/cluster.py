"""`staging cluster` as an operator types it, and the nodes that it shows."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from tests.stack import STAGING

Nodes = list[dict[str, Any]]


class Operator:
    """A person who looks after the cluster of one stack."""

    def __init__(
        self,
        environment: Mapping[str, str],
        inside: Sequence[str] = (),
        log: Callable[[], str] = str,
    ) -> None:
        self.environment = environment
        self._inside = inside
        self._log = log

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._inside, STAGING, "cluster", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = self.begin(*words)
        said, complained = command.communicate(timeout=300)
        return subprocess.CompletedProcess(words, command.returncode, said, complained)

    def do(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done

    def nodes(self) -> Nodes:
        """The nodes that are not dead; the first is the head."""
        listed = json.loads(self.do("nodes", "--json").stdout)["nodes"]
        return [each for each in listed if each["state"] != "dead"]

    def until(self, condition: Callable[[Nodes], bool], seconds: float = 180) -> Nodes:
        deadline = time.monotonic() + seconds
        while not condition(found := self.nodes()):
            assert time.monotonic() < deadline, f"{found}\n{self._log()[-8000:]}"
            time.sleep(1)  # to ask costs most of a second of a core
        return found


def raylet_of(node_id: str) -> psutil.Process:
    """The process that is a node of this machine."""
    return next(
        each
        for each in psutil.process_iter(["name", "cmdline"])
        if each.info["name"] == "raylet" and f"--node_id={node_id}" in each.info["cmdline"]
    )
