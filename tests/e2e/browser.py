"""Debian's Chromium, without a window, and pages of it that remember what went wrong."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)

_MISSING = "Chromium is not installed: apt-get install -y chromium"
_PATIENCE_MS = 180_000
_REFUSED = "Failed to load resource: the server responded with a status of 4"
"""What Chromium itself says of each answer that is a problem."""

_NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"
"""Chromium drops what it loads when an interface comes or goes on the machine."""

# Every element with a text of its own, and how it stands out from what is behind it (WCAG 2.2).
_FAINT_TEXTS = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((each) => each / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return numbers(colour)[3] === 0 && element.parentElement
      ? behind(element.parentElement) : colour;
  };
  const hasText = (element) => element.checkVisibility() && [...element.childNodes].some(
    (node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
  const ratio = (element) => {
    const both = [getComputedStyle(element).color, behind(element)].map(light).sort();
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  };
  return [...document.body.querySelectorAll("*")].filter(hasText)
    .filter((element) => ratio(element) < 4.5).map((element) => element.outerHTML);
}"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; no other event loop may run in this thread meanwhile."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip(_MISSING)
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


class Window:
    """A page of the console at one address; `errors` is what its console complained of."""

    def __init__(self, browser: Browser, url: str, **context: Any) -> None:
        self.url = url
        self.errors: list[str] = []
        self._network_changes = 0
        self._context = browser.new_context(**context)
        self._context.set_default_timeout(_PATIENCE_MS)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._take_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._take_request)

    def go(self, place: str = "") -> Page:
        """Load a page of the console, with all of its scripts."""
        while True:
            changes = self._network_changes
            self.page.goto("about:blank")
            try:
                self.page.goto(f"{self.url}/{place}")
            except Error as failure:
                if _NETWORK_CHANGED not in failure.message:
                    raise
            else:
                if changes == self._network_changes:
                    return self.page

    def close(self) -> list[str]:
        """Close it; gives the errors that are not a problem's."""
        self._context.close()
        return [each for each in self.errors if not each.startswith(_REFUSED)]

    def width_in_excess(self) -> int:
        """How many pixels the page is wider than its window."""
        script = "() => document.scrollingElement.scrollWidth - window.innerWidth"
        return int(self.page.evaluate(script))

    def faint_texts(self) -> list[str]:
        """Texts whose contrast is below WCAG's 4.5."""
        return list(self.page.evaluate(_FAINT_TEXTS))

    def colour_of_chunk(self, index: int) -> str:
        """The colour that the chunk map paints a chunk of its first row in."""
        script = """([index]) => {
          const canvas = document.querySelector("canvas");
          const size = canvas.width / canvas.clientWidth;
          const cell = Number(document.querySelector(".map").dataset.cell);
          const [x, y] = [(index * cell + 2) * size, 2 * size];
          return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].join();
        }"""
        return str(self.page.evaluate(script, [index]))

    def colour_named(self, name: str) -> str:
        """A colour of the style sheet as it is in force, in the same form."""
        script = """([name]) => {
          const pen = new OffscreenCanvas(1, 1).getContext("2d");
          pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
          pen.fillRect(0, 0, 1, 1);
          return [...pen.getImageData(0, 0, 1, 1).data].join();
        }"""
        return str(self.page.evaluate(script, [name]))

    def _take_message(self, message: ConsoleMessage) -> None:
        if _NETWORK_CHANGED in message.text:
            self._network_changes += 1
        elif message.type == "error":
            self.errors.append(message.text)

    def _take_request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "about:", "blob:")):
            self.errors.append(f"the page asked another host: {request.url}")
