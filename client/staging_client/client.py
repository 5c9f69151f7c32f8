"""The service, as one organisation sees it."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from staging_client.certificates import Certificates
from staging_client.chunk import Readers
from staging_client.job import Job
from staging_client.links import LinkReader
from staging_client.patience import Patience
from staging_client.tickets import TicketReader
from staging_client.transport import Transport
from staging_client.views import JobView

_PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that the organisation may use."""

    name: str
    kind: str


class StagingClient:
    """Creates and finds jobs; a context manager that closes its connections.

    `patience` bounds how long a call is retried while the service is down or busy;
    `certificates` are for Flight over TLS, unless given those that the environment names.
    Raises BadAddress, BadCertificates.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:8003",
        org_id: int = 1,
        user_id: str | None = None,
        *,
        patience: Patience | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        patience = patience or Patience()
        tls = (certificates or Certificates.from_environment()).options()
        self._readers = Readers(
            Transport(base_url, org_id=org_id, user_id=user_id, patience=patience),
            LinkReader(patience),
            TicketReader(org_id, patience, tls),
        )

    def create_job(
        self,
        source: Mapping[str, Any],
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Ask for a table to be staged; `source` and `options` are the contract's objects.

        A repeated call with the same `idempotency_key` and request gives the same job; without
        one each call makes a job.  Raises InvalidRequest, Unavailable.
        """
        body: dict[str, Any] = {"source": dict(source)}
        body |= {"name": name} if name is not None else {}
        body |= {"labels": dict(labels)} if labels is not None else {}
        body |= {"options": dict(options)} if options is not None else {}
        key = idempotency_key or str(uuid.uuid4())
        shown = self._readers.http.ask_object(
            "POST", "/jobs", body=body, headers={"Idempotency-Key": key}
        )
        return Job(self._readers, JobView.from_json(shown))

    def job(self, job_id: str) -> Job:
        """Find a job; raises JobNotFound."""
        shown = self._readers.http.ask_object("GET", f"/jobs/{job_id}", query={"page_size": 1})
        return Job(self._readers, JobView.from_json(shown))

    def jobs(self, *, state: str | None = None, label: str | None = None) -> Iterator[Job]:
        """Give the jobs, newest first; `label` is `key:value`."""
        token: str | None = None
        while True:
            query = {"state": state, "label": label, "page_size": _PAGE_SIZE, "page_token": token}
            page = self._readers.http.ask_object("GET", "/jobs", query=query)
            for shown in page["jobs"]:
                yield Job(self._readers, JobView.from_json(shown))
            token = page["next_page_token"]
            if token is None:
                return

    def connections(self) -> list[Connection]:
        """Give the connections that the organisation may use."""
        shown = self._readers.http.ask_object("GET", "/connections")
        return [Connection(each["name"], each["kind"]) for each in shown["connections"]]

    def close(self) -> None:
        """Close the connections."""
        self._readers.http.close()
        self._readers.links.close()
        self._readers.tickets.close()

    def __enter__(self) -> "StagingClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
