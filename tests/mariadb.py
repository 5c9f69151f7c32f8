"""A real MariaDB for tests, from the system's package, under a temporary folder."""

import datetime
import getpass
import ipaddress
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from staging.local.ports import free_port

PASSWORD = "reader's pässword"
_MISSING = "MariaDB is not installed: apt-get install -y mariadb-server"


class MariaDb:
    """A running server; `root` has no password, `reader` may select everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.certificate = folder / "server.pem"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data = self.folder / "data"
        if not data.exists():
            _make_certificate(self.certificate)
            options = ("--auth-root-authentication-method=normal", "--skip-test-db")
            self._run("mariadb-install-db", *options)
        options = [
            f"--socket={self.folder / 'socket'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self.certificate}",
            "--performance-schema",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program("mariadbd"), *self._options(), *options], stdout=log, stderr=log
            )
        self._until_ready()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def connect(self, database: str | None = None) -> pymysql.Connection:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True
        )

    def _run(self, program: str, *options: str) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [_program(program), *self._options(), *options]
            subprocess.run(command, stdout=log, stderr=log, check=True)

    def _options(self) -> list[str]:
        return ["--no-defaults", f"--datadir={self.folder / 'data'}", f"--user={getpass.getuser()}"]

    def _until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except pymysql.MySQLError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return


@contextmanager
def temporary_mariadb() -> Iterator[MariaDb]:
    """Start a server with a user `reader`, and take it away again; skip without the package."""
    if _program("mariadbd") is None:
        pytest.skip(_MISSING)
    with tempfile.TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True) as folder:
        server = MariaDb(Path(folder))
        try:
            server.start()
            with server.connect() as root, root.cursor() as cursor:
                cursor.execute("CREATE USER reader IDENTIFIED BY %s", [PASSWORD])
                cursor.execute("GRANT SELECT ON *.* TO reader")
            yield server
        finally:
            with suppress(subprocess.TimeoutExpired):
                server.stop()


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def _make_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mariadb of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
