"""Write the OpenAPI document: `python -m api.openapi [PATH]`, docs/openapi.json by default."""

import json
import sys
from pathlib import Path

from api.app import routed_app

DEFAULT_PATH = Path("docs/openapi.json")


def openapi_text() -> str:
    """Give the document as it is committed; no part of the service is needed for it."""
    return json.dumps(routed_app().openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH).write_text(openapi_text())
