"""Find a running stack again from its state folder: for other commands, the demo and tests."""

from staging.local.errors import StackNotRunning
from staging.local.folder import StateFolder
from staging.local.layout import Layout
from staging.local.options import UpOptions
from staging.local.port_choice import Ports
from staging.local.runfile import PartState, Run, living_run
from staging.local.seaweed import PREFERRED, SeaweedPorts
from staging.local.secret_files import load_secrets
from staging.settings import Settings, settings


def running_layout(folder: StateFolder) -> Layout:
    """Describe the running stack as its supervisor does; raises StackNotRunning."""
    run = living_run(folder)
    if run is None:
        raise StackNotRunning()
    return layout_of(folder, run)


def layout_of(folder: StateFolder, run: Run) -> Layout:
    """Describe the stack of one run."""
    given = {
        name.removeprefix("STAGING_").lower(): value for name, value in run.environment.items()
    }
    existing = {
        each.name: each.url for each in run.parts if each.state is PartState.EXTERNAL and each.url
    }
    secrets = load_secrets(folder.secrets)
    if secrets.catalog_url is not None:
        existing["catalog"] = secrets.catalog_url
    ports = dict(run.ports)
    ours = (
        "temporal",
        "temporal_ui",
        "ray",
        "flight_metrics",
        "worker_metrics",
        "temporal_metrics",
    )
    chosen = Settings.model_validate(given)
    return Layout(
        folder=folder,
        settings=chosen,
        options=UpOptions(chosen.port, existing),
        secrets=secrets,
        ports=Ports(
            api=chosen.port,
            flight=chosen.flight_port,
            s3=SeaweedPorts(**{role: ports.get(role, 0) for role in PREFERRED}),
            **{name: ports.get(name, 0) for name in ours},
        ),
        notices=run.notices,
        ray_folder=folder.ray,
    )


def local_api_url() -> str:
    """Return the API's root on this machine: the running stack's, else that of the settings."""
    config = settings()
    run = living_run(StateFolder(config.state_dir.absolute()))
    if run is not None:
        return next(str(part.url) for part in run.parts if part.name == "api")
    return f"http://{config.host}:{config.port}"
