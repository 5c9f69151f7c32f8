"""Say to the Delta library where a table in S3 is, and how its store is asked."""

import os
from collections.abc import Mapping
from urllib.parse import quote

from staging.sources.s3_prefix import S3Prefix

_TOKEN = "AWS_SESSION_TOKEN"  # noqa: S105 - a variable's name
_PATIENCE = {
    "connect_timeout": "2s",
    "timeout": "30s",
    "max_retries": "1",
    "retry_timeout": "30s",
}


def table_url(place: S3Prefix, path: str) -> str:
    """Give the URL of a table below the prefix."""
    return quote(str(place) if path == "." else f"{place}/{path}", safe=":/")


def storage_options(place: S3Prefix, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give the options of the library's store.

    Each one is named that it would else take from the environment, where the service's own are.
    """
    endpoint = place.endpoint or f"https://s3.{place.region}.amazonaws.com"
    if place.addressing == "virtual":  # the library puts the bucket nowhere then
        scheme, _, host = endpoint.partition("://")
        endpoint = f"{scheme}://{place.bucket}.{host}"
    options = _PATIENCE | {
        "aws_endpoint_url": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "aws_region": place.region,
        "aws_virtual_hosted_style_request": str(place.addressing == "virtual").lower(),
        "aws_allow_http": str(endpoint.startswith("http://")).lower(),
        "aws_skip_signature": str(place.keys is None).lower(),
        "aws_s3_express": "false",
    }
    if place.keys is not None:
        options["aws_access_key_id"], options["aws_secret_access_key"] = place.keys
    if environment.get(_TOKEN):
        options["aws_session_token"] = ""
    return options
