"""Settings that are kept out of the environment come from files."""

import pytest
from pydantic import ValidationError

from staging.settings import Settings, settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give the folder that the environment names, and read settings anew."""
    monkeypatch.setenv("STAGING_SECRETS_DIR", str(tmp_path))
    for name in ("STAGING_CATALOG_URL", "STAGING_TICKET_KEY", "STAGING_PORT"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def test_a_file_named_like_a_variable_is_its_value(folder):
    (folder / "staging_catalog_url").write_text("postgresql://staging:secret@db/staging\n")
    (folder / "STAGING_TICKET_KEY").write_text("a key\n")
    (folder / "something_else").write_text("is not ours")

    found = settings()

    assert found.effective_catalog_url == "postgresql://staging:secret@db/staging"
    assert found.ticket_key_bytes == b"a key"
    assert "a key" not in repr(found)


def test_a_mounted_secret_of_kubernetes_is_read_through_its_links(folder):
    (folder / "..2026_11_29").mkdir()
    (folder / "..2026_11_29/staging_ticket_key").write_text("a key")
    (folder / "..data").symlink_to("..2026_11_29")
    (folder / "staging_ticket_key").symlink_to("..data/staging_ticket_key")

    assert settings().ticket_key_bytes == b"a key"


def test_the_environment_goes_before_a_file(folder, monkeypatch):
    (folder / "staging_port").write_text("8100")
    assert settings().port == 8100

    settings.cache_clear()
    monkeypatch.setenv("STAGING_PORT", "8200")
    assert settings().port == 8200


def test_a_folder_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("STAGING_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(ValidationError, match="secrets_dir"):
        Settings()
