"""The two forms of a chunk, and which one a request wants (RFC 9110, section 12.5.1)."""

PARQUET = "application/vnd.apache.parquet"
ARROW_STREAM = "application/vnd.apache.arrow.stream"


def wants_arrow(accept: str) -> bool:
    """Tell whether Accept names Arrow's stream, and Parquet not before it.

    What accepts neither is given Parquet: the form that is stored.
    """
    weights = dict(_weighed(each) for each in accept.split(","))
    arrow = weights.get(ARROW_STREAM, 0.0)
    return 0 < arrow >= weights.get(PARQUET, 0.0)


def _weighed(text: str) -> tuple[str, float]:
    media_type, *parameters = (each.strip().lower() for each in text.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return media_type, float(weight)
    except ValueError:
        return media_type, 1.0
