"""Retries: how often, how long, what is never repeated."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from staging.local.ports import free_port
from staging_client import JobNotFound, Patience, StagingClient, Unavailable, UnexpectedAnswer
from staging_client.patience import Busy, retry_after


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve answers in turn, the last one for ever; give the URL and what was asked."""
    asked: list[str] = []

    class Page(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append(f"{self.command} {self.headers.get('Idempotency-Key', '')}".strip())
            status, headers, body = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            for name, text in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def patient(seconds: float, pauses: list[float]) -> Patience:
    """Note pauses instead of making them."""
    return Patience(seconds, sleep=pauses.append)


CONNECTIONS = (200, {"Content-Type": "application/json"}, b'{"connections": []}')


def test_a_busy_service_is_asked_again_after_the_pause_that_it_names():
    pauses: list[float] = []
    busy = [(503, {"Retry-After": "7"}, b""), (429, {"Retry-After": "3"}, b"")]
    with answering(*busy, CONNECTIONS) as (url, asked):
        assert StagingClient(url, patience=patient(60, pauses)).connections() == []

    assert (asked, pauses) == (["GET"] * 3, [7.0, 3.0])


def test_pauses_without_a_wish_grow_to_five_seconds_with_chance():
    pauses: list[float] = []
    with answering(*[(502, {}, b"")] * 8, CONNECTIONS) as (url, _):
        StagingClient(url, patience=patient(60, pauses)).connections()

    ceilings = [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert all(
        ceiling / 2 <= pause <= ceiling for pause, ceiling in zip(pauses, ceilings, strict=True)
    )


def test_a_wish_longer_than_the_patience_is_not_waited_for():
    pauses: list[float] = []
    with (
        answering((503, {"Retry-After": "3600"}, b"")) as (url, asked),
        pytest.raises(Unavailable, match="503"),
    ):
        StagingClient(url, patience=patient(60, pauses)).connections()

    assert (asked, pauses) == (["GET"], [])


def test_a_creation_is_repeated_under_one_key():
    with (
        answering((503, {}, b""), (503, {}, b""), (404, {}, b"{}")) as (url, asked),
        pytest.raises(JobNotFound),
    ):
        StagingClient(url, patience=patient(60, [])).create_job({"connection": "x"})

    assert len(asked) == 3
    assert len(set(asked)) == 1
    assert len(asked[0]) == len("POST ") + 36


def test_no_answer_at_all_is_unavailable():
    client = StagingClient(f"http://127.0.0.1:{free_port()}", patience=Patience(0.3))

    with pytest.raises(Unavailable, match="does not answer"):
        client.connections()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"x"'])
def test_an_answer_of_something_else_is_unexpected(body):
    with (
        answering((200, {"Content-Type": "text/html"}, body)) as (url, _),
        pytest.raises(UnexpectedAnswer, match="is base_url right"),
    ):
        StagingClient(url).connections()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(text, seconds):
    assert retry_after({"retry-after": text}) == seconds


def test_other_errors_are_not_repeated():
    def fail() -> None:
        calls.append(1)
        raise LookupError

    calls: list[int] = []
    with pytest.raises(LookupError):
        Patience(60).persist(fail)
    assert calls == [1]


def test_busy_for_ever_is_unavailable_with_the_last_reason():
    def fail() -> None:
        raise Busy("the store broke off")

    with pytest.raises(Unavailable, match="the store broke off"):
        Patience(0.0).persist(fail)
