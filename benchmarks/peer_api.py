"""A bare FastAPI route that reads one row by SQLAlchemy, served as our API is.

`python -m benchmarks.peer_api CATALOG_URL PORT` serves GET /jobs/{job_id}/chunks/{index}.
"""

import sys
from typing import Any

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, HTTPException

from api.serving import serving

_ROW = sa.text("SELECT * FROM chunks WHERE job_id = :job_id AND chunk_index = :chunk_index")


def bare_app(catalog_url: str) -> FastAPI:
    """Do what FastAPI's and SQLAlchemy's own tutorials do, with a connection for each thread."""
    app = FastAPI()
    url = sa.make_url(catalog_url)
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, pool_size=40)

    @app.get("/jobs/{job_id}/chunks/{chunk_index}")
    def read_chunk(job_id: str, chunk_index: int) -> dict[str, Any]:
        with engine.connect() as connection:
            asked = {"job_id": job_id, "chunk_index": chunk_index}
            row = connection.execute(_ROW, asked).mappings().one_or_none()
        if row is None:
            raise HTTPException(404)
        return dict(row)

    return app


if __name__ == "__main__":
    uvicorn.Server(serving(bare_app(sys.argv[1]), "127.0.0.1", int(sys.argv[2]))).run()
