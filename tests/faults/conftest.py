"""Tests that not every kernel allows are left out by name, and the report's first lines say so."""

from tests.ray_hosts import missing_programs, refusal

_REFUSAL = None if missing_programs() else refusal()
collect_ignore = ["test_ray_up.py"] if _REFUSAL else []


def pytest_report_header() -> list[str]:
    return [f"not tried: ray up over SSH, for {_REFUSAL}"] if _REFUSAL else []
