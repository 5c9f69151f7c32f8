"""Quote names and texts for Postgres."""


def quote_name(name: str) -> str:
    """Quote an identifier, whatever it contains."""
    return '"' + _checked(name).replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    r"""Quote a text; with a backslash as E'…', so that no server setting changes its meaning."""
    doubled = _checked(text).replace("'", "''")
    if "\\" in doubled:
        return "E'" + doubled.replace("\\", "\\\\") + "'"
    return f"'{doubled}'"


def _checked(text: str) -> str:
    if "\0" in text:
        raise ValueError("Postgres has no NUL in names and texts")
    return text
