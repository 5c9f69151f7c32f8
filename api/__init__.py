"""The HTTP service: FastAPI over the catalog, the sources and the signer of links."""

PREFIX = "/api/v1/staging"
