"""Which connections an organisation sees."""


def names(service, org_id):
    listed = service.get("/connections", headers={"X-Org-ID": str(org_id)}).json()["connections"]
    return [(each["name"], each["kind"]) for each in listed]


def test_an_organisation_sees_names_and_kinds_of_its_own_connections(service):
    shared = [
        ("app", "sqlite"),
        ("exports", "parquet"),
        ("host_down", "postgres"),
        ("wrong_password", "postgres"),
    ]

    assert names(service, 1) == shared
    assert names(service, 7) == sorted([*shared, ("private", "sqlite")])


def test_nothing_is_told_of_where_a_connection_leads(service):
    text = service.get("/connections").text

    assert "127.0.0.1" not in text
    assert "PASSWORD" not in text
    assert str(service.folder) not in text


def test_the_registry_is_read_again_when_it_changes(service):
    names(service, 1)
    (service.folder / "connections.toml").write_text(
        '[connections.new]\nkind = "csv"\nroot = "."\n'
    )

    assert names(service, 1) == [("new", "csv")]


def test_without_a_registry_there_is_no_connection(service):
    (service.folder / "connections.toml").unlink()

    assert service.get("/connections").json() == {"connections": []}
