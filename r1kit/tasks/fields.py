"""Fields of a row, with errors that name the place and the next move."""

from __future__ import annotations

from r1kit.core.errors import DataError
from r1kit.core.nearest import did_you_mean
from r1kit.tasks.rows import Row

_LONGEST_SHOWN = 60


def require(row: Row, column: str, needed: str, option: str) -> object:
    """The value in `column`, which may be None.

    Args:
        row: where to look.
        column: the name the configuration gives.
        needed: what each line needs, in words.
        option: the configuration field that maps this column.

    Raises:
        DataError: the row has no such column.
    """
    if column in row.values:
        return row.values[column]
    raise DataError(
        f'{row.place}: field "{column}" is missing; each line needs {needed}; this one has '
        f"{', '.join(row.values) or 'no fields'}{did_you_mean(column, row.values)} (columns are mapped with {option})"
    )


def wrong_type(row: Row, column: str, value: object, wanted: str) -> DataError:
    """The error for a value of another type than `wanted`."""
    shown = repr(value)
    shown = shown if len(shown) <= _LONGEST_SHOWN else shown[:_LONGEST_SHOWN] + "..."
    return DataError(f'{row.place}: field "{column}" is {shown}, not {wanted}')


def text_in(row: Row, column: str, value: object) -> str:
    """`value` as text; None gives the empty text.

    Raises:
        DataError: it is neither a string nor None.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong_type(row, column, value, "a string")
    return value


def row_id(row: Row, column: str, is_asked_for: bool) -> str:
    """The row's own id, or its number in the source when it has none and no column was asked for.

    Raises:
        DataError: the column that was asked for is missing, or an id is neither a string nor a whole number.
    """
    value = require(row, column, column, "columns.id") if is_asked_for else row.values.get(column)
    if value is None or value == "":
        return row.name
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise wrong_type(row, column, value, "a string or a whole number")
    return str(value)


class IdRegister:
    """The ids that were seen, and where."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}

    def add(self, name: str, place: str) -> None:
        """Notes an id.

        Raises:
            DataError: another row has it.
        """
        first = self._places.setdefault(name, place)
        if first != place:
            raise DataError(f'{place}: id "{name}" was used before, at {first}; ids must be unique')
