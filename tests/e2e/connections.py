"""The connections.toml of the end-to-end tests."""

from tests import shelves, warehouse

_POSTGRES = """
[connections.{name}]
kind = "postgres"
host = "127.0.0.1"
port = {port}
database = "{database}"
user = "{user}"
password = "env:{password}"
"""
SECRETS = {"WAREHOUSE_PASSWORD": warehouse.READER_PASSWORD, "WRONG_PASSWORD": "not-the-password"}


def registry(database: str, port: int, closed_port: int, s3_endpoint: str) -> str:
    """Write the file: the warehouse, two ways to miss it, and the file sources."""
    reader = {"database": database, "user": warehouse.READER, "password": "WAREHOUSE_PASSWORD"}
    entries = [
        {"name": "warehouse", "port": port} | reader,
        {"name": "wrong_password", "port": port} | reader | {"password": "WRONG_PASSWORD"},
        {"name": "host_down", "port": closed_port} | reader,
    ]
    files = shelves.CONNECTIONS.format(endpoint=s3_endpoint)
    return "".join(_POSTGRES.format(**each) for each in entries) + files
