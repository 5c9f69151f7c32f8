"""The console in a real browser, on jobs that stand still: size, hostile names, people's needs."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from staging.core.jobs import JobState
from tests.e2e.browser import Window, chromium
from tests.e2e.shelved import Shelved, shelved_api

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
MANY_SECONDS = 240
"""Within so long 100,000 chunks are shown, on a machine that is busy with other tests."""
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
OpenWindow = Callable[..., Window]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shelved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelved]:
    with shelved_api(tmp_path_factory.mktemp("shelved")) as running:
        yield running


@pytest.fixture
def window(browser: Browser, shelved: Shelved) -> Iterator[OpenWindow]:
    """Open windows, with nothing to complain of in the end."""
    opened: list[Window] = []

    def make(**context: Any) -> Window:
        opened.append(Window(browser, shelved.url, **context))
        return opened[-1]

    yield make
    assert [each.close() for each in opened] == [[] for _ in opened]


def focused(page: Page) -> str:
    return str(page.evaluate("() => document.activeElement.innerText"))


def tab_to(page: Page, text: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page) == text:
            style = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(f"() => {style}") == "solid"
            return
    raise AssertionError(f"the keyboard does not reach {text!r}")


def test_a_hundred_thousand_chunks_are_shown_and_walked_through(
    window: OpenWindow, shelved: Shelved
):
    job_id = shelved.staged_in_thousands("very many", 100)
    shelved.catalog.acknowledge_chunk(
        1, job_id, "99999", consumer="default", sha256=None, now=shelved.now()
    )
    opened = window(viewport={"width": 1100, "height": 900})

    began = time.monotonic()
    page = opened.go(f"#/jobs/{job_id}")
    expect(page.locator(".legend")).to_have_text("available 99,999acked 1", timeout=400_000)
    seconds = time.monotonic() - began

    assert seconds < MANY_SECONDS
    expect(page.get_by_text("Which nodes read them is not known.")).to_be_visible()
    assert opened.colour_of_chunk(0) == opened.colour_named("--available")
    page.locator(".map").focus()
    page.keyboard.press("End")
    expect(page.locator(".chosen")).to_contain_text("99999: acked")
    assert page.locator(".map").evaluate("(map) => map.scrollTop") > 0
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".chosen")).to_contain_text("1: available")


def test_names_that_are_markup_are_shown_as_text_and_do_not_run(
    window: OpenWindow, shelved: Shelved
):
    job_id = shelved.staged(HOSTILE, table=f'"{HOSTILE}"')
    opened = window()
    dialogs: list[str] = []
    opened.page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())

    page = opened.go()
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=f'"{HOSTILE}"')).to_be_visible()
    page = opened.go(f"#/jobs/{job_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.get_by_text(f'"{HOSTILE}"')).to_be_visible()
    page = opened.go(f"#/jobs/{HOSTILE}")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    page = opened.go("#/new")
    page.get_by_label("Table").fill(HOSTILE)
    page.get_by_role("button", name="Create the job").click()
    expect(page.get_by_role("alert")).to_contain_text(HOSTILE)

    assert page.locator("img, main script").count() == 0
    assert dialogs == []


def test_the_keyboard_alone_makes_and_cancels_a_job(window: OpenWindow, shelved: Shelved):
    page = window().go()
    expect(page.locator("main h1")).to_have_text("Jobs")
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"

    tab_to(page, "New job")
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_be_focused()
    expect(page.get_by_label("Connection")).to_contain_text("app (sqlite)")
    page.keyboard.press("Tab")
    page.keyboard.press("a")  # the first connection that begins so
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.type("users")
    page.keyboard.press("Enter")

    expect(page.locator(".state")).to_have_text("pending")
    tab_to(page, "Pause")
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("pausing")
    assert focused(page) == "Pause"
    tab_to(page, "Cancel …")
    page.keyboard.press("Enter")
    assert focused(page) == "Keep it"
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)  # a closed one has no role, and still waits
    assert focused(page) == "Cancel …"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page) == "Cancel the job"
    page.keyboard.press("Enter")
    expect(page.locator(".state")).to_have_text("cancelling")
    expect(page.locator("#said")).to_have_text("The job is cancelling")

    job = shelved.catalog.job(1, page.url.rpartition("/")[2])
    assert (job.state, job.source.table) == (JobState.CANCELLING, "users")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_page_in_its_width_and_in_legible_colours(
    window: OpenWindow, shelved: Shelved, scheme
):
    job_id = shelved.staged("on a phone", 12, table="t" * 300)
    opened = window(color_scheme=scheme, **PHONE)
    shown = {
        "": "on a phone",
        "#/new": "app (sqlite)",
        f"#/jobs/{job_id}": "available 12",
        "#/jobs/unknown": "not_found",
    }
    for place, text in shown.items():
        page = opened.go(place)
        expect(page.locator("main")).to_contain_text(text)
        assert (place, opened.width_in_excess(), opened.faint_texts()) == (place, 0, [])

    page = opened.go(f"#/jobs/{job_id}")
    expect(page.locator(".legend")).to_have_text("available 12")
    expect(page.locator(".map canvas")).to_be_visible()
    painted = opened.colour_of_chunk(0)
    assert painted == opened.colour_named("--available")
    page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    expect(page.locator(".map canvas")).to_be_visible()
    page.wait_for_timeout(200)
    assert opened.colour_of_chunk(0) == opened.colour_named("--available") != painted


def test_a_problem_is_shown_as_the_service_gave_it(window: OpenWindow):
    page = window().go("#/new")
    page.get_by_label("Table").fill("user")
    with page.expect_response("**/jobs") as answered:
        page.get_by_role("button", name="Create the job").click()

    problem = answered.value.json()
    shown = page.get_by_role("alert")
    expect(shown).to_contain_text(f"{problem['title']} (422)")
    for name in ("detail", "code", "type", "instance", "request_id"):
        expect(shown).to_contain_text(problem[name])
    (error,) = problem["errors"]
    expect(shown.get_by_role("listitem")).to_have_text(f"{error['pointer']} {error['detail']}")
    expect(page.get_by_label("Table")).to_be_focused()
    expect(page.get_by_label("Table")).to_have_attribute("aria-invalid", "true")


def test_another_organisation_and_a_user_are_named_and_remembered(
    window: OpenWindow, shelved: Shelved
):
    job_id = shelved.staged("of the first")
    page = window().go("#/new")
    expect(page.get_by_label("Connection")).not_to_contain_text("private")
    page.get_by_label("Organisation").fill("7")
    page.get_by_label("User").fill("Zoë 🦊")
    page.get_by_role("button", name="Use").click()
    page.get_by_label("Connection").select_option("private")
    page.get_by_label("Table").fill("users")
    page.get_by_role("button", name="Create the job").click()
    expect(page.locator(".state")).to_have_text("pending")

    job = shelved.catalog.job(7, page.url.rpartition("/")[2])
    assert job.user_id == "Zoë 🦊"
    page.goto("about:blank")
    page.goto(f"{shelved.url}/#/jobs/{job_id}")
    expect(page.get_by_label("Organisation")).to_have_value("7")
    expect(page.get_by_role("alert")).to_contain_text("not_found")
    expect(page.get_by_text("of the first")).to_have_count(0)


def test_a_page_out_of_sight_holds_no_connection(window: OpenWindow, shelved: Shelved):
    opened = window()
    page = opened.page
    with page.expect_request("**/events"):
        opened.go(f"#/jobs/{shelved.staged('out of sight')}")

    with page.expect_event("requestfailed", lambda request: request.url.endswith("/events")):
        see(page, is_hidden=True)
    with page.expect_request("**/events"):
        see(page, is_hidden=False)


def see(page: Page, *, is_hidden: bool) -> None:
    """Let the page be hidden, or seen again, as another tab in front of it would."""
    page.evaluate(
        """(isHidden) => {
          Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )
