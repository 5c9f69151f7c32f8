"""Read the certificates that the settings name: what Flight shows, and whose callers it takes."""

import ssl
from pathlib import Path
from typing import Any

from staging.settings import Settings

_CERT, _KEY = "STAGING_FLIGHT_TLS_CERT", "STAGING_FLIGHT_TLS_KEY"
_CLIENT_CA = "STAGING_FLIGHT_TLS_CLIENT_CA"


class BadCertificates(Exception):
    """The settings of TLS contradict each other, or name a file that is none of its kind."""


def tls_options(settings: Settings) -> dict[str, Any]:
    """Give the server's options for TLS, none if it is not set; raises BadCertificates.

    All is looked at here: gRPC says of bad files only that the server did not start.
    """
    cert, key = settings.flight_tls_cert, settings.flight_tls_key
    client_ca = settings.flight_tls_client_ca
    if cert is None or key is None:
        _refuse_halves({_CERT: cert, _KEY: key, _CLIENT_CA: client_ca})
        return {}
    shown = [(_read(_CERT, cert), _read(_KEY, key))]
    _check_pair(cert, key)
    if client_ca is None:
        return {"tls_certificates": shown}
    authorities = _read(_CLIENT_CA, client_ca)
    _check_authorities(client_ca)
    return {
        "tls_certificates": shown,
        "verify_client": True,
        "root_certificates": authorities,
    }


def _refuse_halves(files: dict[str, Path | None]) -> None:
    given = [name for name, file in files.items() if file is not None]
    missing = [name for name in (_CERT, _KEY) if name not in given]
    if given:
        raise BadCertificates(f"{given[0]} is of no use without {' and '.join(missing)}")


def _read(name: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as refused:
        raise BadCertificates(f"{name}={file} cannot be read: {refused.strerror}") from refused


def _check_pair(cert: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as wrong:
        raise BadCertificates(
            f"{_CERT}={cert} and {_KEY}={key} are no certificate and its key: {wrong}"
        ) from wrong


def _check_authorities(file: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError as wrong:
        raise BadCertificates(f"{_CLIENT_CA}={file} holds no certificate: {wrong}") from wrong
