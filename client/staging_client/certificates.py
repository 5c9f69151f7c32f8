"""The certificates of Flight over TLS: whom to trust, and what to show."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from staging_client.errors import BadCertificates

_ROOT_CERTS = "STAGING_CLIENT_TLS_CA"
_CERT_CHAIN, _PRIVATE_KEY = "STAGING_CLIENT_TLS_CERT", "STAGING_CLIENT_TLS_KEY"

_Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files for `grpc+tls://` locations; other locations have no use for them.

    `root_certs` are the authorities to trust, None for those that gRPC trusts by itself;
    `cert_chain` and `private_key` are shown to a server that asks for them (mutual TLS).
    """

    root_certs: _Path | None = None
    cert_chain: _Path | None = None
    private_key: _Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Certificates":
        """Take the files that STAGING_CLIENT_TLS_CA, …_CERT and …_KEY name; empty means none."""
        given = (environment.get(name) for name in (_ROOT_CERTS, _CERT_CHAIN, _PRIVATE_KEY))
        return cls(*(name or None for name in given))

    def options(self) -> dict[str, bytes]:
        """Read the files, as options of `flight.connect`.

        Raises BadCertificates if one cannot be read or is no such thing: gRPC would only say that
        nobody answers.
        """
        if (self.cert_chain is None) != (self.private_key is None):
            raise BadCertificates("give both a client certificate and its key, or neither")
        files = {
            "tls_root_certs": self.root_certs,
            "cert_chain": self.cert_chain,
            "private_key": self.private_key,
        }
        read = {name: _bytes_of(file) for name, file in files.items() if file is not None}
        self._check()
        return read

    def _check(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.root_certs is not None:
                context.load_verify_locations(self.root_certs)
        except ssl.SSLError as wrong:
            raise BadCertificates(f"{self.root_certs} holds no certificate: {wrong}") from wrong
        try:
            if self.cert_chain is not None:
                context.load_cert_chain(self.cert_chain, self.private_key, password="")
        except (ssl.SSLError, ValueError) as wrong:
            raise BadCertificates(
                f"{self.cert_chain} and {self.private_key} are no certificate and its key: {wrong}"
            ) from wrong


def _bytes_of(file: _Path) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except OSError as refused:
        raise BadCertificates(f"{os.fspath(file)} cannot be read: {refused.strerror}") from refused
