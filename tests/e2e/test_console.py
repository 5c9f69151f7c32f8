"""The console in a real browser, on the running stack: the page at `/` does what a person does."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Window, chromium
from tests.e2e.service import Service
from tests.stack import RunningStack

MIB = 1 << 20
PICTURE = os.environ.get("CONSOLE_PICTURE")
"""Where to write the README's picture, if anywhere: `make picture` says so."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def window(browser: Browser, stack: RunningStack) -> Iterator[Window]:
    """A window on the stack's console, with nothing to complain of in the end."""
    opened = Window(browser, stack.api_url, viewport={"width": 1100, "height": 900})
    yield opened
    assert opened.close() == []


def state_of(page: Page):
    return page.get_by_role("region", name="State").locator(".state")


def test_a_job_is_made_in_the_form_and_watched_until_it_is_staged(window: Window, service: Service):
    page = window.go("#/new")
    expect(page.get_by_label("Connection")).to_contain_text("warehouse (postgres)")
    page.get_by_label("Connection").select_option("warehouse")
    page.get_by_label("Table").fill("public.orders")
    page.get_by_label("Name (optional)").fill("orders of the form")
    page.get_by_text("Columns, labels and options").click()
    page.get_by_label("Labels").fill("run: 12\nteam: blue")
    page.get_by_label("Columns").fill("id\nnote\ntoken\ndetail\nraw")
    page.get_by_label("Chunk target in MiB").fill("1")

    with page.expect_request("**/events") as followed:
        page.get_by_role("button", name="Create the job").click()

    assert followed.value.header_value("last-event-id")
    expect(page.get_by_role("heading", level=1)).to_have_text("orders of the form")
    expect(state_of(page)).to_have_text("staged")
    job = service.job(page.url.rpartition("/")[2])
    count = job["progress"]["chunks_published"]
    assert (job["name"], job["labels"]) == ("orders of the form", {"run": "12", "team": "blue"})
    assert job["source"]["columns"] == ["id", "note", "token", "detail", "raw"]
    assert job["options"]["chunk_target_bytes"] == MIB
    assert count > 1
    expect(page.locator(".legend")).to_have_text(f"available {count}")
    expect(page.get_by_label("Schema").get_by_role("row")).to_have_count(6)
    assert window.colour_of_chunk(count - 1) == window.colour_named("--available")
    nodes = service.http.get(f"/jobs/{job['job_id']}/nodes").json()["nodes"]
    assert [each["partitions"] for each in nodes] == [job["progress"]["partitions_done"]]
    rows = page.get_by_label("Nodes").get_by_role("row")
    expect(rows.last).to_contain_text(nodes[0]["node_id"])
    expect(rows.last).to_contain_text("100 %")

    service.ack(job["job_id"], service.chunks(job["job_id"])[0])

    expect(page.locator(".legend")).to_have_text(f"available {count - 1}acked 1")
    assert window.colour_of_chunk(0) == window.colour_named("--acked")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as JSON").click()
    assert job["manifest"]["schema_fingerprint"] in Path(saved.value.path()).read_text()


def test_a_job_is_found_in_the_list_paused_resumed_and_cancelled_after_a_question(
    window: Window, service: Service, longer_table
):
    page = window.go()
    source = {"connection": "warehouse", "table": longer_table.name}
    body = {"name": "events of run 12", "source": source, "options": {"chunk_target_bytes": MIB}}
    job_id = service.http.post("/jobs", json=body).json()["job_id"]
    row = page.get_by_role("row").filter(has_text=longer_table.name)
    expect(row).to_contain_text("running")
    expect(row).to_contain_text(re.compile(r"\b[1-9]\d* chunks?,"))
    row.get_by_role("link").click()

    page.get_by_role("button", name="Pause").click()
    expect(state_of(page)).to_have_text("paused")
    page.get_by_role("button", name="Resume").click()
    expect(state_of(page)).to_have_text("running")
    expect(page.locator(".bars rect:not([height='0'])")).not_to_have_count(0)
    if PICTURE is not None:
        take_picture(page, service, job_id)

    page.get_by_role("button", name="Cancel …").click()
    expect(page.get_by_role("dialog")).to_contain_text("Cancel this job?")
    page.get_by_role("button", name="Keep it").click()
    expect(page.locator("dialog")).to_have_count(0)
    assert service.job(job_id)["state"] in {"running", "staged"}
    page.get_by_role("button", name="Cancel …").click()
    page.get_by_role("button", name="Cancel the job").click()

    expect(state_of(page)).to_have_text("cancelled")
    expect(page.locator(".legend")).to_contain_text("deleted")
    expect(page.locator(".legend")).not_to_contain_text("available")


def test_a_job_is_watched_by_asking_again_where_events_do_not_come(
    window: Window, service: Service
):
    window.page.route("**/events", lambda route: route.fulfill(status=404, body=""))
    job_id = service.create({"connection": "warehouse", "table": "orders"})["job_id"]
    service.until_state(job_id, "staged")
    page = window.go(f"#/jobs/{job_id}")
    expect(state_of(page)).to_have_text("staged")

    for chunk in service.chunks(job_id):
        service.ack(job_id, chunk)

    expect(state_of(page)).to_have_text("completed")
    expect(page.locator(".legend")).not_to_contain_text("available")


def take_picture(page: Page, service: Service, job_id: str) -> None:
    for index in range(5):
        service.until(job_id, lambda job, index=index: job["progress"]["chunks_published"] > index)
        service.ack(job_id, service.chunks(job_id)[index])
    expect(page.locator(".legend")).to_have_text(re.compile("available 1[0-9]acked 5"))
    page.screenshot(path=PICTURE)
