"""Tracing costs nothing while it is off, and says what it misses."""

import subprocess
import sys

import pytest

from staging.tracing import TracingMissing, carried, is_tracing, span, start_tracing

OFF = """
import sys
from staging.tracing import begin_span, carried, is_tracing, span, start_tracing
start_tracing("api", None)
with span("work", {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}, n=1) as traced:
    traced.tell("renamed", more="x")
    assert carried() == {}
begin_span("call").end()
import cluster.attempt_log, flight_server.service, workflows.wiring
from staging.temporal_tracing import tracing_interceptors
assert tracing_interceptors() == () and not is_tracing()
print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
print([name for name in sys.modules if name == "temporalio.contrib.opentelemetry"])
"""


def test_nothing_is_imported_and_nothing_carried_while_it_is_off():
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["[]", "[]"]
    assert (is_tracing(), carried()) == (False, {})
    with span("work") as nothing:
        nothing.tell(state="off")


def test_an_endpoint_without_the_extra_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(TracingMissing, match=r"staging-service\[otel\]"):
        start_tracing("api", "http://127.0.0.1:4318")
