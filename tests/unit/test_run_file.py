"""A run file is believed only as long as its very supervisor lives."""

import os
import socket
from dataclasses import replace

import pytest

from staging.local.errors import BadExisting, PortTaken
from staging.local.folder import StateFolder
from staging.local.options import UpOptions, parse_existing
from staging.local.port_choice import choose_ports
from staging.local.ports import PortBook, free_port, is_free
from staging.local.runfile import (
    PartState,
    PartStatus,
    Run,
    StackState,
    as_stopped,
    living_run,
    read_run,
    started_at,
    write_run,
)
from staging.settings import Settings


@pytest.fixture
def folder(tmp_path) -> StateFolder:
    folder = StateFolder(tmp_path)
    folder.create()
    return folder


def own_run() -> Run:
    parts = (
        PartStatus("api", PartState.READY, os.getpid(), "http://127.0.0.1:1", "/log"),
        PartStatus("s3", PartState.EXTERNAL, None, "http://127.0.0.1:2"),
    )
    return Run(os.getpid(), started_at(os.getpid()), StackState.READY, parts, ports={"ray": 3})


def test_a_run_is_read_as_it_was_written(folder):
    write_run(folder, own_run())

    assert read_run(folder) == own_run()
    assert living_run(folder) == own_run()


def test_a_reused_pid_is_no_sign_of_life(folder):
    write_run(folder, replace(own_run(), started_at=started_at(os.getpid()) - 60))

    assert living_run(folder) is None


def test_a_pid_that_is_gone_is_no_sign_of_life(folder):
    write_run(folder, replace(own_run(), pid=2**22 - 1))

    assert living_run(folder) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "unknown": 2}'])
def test_a_run_file_that_cannot_be_read_is_no_run(folder, text):
    folder.run_file.write_text(text)

    assert read_run(folder) is None


def test_the_parts_of_a_dead_supervisor_are_shown_as_stopped():
    stopped = as_stopped(own_run())

    assert stopped.parts == (
        PartStatus("api", PartState.STOPPED, None, "http://127.0.0.1:1", "/log"),
        PartStatus("s3", PartState.EXTERNAL, None, "http://127.0.0.1:2"),
    )


def test_a_port_is_handed_out_once_even_before_it_is_bound(tmp_path):
    one, other = PortBook(tmp_path), PortBook(tmp_path)
    port = one.take()

    assert is_free(port)
    assert other.take(port) != port


def test_a_taken_port_is_replaced_and_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        settings = Settings(state_dir=tmp_path, flight_port=port)
        ports, notices = choose_ports(settings, UpOptions(port=0), {}, PortBook(tmp_path))

    assert ports.flight != port
    said = f"flight listens on port {ports.flight}, not {port}: pid {os.getpid()}"
    assert [notice for notice in notices if notice.startswith(said)] != []


def test_the_ports_of_the_last_start_are_taken_again(tmp_path):
    options = UpOptions(port=0)
    settings = Settings(state_dir=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = settings.model_copy(update={"flight_port": holder.getsockname()[1]})
        first, _ = choose_ports(taken, options, {}, PortBook(tmp_path / "one"))

    again, _ = choose_ports(settings, options, first.flat(), PortBook(tmp_path / "two"))

    assert again.flat() == first.flat()


def test_a_port_that_is_asked_for_comes_before_that_of_the_last_start(tmp_path):
    port = free_port()
    last, asked = {"flight": free_port()}, Settings(state_dir=tmp_path, flight_port=port)

    ports, _ = choose_ports(asked, UpOptions(port=0), last, PortBook(tmp_path))

    assert ports.flight == port


def test_the_port_of_the_api_is_the_one_that_was_asked_for_or_none(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} of the API is held by pid {os.getpid()}"):
            choose_ports(Settings(port=port), UpOptions(), {}, PortBook(tmp_path))


def test_existing_parts_are_named_in_any_number_of_words():
    words = ["temporal=a:1 s3=http://b", "ray=c:2"]

    assert parse_existing(words) == {"temporal": "a:1", "s3": "http://b", "ray": "c:2"}


@pytest.mark.parametrize("word", ["mongo=1", "s3", "s3=", "=x"])
def test_an_existing_part_that_cannot_be_is_refused(word):
    with pytest.raises(BadExisting, match=word):
        parse_existing([word])
