"""Each line is JSON, says what it is about, and never holds a secret."""

import json
import subprocess
import sys

import pytest

from staging.redaction import conceal, redacted
from staging.sources.connection import Connection
from staging.storage.config import PROBE, StoreConfig, s3_client

SCRIPT = """
import logging, sys, threading
import structlog
from staging.logs import configure_logging, log_crashes
configure_logging("info", ["hunter2-hunter2"])
log_crashes()
log = structlog.get_logger()
log.debug("too quiet")
with structlog.contextvars.bound_contextvars(job_id="j"):
    log.info("said", detail="the key is hunter2-hunter2", more={"deep": ["hunter2-hunter2"]})
logging.getLogger("a.library").warning("cannot reach %s", "postgresql://me:pass-word@host/db")
logging.getLogger("a.library").info("chatter")
logging.getLogger("a.library").warning("%d", "not a number")
def fail():
    raise ValueError("hunter2-hunter2")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_every_line_of_a_process_is_json_without_the_secret_to_its_last():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=False, capture_output=True, text=True
    )

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [line["event"] for line in lines] == [
        "said",
        "cannot reach postgresql://[redacted]@host/db",
        "record_lost",
        "crashed",
        "crashed",
    ]
    assert [line["level"] for line in lines] == [
        "info",
        "warning",
        "warning",
        "critical",
        "critical",
    ]
    assert lines[0]["job_id"] == "j"
    assert lines[1]["library"] == "a.library"
    assert all("ValueError: [redacted]" in line["exception"] for line in lines[3:])
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert "hunter2" not in done.stderr + done.stdout
    assert "pass-word" not in done.stderr


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgresql+psycopg://me:pa%40ss@db:5432/x", "postgresql+psycopg://[redacted]@db:5432/x"),
        (
            "http://b/k?X-Amz-Date=1&X-Amz-Signature=0a1b&x=2",
            "http://b/k?X-Amz-Date=1&X-Amz-Signature=[redacted]&x=2",
        ),
        ('{"password": "pass-word", "n": 1}', '{"password": "[redacted]", "n": 1}'),
        (r'{"e": "{\"token\": \"pass-word\"}"}', r'{"e": "{\"token\": \"[redacted]\"}"}'),
        ("connect(host='db', password='pass-word')", "connect(host='db', password='[redacted]')"),
        ("Authorization: Bearer pass-word", "Authorization: Bearer [redacted]"),
        ("the password's variable X is not set", "the password's variable X is not set"),
        ("http://127.0.0.1:8003/jobs", "http://127.0.0.1:8003/jobs"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_and_nothing_else(text, left):
    assert redacted(text) == left


@pytest.mark.parametrize(
    "secret", ['with "quotes"', "ünïcode-pass", "back\\slash-pass", "s3cr3t-plain"]
)
def test_a_secret_that_is_known_is_taken_out_however_it_is_written(secret):
    conceal([secret])

    assert secret not in redacted(secret)
    line = redacted(json.dumps({"event": f"it is {secret}!"}))
    assert json.loads(line) == {"event": "it is [redacted]!"}


def test_the_secret_of_a_connection_is_known_as_soon_as_it_is_read():
    connection = Connection("shop", "postgres", password="env:SHOP")

    resolved = connection.resolved({"SHOP": "a secret of the shop"})

    assert resolved.secrets == ("a secret of the shop",)
    assert redacted("it was 'a secret of the shop'") == "it was '[redacted]'"


def test_the_key_of_the_store_is_known_as_soon_as_a_client_has_it(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a key of the store")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a ticket of the store")

    s3_client(StoreConfig("http://127.0.0.1:1", "http://127.0.0.1:1", "staging", "r"), PROBE)

    assert redacted("a key of the store, a ticket of the store") == "[redacted], [redacted]"
