"""Flight over TLS and mutual TLS: by settings, refused clearly, read around where it is refused."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight

from flight_server.certificates import BadCertificates as BadServerCertificates
from flight_server.certificates import tls_options
from staging.local.ports import free_port
from staging.settings import Settings
from staging_client import (
    BadCertificates,
    CertificateRefused,
    Certificates,
    Chunk,
    Patience,
    StagingClient,
    Unavailable,
)
from tests.certificates import Authority, Pair
from tests.contract.reading.servers import answers, start
from tests.contract.reading.shelf import rows
from tests.contract.reading.test_client_routes import routes_of

TABLES = [rows(0, 3000), rows(3000, 10)]
WHOLE = pa.concat_tables(TABLES)
STAGING = str(Path(sys.executable).with_name("staging"))


@dataclasses.dataclass(frozen=True)
class Secured:
    """A Flight server that asks for certificates, and an API that advertises it."""

    location: str
    api_url: str


@dataclasses.dataclass(frozen=True)
class Papers:
    """Two authorities, and what ours has signed."""

    folder: Path
    ours: Authority
    theirs: Authority
    server: Pair
    consumer: Pair


@pytest.fixture(scope="module")
def papers(tmp_path_factory) -> Papers:
    folder = tmp_path_factory.mktemp("certificates")
    ours = Authority(folder, "ours")
    pairs = ours.issue("server"), ours.issue("consumer")
    return Papers(folder, ours, Authority(folder, "theirs"), *pairs)


@pytest.fixture(scope="module")
def job_id(shelf) -> str:
    return shelf.stage(*TABLES)


def settings(pair: Pair, client_ca: Path | None = None) -> dict[str, str]:
    given = {"STAGING_FLIGHT_TLS_CERT": str(pair.cert), "STAGING_FLIGHT_TLS_KEY": str(pair.key)}
    return given | ({"STAGING_FLIGHT_TLS_CLIENT_CA": str(client_ca)} if client_ca else {})


@pytest.fixture(scope="module")
def secured(environment, papers) -> Iterator[Secured]:
    port, api_port = free_port(), free_port()
    given = {
        **environment,
        **settings(papers.server, papers.ours.cert),
        "STAGING_FLIGHT_PORT": str(port),
        "STAGING_FLIGHT_CACHE_DIR": str(papers.folder / "cache"),
        "STAGING_PORT": str(api_port),
        "STAGING_TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    processes = [
        start(name, given, papers.folder / f"{name}.log") for name in ("flight_server", "api")
    ]
    for process, each in zip(processes, (port, api_port), strict=True):
        process.until(lambda each=each: answers(each))
    yield Secured(f"grpc+tls://127.0.0.1:{port}", f"http://127.0.0.1:{api_port}")
    for process in processes:
        process.stop()


@pytest.fixture
def as_bearer(secured) -> Iterator[Callable[..., StagingClient]]:
    """Make clients with certificates."""
    made: list[StagingClient] = []

    def client(certificates: Certificates) -> StagingClient:
        made.append(StagingClient(secured.api_url, patience=Patience(1), certificates=certificates))
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def known(papers) -> Certificates:
    return Certificates(papers.ours.cert, papers.consumer.cert, papers.consumer.key)


def test_endpoints_and_chunks_advertise_tls(secured, job_id, known, as_bearer):
    with flight.connect(secured.location, **known.options()) as reader:
        info = reader.get_flight_info(flight.FlightDescriptor.for_path(job_id))
        locations = [place.uri.decode() for each in info.endpoints for place in each.locations]
        read = [reader.do_get(each.ticket).read_all() for each in info.endpoints]

    assert locations == [secured.location] * 2
    assert pa.concat_tables(read).equals(WHOLE)
    [first, _] = as_bearer(known).job(job_id).chunks()
    assert first.view.locations == (secured.location,)


def test_our_client_reads_by_flight_with_its_certificate(job_id, known, as_bearer, monkeypatch):
    monkeypatch.delitem(routes_of(), "link")
    monkeypatch.delattr(Chunk, "read_data")
    job = as_bearer(known).job(job_id)

    assert job.read_flight().equals(WHOLE)
    assert job.read().read_all().equals(WHOLE)


def test_a_caller_without_a_certificate_or_with_a_strangers_gets_no_answer(secured, papers):
    stranger = papers.theirs.issue("stranger")
    for given in (
        Certificates(papers.ours.cert),
        Certificates(papers.ours.cert, stranger.cert, stranger.key),
    ):
        with (
            flight.connect(secured.location, **given.options()) as reader,
            pytest.raises(flight.FlightUnavailableError),
        ):
            reader.list_actions()
    with (
        flight.connect(secured.location.replace("+tls", "")) as reader,
        pytest.raises(flight.FlightUnavailableError),
    ):
        reader.list_actions()


def test_our_client_without_a_certificate_says_so_and_reads_by_link(job_id, papers, as_bearer):
    job = as_bearer(Certificates(papers.ours.cert)).job(job_id)
    [first, _] = job.chunks()

    with pytest.raises(Unavailable, match="no client certificate was given"):
        first.read_flight()
    assert job.read().read_all().equals(WHOLE)


def test_our_client_refuses_a_server_that_it_does_not_trust_and_reads_by_link(
    job_id, papers, as_bearer
):
    job = as_bearer(
        Certificates(papers.theirs.cert, papers.consumer.cert, papers.consumer.key)
    ).job(job_id)
    [first, _] = job.chunks()

    with pytest.raises(CertificateRefused, match="certificate verify failed"):
        first.read_flight()
    assert job.read().read_all().equals(WHOLE)


def test_a_certificate_for_another_name_is_refused(environment, papers, job_id, known, as_bearer):
    port = free_port()
    elsewhere = settings(papers.ours.issue("elsewhere", "127.0.0.2"))
    own = {
        "STAGING_FLIGHT_PORT": str(port),
        "STAGING_FLIGHT_CACHE_DIR": str(papers.folder / "other"),
    }
    process = start(
        "flight_server", {**environment, **elsewhere, **own}, papers.folder / "other.log"
    )
    process.until(lambda: answers(port))
    [first, _] = as_bearer(known).job(job_id).chunks()
    first.view = dataclasses.replace(first.view, locations=(f"grpc+tls://127.0.0.1:{port}",))

    with pytest.raises(CertificateRefused):
        first.read_flight()

    process.stop()


@pytest.mark.parametrize("is_known", [True, False])
def test_the_command_pulls_by_flight_with_the_certificates_that_the_environment_names(
    secured, job_id, papers, tmp_path, is_known
):
    host, port = secured.api_url.removeprefix("http://").split(":")
    given = os.environ | {"STAGING_HOST": host, "STAGING_PORT": port}
    given |= {
        "STAGING_CLIENT_TLS_CA": str(papers.ours.cert if is_known else tmp_path / "missing.pem")
    }
    given |= {"STAGING_CLIENT_TLS_CERT": str(papers.consumer.cert)}
    given |= {"STAGING_CLIENT_TLS_KEY": str(papers.consumer.key)}

    done = subprocess.run(
        [STAGING, "jobs", "pull", job_id, "--flight", "--to", "out", "--json"],
        cwd=tmp_path, env=given, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip

    if is_known:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["row_count"] == WHOLE.num_rows
        assert pq.read_table(tmp_path / "out").equals(WHOLE)
    else:
        assert done.returncode == 2
        assert f"{tmp_path}/missing.pem cannot be read: No such file" in done.stderr


def spoiled(folder: Path, name: str) -> Path:
    (file := folder / name).write_text("-----BEGIN CERTIFICATE-----\nnothing\n")
    return file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f, s: {"cert": f / "no.crt"}, r"STAGING_FLIGHT_TLS_CERT=\S+no.crt cannot be read"),
        (lambda f, s: {"key": f}, r"STAGING_FLIGHT_TLS_KEY=\S+ cannot be read: Is a directory"),
        (lambda f, s: {"client_ca": f / "no.pem"}, r"CLIENT_CA=\S+no.pem cannot be read"),
        (lambda f, s: {"client_ca": spoiled(f, "bad.pem")}, "bad.pem holds no certificate"),
        (lambda f, s: {"cert": spoiled(f, "bad.crt")}, "are no certificate and its key"),
        (lambda f, s: {"key": s.cert}, "are no certificate and its key"),
        (lambda f, s: {"key": None}, "STAGING_FLIGHT_TLS_CERT is of no use without .*_TLS_KEY"),
        (lambda f, s: {"cert": None}, "STAGING_FLIGHT_TLS_KEY is of no use without .*_TLS_CERT"),
    ],
    ids=["cert", "key", "ca", "bad-ca", "bad-cert", "other-key", "no-key", "no-cert"],
)
def test_files_that_cannot_be_used_are_named(papers, tmp_path, change, said):
    files = {"cert": papers.server.cert, "key": papers.server.key, "client_ca": papers.ours.cert}
    files |= change(tmp_path, papers.server)
    chosen = Settings(**{f"flight_tls_{name}": file for name, file in files.items()})

    with pytest.raises(BadServerCertificates, match=said):
        tls_options(chosen)


def test_a_server_with_wrong_files_does_not_start(environment, papers, tmp_path):
    given = {**environment, **settings(papers.server, tmp_path / "no.pem")}
    given["STAGING_FLIGHT_PORT"] = str(free_port())

    process = start("flight_server", given, tmp_path / "log")

    assert process.process.wait(60) == 2
    assert process.log.read_text() == (
        f"flight_server: STAGING_FLIGHT_TLS_CLIENT_CA={tmp_path}/no.pem cannot be read:"
        " No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (lambda f, c: Certificates(f / "no.pem"), "no.pem cannot be read: No such file"),
        (lambda f, c: Certificates(spoiled(f, "bad.pem")), "bad.pem holds no certificate"),
        (lambda f, c: Certificates(None, c.cert), "both a client certificate and its key"),
        (lambda f, c: Certificates(None, c.cert, c.cert), "are no certificate and its key"),
    ],
)
def test_a_client_with_wrong_files_is_not_made(tmp_path, papers, files, said):
    with pytest.raises(BadCertificates, match=said):
        StagingClient("http://127.0.0.1:1", certificates=files(tmp_path, papers.consumer))
