"""As much of the Kubernetes API as one RayCluster and its pods take, over HTTP.

Paths, media types, resource versions and statuses are the published ones (API concepts: resource
versions, server-side patches; KubeRay's `ray.io/v1`).  There is no operator behind it: what is
asked for is kept and shown, and no pod comes or goes.
"""

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

TOKEN = "token-of-this-test"
CLUSTER = "/apis/ray.io/v1/namespaces/staging/rayclusters/ray"
PODS = ("/api/v1/namespaces/staging/pods", {"labelSelector": ["ray.io/cluster=ray"]})


class KubernetesApi:
    """The server's state, and what it was asked."""

    def __init__(self, spec: dict[str, Any], pods: dict[str, str]) -> None:
        self.spec = spec
        self.pods = pods
        self.version = 41
        self.patches: list[list[dict[str, Any]]] = []
        self.before_patch: list[dict[str, Any]] = []
        """Specs that somebody else writes, each just before one of our patches arrives."""
        self.refuse_with: int | None = None
        handler = type("Handler", (_Handler,), {"api": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def cluster(self) -> dict[str, Any]:
        return {
            "apiVersion": "ray.io/v1",
            "kind": "RayCluster",
            "metadata": {
                "name": "ray",
                "namespace": "staging",
                "resourceVersion": str(self.version),
            },
            "spec": copy.deepcopy(self.spec),
        }

    def pod_list(self) -> dict[str, Any]:
        items = [
            {"metadata": {"name": name}, "status": {"podIP": address}}
            for name, address in self.pods.items()
        ]
        return {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}

    def patch(self, operations: list[dict[str, Any]]) -> int:
        """Apply a JSON Patch as a whole or not at all; give the status."""
        if self.before_patch:
            self.spec = self.before_patch.pop(0)
            self.version += 1
        changed = self.cluster()
        for each in operations:
            *path, last = each["path"].strip("/").split("/")
            place: Any = changed
            for step in path:
                place = place[int(step)] if isinstance(place, list) else place[step]
            if each["op"] == "test":
                if place[last] != each["value"]:
                    return 422
            else:
                assert each["op"] == "add"
                place[last] = each["value"]
        for group in changed["spec"]["workerGroupSpecs"]:
            assert 0 <= group["minReplicas"] <= group["maxReplicas"]
        self.patches.append(operations)
        self.spec = changed["spec"]
        self.version += 1
        return 200


class _Handler(BaseHTTPRequestHandler):
    api: KubernetesApi

    def do_GET(self) -> None:
        found = urlsplit(self.path)
        if self.api.refuse_with or self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(self.api.refuse_with or 401, {"kind": "Status"})
        elif self.path == CLUSTER:
            self._answer(200, self.api.cluster())
        elif (found.path, parse_qs(found.query)) == PODS:
            self._answer(200, self.api.pod_list())
        else:
            self._answer(404, {"kind": "Status", "reason": "NotFound"})

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Type"] != "application/json-patch+json":
            self._answer(415, {"kind": "Status"})
        elif self.path != CLUSTER:
            self._answer(404, {"kind": "Status"})
        else:
            self._answer(self.api.patch(json.loads(body)), self.api.cluster())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def kubernetes_api(spec: dict[str, Any], pods: dict[str, str]) -> Iterator[KubernetesApi]:
    """Serve one RayCluster, staging/ray."""
    api = KubernetesApi(spec, pods)
    thread = threading.Thread(target=api.server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        api.server.server_close()
        thread.join()


def kubeconfig(folder: Path, url: str) -> Path:
    """Write the file by which clients find the server."""
    file = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
    }
    file.write_text(yaml.safe_dump(config))
    return file
