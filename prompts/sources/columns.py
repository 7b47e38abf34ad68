"""Which column of a table holds the prompts."""

from infra.errors import InputError

_USUAL_NAMES = (
    *("text", "prompt", "caption", "prompts", "captions", "content", "description"),
    *("iiw", "sentence", "original_text", "main_content", "prompt_text"),
)
"""In order of preference; case does not count."""


def choose_column(text_columns: list[str], columns: list[str], where: str) -> str:
    """The column with a usual name, or the only one that holds text.

    Args:
        text_columns: columns that hold strings.
        columns: all, for the message: their names, and what they hold where that is known.
        where: the file, for the message.

    Raises:
        InputError: there is no such column, or there are several and none has a usual name.
    """
    for usual in _USUAL_NAMES:
        for name in text_columns:
            if name.casefold() == usual:
                return name
    if len(text_columns) == 1:
        return text_columns[0]
    if columns and not text_columns:
        raise InputError(
            f"{where}: no column holds text; there are: {', '.join(columns)}", "the prompts have to be strings"
        )
    raise InputError(
        f"{where}: which column holds the prompts? There are: {', '.join(columns) or 'none'}",
        "name it in the recipe: {path: …, field: COLUMN}",
    )
