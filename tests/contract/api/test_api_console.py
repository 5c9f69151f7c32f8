"""The console's files are sent so that nothing else can run in the page."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from api.console_files import console_files
from tests.contract.api.service import problem_of

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "api/console"
FILES = sorted(each.name for each in FOLDER.iterdir() if each.suffix not in {".py", ""})
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def test_the_page_is_at_the_root_and_loads_what_is_there(service):
    page = service.client.get("/")

    assert (page.status_code, page.headers["content-type"]) == (200, TYPES[".html"])
    loaded = re.findall(r'(?:src|href)="(?!#)([^"]+)"', page.text)
    assert set(loaded) == {
        f"console/{name}" for name in ("icon.svg", "console.css", "parts.css", "main.js")
    }
    assert [service.client.get(f"/{each}").status_code for each in loaded] == [200] * len(loaded)


@pytest.mark.parametrize("path", ["/", *(f"/console/{name}" for name in FILES)])
def test_each_file_is_sent_with_its_type_and_lets_nothing_foreign_run(service, path):
    answer = service.client.get(path)

    name = path.rpartition("/")[2] or "index.html"
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"] == TYPES[Path(name).suffix]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = dict(
        each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"


@pytest.mark.parametrize("path", ["/", "/console/main.js"])
def test_a_file_is_sent_again_only_when_it_is_another(service, path):
    first = service.client.get(path)
    same = service.client.get(path, headers={"If-None-Match": f"W/{first.headers['etag']}"})
    other = service.client.get(path, headers={"If-None-Match": '"another"'})

    assert first.headers["cache-control"] == "no-cache"
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert (other.status_code, other.content) == (200, first.content)


def test_head_options_and_other_methods_are_answered_as_everywhere(service):
    head, options = service.client.head("/"), service.client.options("/console/main.js")
    refused = service.client.post("/")

    assert (head.status_code, head.content) == (200, b"")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert problem_of(refused) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "name", ["nothing.js", "__init__.py", "..%2f__init__.py", "%2e%2e/app.py", ""]
)
def test_no_other_file_is_sent(service, name):
    assert problem_of(service.client.get(f"/console/{name}")) == (404, "not_found")


def test_the_page_needs_no_other_host_and_writes_no_markup():
    for name, file in console_files().items():
        text = file.body.decode()
        hosts = set(re.findall(r"\bhttps?://[^\s\"'/]+", text)) - {"http://www.w3.org"}
        assert (name, hosts) == (name, set())
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"<script(?! type=\"module\" src)|<style|\son\w+=|style=\"", text)


def test_the_wheel_ships_every_file():
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = setup["tool"]["setuptools"]["package-data"]["api.console"]

    assert sorted(console_files()) == FILES
    assert [name for name in FILES if not any(fnmatch(name, each) for each in shipped)] == []


def test_the_page_is_no_part_of_the_api_s_document(service):
    paths = service.client.get("/openapi.json").json()["paths"]

    assert [path for path in paths if path == "/" or path.startswith("/console")] == []
