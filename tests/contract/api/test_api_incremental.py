"""Jobs that read newer rows only, as they are asked for."""

import pytest

from tests.contract.api.service import APP, pointers


@pytest.mark.parametrize(
    ("incremental", "pointer"),
    [
        ({"column": "idd"}, "column"),
        ({"column": "idd", "after": 7}, "column"),
        ({"column": "name"}, "column"),
        ({"column": "name", "after": "x"}, "column"),
        ({"column": "id", "after": "seven"}, "after"),
        ({"column": "id", "after": True}, "after"),
    ],
)
def test_a_mark_that_the_source_cannot_have_is_pointed_at(service, incremental, pointer):
    answer = service.post("/jobs", json={"source": APP | {"incremental": incremental}})

    assert answer.status_code == 422
    assert pointers(answer) == [f"#/source/incremental/{pointer}"]


def test_a_mark_needs_its_column_among_those_that_are_read(service):
    asked = {"columns": ["name"], "incremental": {"column": "id", "after": 7}}

    answer = service.post("/jobs", json={"source": APP | asked})

    assert pointers(answer) == ["#/source/incremental/column"]


def test_a_mark_needs_a_snapshot(service):
    source = APP | {"incremental": {"column": "id"}}
    options = {"consistency": "best_effort"}

    answer = service.post("/jobs", json={"source": source, "options": options})

    assert pointers(answer) == ["#/options/consistency"]
