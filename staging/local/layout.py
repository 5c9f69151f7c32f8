"""Where everything of one start is: ports, addresses, keys and the environment of its parts."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from staging.local.errors import StackError
from staging.local.folder import StateFolder
from staging.local.options import UpOptions
from staging.local.port_choice import Ports, choose_ports
from staging.local.ports import LOOPBACK, PortBook
from staging.local.runfile import Run
from staging.local.secret_files import Secrets, keep_catalog_url, load_secrets
from staging.settings import InsecureBind, Settings, url_host

_LONGEST_RAY_FOLDER = 40
"""Ray adds some 60 characters to name its sockets, and a socket's path ends at 107 (unix(7))."""
_MISLEADING = {
    "temporal": ("TEMPORAL_ADDRESS", "TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_TLS"),
    "s3": ("AWS_PROFILE", "AWS_SESSION_TOKEN", "S3_EXTERNAL_URL", "S3_TABLE_BUCKET"),
    "ray": ("RAY_ADDRESS", "RAY_AUTH_TOKEN"),
}
"""Variables of the caller's that would lead our processes past an embedded part."""
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""An extraction has a few threads; an arena for each cost 80 MB a task (glibc, malloc(3))."""
_NOT_FOR_RAY = (
    "STAGING_CATALOG_URL",
    "STAGING_TICKET_KEY",
    "STAGING_PREVIOUS_TICKET_KEY",
    "STAGING_SECRETS_DIR",
)
"""Ray runs what its callers send, so it holds no password of the catalog."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One start of the stack, completely described before anything runs."""

    folder: StateFolder
    settings: Settings
    options: UpOptions
    secrets: Secrets
    ports: Ports
    notices: tuple[str, ...]
    ray_folder: Path

    @property
    def temporal_address(self) -> str:
        """Temporal's address, ours or the existing one's."""
        return self.options.existing.get("temporal", f"{LOOPBACK}:{self.ports.temporal}")

    @property
    def s3_endpoint(self) -> str:
        """The store's endpoint, ours or the existing one's."""
        return self.options.existing.get("s3", self.ports.s3.endpoint)

    @property
    def ray_address(self) -> str:
        """The Ray head's address, ours or the existing one's."""
        return self.options.existing.get("ray", f"{LOOPBACK}:{self.ports.ray}")

    @property
    def catalog_url(self) -> str:
        """The catalog's URL, ours or the existing one's."""
        ours = self.settings.catalog_url or f"sqlite:///{self.folder.catalog}"
        return self.options.existing.get("catalog", ours)

    @property
    def api_url(self) -> str:
        """The API's root, as this machine reaches it."""
        return f"http://{self._reachable_host}:{self.ports.api}"

    @property
    def flight_location(self) -> str:
        """Where Flight listens, as this machine reaches it."""
        return f"{self.settings.flight_scheme}://{self._reachable_host}:{self.ports.flight}"

    def metrics_urls(self) -> dict[str, list[str]]:
        """Return where Prometheus reads the metrics of our parts, by the part's name."""
        metrics = {
            "api": [self.ports.api],
            "worker": [self.ports.worker_metrics, self.ports.temporal_metrics],
            "flight": [self.ports.flight_metrics],
        }
        return {
            name: [f"http://{self._reachable_host}:{port}/metrics" for port in ports]
            for name, ports in metrics.items()
        }

    @property
    def _reachable_host(self) -> str:
        host = self.settings.host
        return LOOPBACK if host in ("0.0.0.0", "::") else url_host(host)  # noqa: S104

    def public_environment(self) -> dict[str, str]:
        """Return the settings of our processes that are no secrets."""
        config = self.settings
        return {
            "STAGING_STATE_DIR": str(self.folder.root),
            "STAGING_HOST": config.host,
            "STAGING_PORT": str(self.ports.api),
            "STAGING_FLIGHT_PORT": str(self.ports.flight),
            "STAGING_FLIGHT_METRICS_PORT": str(self.ports.flight_metrics),
            "STAGING_WORKER_METRICS_PORT": str(self.ports.worker_metrics),
            "STAGING_TEMPORAL_METRICS_PORT": str(self.ports.temporal_metrics),
            "STAGING_CONNECTIONS": str(config.connections.absolute()),
            "STAGING_S3_ENDPOINT": self.s3_endpoint,
            "STAGING_S3_PUBLIC_ENDPOINT": config.s3_public_endpoint or self.s3_endpoint,
            "STAGING_S3_BUCKET": config.s3_bucket,
            "STAGING_S3_REGION": config.s3_region,
            "STAGING_S3_CREATE_BUCKET": str("s3" not in self.options.existing).lower(),
            "STAGING_TEMPORAL_ADDRESS": self.temporal_address,
            "STAGING_TEMPORAL_NAMESPACE": config.temporal_namespace,
            "STAGING_RAY_ADDRESS": self.ray_address,
            "STAGING_NODE_PROVIDER": config.node_provider,
            "STAGING_RAY_CLUSTER": _absolute(config) or "",
            **self._tls_environment(),
        }

    def _tls_environment(self) -> dict[str, str]:
        """Return the certificates' files; our processes run in another folder than the caller."""
        files = {
            "STAGING_FLIGHT_TLS_CERT": self.settings.flight_tls_cert,
            "STAGING_FLIGHT_TLS_KEY": self.settings.flight_tls_key,
            "STAGING_FLIGHT_TLS_CLIENT_CA": self.settings.flight_tls_client_ca,
        }
        return {name: str(file.absolute()) for name, file in files.items() if file is not None}

    def environment(self) -> dict[str, str]:
        """Return the whole environment of our own processes."""
        dropped = {
            name
            for part, names in _MISLEADING.items()
            if part not in self.options.existing
            for name in names
        }
        return (
            {name: value for name, value in os.environ.items() if name not in dropped}
            | self.public_environment()
            | secret_environment(self.secrets, self.settings, self.options.existing)
            | {
                "STAGING_CATALOG_URL": self.catalog_url,
                "STAGING_READY_FILE": str(self.folder.ready_file),
                "RAY_USAGE_STATS_ENABLED": "0",
                "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
                "PYTHONUNBUFFERED": "1",
                "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), LOOPBACK))),
            }
        )

    def ray_environment(self) -> dict[str, str]:
        """Return the environment of Ray and so of the extraction tasks."""
        own = self.environment() | _FEW_ARENAS
        return {name: value for name, value in own.items() if name not in _NOT_FOR_RAY}


def _absolute(config: Settings) -> str | None:
    """Give the cluster as other folders name it, too."""
    if config.node_provider == "ray-up" and config.ray_cluster:
        return str(Path(config.ray_cluster).absolute())
    return config.ray_cluster


def secret_environment(
    secrets: Secrets, settings: Settings, existing: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that carry keys; an existing part's own come from the caller."""
    given = settings.ticket_key.get_secret_value() if settings.ticket_key else None
    environment = {"STAGING_TICKET_KEY": given or secrets.ticket_key}
    if "s3" not in existing:
        environment["AWS_ACCESS_KEY_ID"] = secrets.s3_access_key
        environment["AWS_SECRET_ACCESS_KEY"] = secrets.s3_secret_key
    if "ray" not in existing:
        environment |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(secrets.ray_token_path),
        }
    return environment


def lay_out(
    settings: Settings, options: UpOptions, folder: StateFolder, last: Run | None, book: PortBook
) -> Layout:
    """Choose ports and load keys; the ports of the last start are preferred, for old links.

    Raises PortTaken if the API's port is not free: people know the service by it; StackError for
    a host that would open the servers to strangers.
    """
    try:
        settings.listen_host  # noqa: B018  # asked before anything starts
    except InsecureBind as refused:
        raise StackError(str(refused)) from refused
    keep_catalog_url(folder.secrets, options.existing.get("catalog", settings.catalog_url))
    ports, notices = choose_ports(settings, options, last.ports if last else {}, book)
    return Layout(
        folder=folder,
        settings=settings,
        options=options,
        secrets=load_secrets(folder.secrets),
        ports=ports,
        notices=notices,
        ray_folder=_ray_folder(folder, last),
    )


def _ray_folder(folder: StateFolder, last: Run | None) -> Path:
    """Return a short folder: below the state folder if that is short, else a temporary one."""
    if len(str(folder.ray)) <= _LONGEST_RAY_FOLDER:
        return folder.ray
    kept = Path(last.ray_folder) if last and last.ray_folder else None
    if kept is not None and kept.is_dir() and kept.stat().st_uid == os.getuid():
        return kept
    made = Path(tempfile.mkdtemp(prefix="staging-ray-"))
    if len(str(made)) > _LONGEST_RAY_FOLDER:
        made.rmdir()
        raise StackError(f"{made} is too long for Ray's sockets; set TMPDIR to a shorter folder")
    return made
