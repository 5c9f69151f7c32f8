"""Read staged chunks in a training job: by Arrow Flight, by link or through the service, verified.

with StagingClient("http://localhost:8003") as staging:
    job = staging.create_job({"connection": "warehouse", "table": "public.lineitem"})
    for batch in job.read():
        train(batch)
"""

from staging_client.certificates import Certificates
from staging_client.chunk import Chunk
from staging_client.client import Connection, StagingClient
from staging_client.described import read_described
from staging_client.errors import (
    BadAddress,
    BadCertificates,
    CertificateRefused,
    ChecksumMismatch,
    DataGone,
    FieldError,
    FlightFailed,
    IdentityRefused,
    InvalidRequest,
    JobFailed,
    JobNotFound,
    LinkRefused,
    Refused,
    ShortRead,
    StagingClientError,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    WrongState,
)
from staging_client.job import Job
from staging_client.patience import Patience
from staging_client.views import (
    Acknowledgement,
    ChunkView,
    Column,
    JobError,
    JobView,
    Manifest,
    Progress,
)

__all__ = [
    "Acknowledgement",
    "BadAddress",
    "BadCertificates",
    "CertificateRefused",
    "Certificates",
    "ChecksumMismatch",
    "Chunk",
    "ChunkView",
    "Column",
    "Connection",
    "DataGone",
    "FieldError",
    "FlightFailed",
    "IdentityRefused",
    "InvalidRequest",
    "Job",
    "JobError",
    "JobFailed",
    "JobNotFound",
    "JobView",
    "LinkRefused",
    "Manifest",
    "Patience",
    "Progress",
    "Refused",
    "ShortRead",
    "StagingClient",
    "StagingClientError",
    "TimedOut",
    "Unavailable",
    "UnexpectedAnswer",
    "WrongState",
    "read_described",
]
