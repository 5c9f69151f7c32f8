"""Take the spans that processes send, as an OpenTelemetry collector does (OTLP over HTTP)."""

import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One span as it was sent; ids in hex, the parent's empty at the root."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    attributes: dict[str, Any]


class TraceReceiver:
    """A server on the loopback that keeps every span."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        spans = self.spans

        class Receiving(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                spans.extend(_read(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Receiving)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def until(
        self, trace_id: str, condition: Callable[[list[Span]], bool], seconds: float = 60
    ) -> list[Span]:
        """Wait until the spans of a trace are such."""
        deadline = time.monotonic() + seconds
        while not condition(found := [each for each in self.spans if each.trace_id == trace_id]):
            assert time.monotonic() < deadline, "\n".join(map(repr, found))
            time.sleep(0.2)
        return found

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _read(body: bytes) -> list[Span]:
    return [
        Span(
            _attributes(process.resource.attributes)["service.name"],
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.name,
            _attributes(span.attributes),
        )
        for process in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in process.scope_spans
        for span in scope.spans
    ]


def _attributes(given: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in given}
