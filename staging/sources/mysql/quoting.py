r"""Quote names and texts for MySQL; with an empty sql_mode `\` escapes in texts."""

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "''"})


def quote_name(name: str) -> str:
    """Quote an identifier, whatever it contains."""
    return "`" + _checked(name).replace("`", "``") + "`"


def quote_literal(text: str) -> str:
    """Quote a text; the session's characters are utf8mb4."""
    return f"'{_checked(text).translate(_ESCAPES)}'"


def _checked(text: str) -> str:
    if "\0" in text:
        raise ValueError("MySQL has no NUL in names, and texts that a filter names have none")
    return text
