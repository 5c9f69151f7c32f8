"""Record the histories of finished workflows: `python -m tests.replay.record NAME=JOB_ID …`.

Reads Temporal at STAGING_TEMPORAL_ADDRESS and writes `histories/NAME.json`; run of a job that
continued as new is the last one.
"""

import asyncio
import json
import re
import sys
from pathlib import Path

from temporalio.client import Client

from staging.settings import settings

HISTORIES = Path(__file__).with_name("histories")
_MACHINE = re.compile(r'("(?:identity|stackTrace)":")(?:[^"\\]|\\.)*(")')
"""What tells of the machine that recorded; replaced, as a replay does not read it."""


async def record(name: str, job_id: str) -> None:
    """Write one history."""
    chosen = settings()
    client = await Client.connect(chosen.temporal_address, namespace=chosen.temporal_namespace)
    history = await client.get_workflow_handle(job_id).fetch_history()
    HISTORIES.mkdir(exist_ok=True)
    text = json.dumps(json.loads(history.to_json()), separators=(",", ":"))
    (HISTORIES / f"{name}.json").write_text(_MACHINE.sub(r"\1-\2", text) + "\n")


async def main(words: list[str]) -> None:
    """Record each NAME=JOB_ID."""
    for word in words:
        name, _, job_id = word.partition("=")
        await record(name, job_id)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
