"""What is wrong with a value in a configuration file, and what to write instead. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from pydantic_core import ErrorDetails

from tracker.rules.similar_names import suggest

_NAME = re.compile(r"'([^']*)'")
# Quotation marks as word processors set them.
# What people write on a line that is not TOML, and what to write instead.
_HABITS = (
    (re.compile("[\u2018\u2019\u201c\u201d]"), 'write straight quotation marks (")'),
    (re.compile(r"=\s*\d+/\d+/\d+"), "write a date as year-month-day, without slashes"),
    (re.compile(r"=\s*\d+,\d"), "write a period before decimals, and no commas: 1187.50"),
    (re.compile(r"=\s*\d+:\d\d"), "write hours as a number: 1.5 for an hour and a half"),
    (re.compile(r"=\s*\d\d?-\d\d?\s*(#|$)"), 'write a day of the year in quotes: "03-31"'),
    (re.compile(r"=\s*(True|False|yes|no)\b"), "write true or false, in lower case"),
    (re.compile(r'\[[^\]]*"\s+"'), "write a comma between the items of a list"),
)
_LIST_HEADER = re.compile(r"\[\[\s*(.+?)\s*\]\]")
_PLACE = re.compile(r"\(at line (\d+), column \d+\)")
_WRITTEN: Mapping[str, str] = {
    "int_type": "write a whole number, without quotes",
    "int_from_float": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "bool_type": "write true or false, without quotes",
    "missing": "is missing: add it",
    "greater_than": "write a number that is more than {gt}",
    "greater_than_equal": "write {ge} or more",
    "less_than": "write a number that is less than {lt}",
    "less_than_equal": "write {le} or less",
    "string_too_short": "is empty: write at least {min_length} character",
    "too_short": "is empty: list at least {min_length}, or leave the key out",
}


def describe_value_error(details: ErrorDetails) -> str:
    """What to write instead of a wrong value; pydantic's own words for what is rarely wrong."""
    kind, context = details["type"], details.get("ctx", {})
    # Our own validators raise ValueError, which pydantic keeps in the context.
    if "error" in context:
        return str(context["error"])
    if words := _WRITTEN.get(kind):
        limits = {
            name: f"{limit:g}" if isinstance(limit, float) else limit
            for name, limit in context.items()
        }
        return words.format(**limits)
    describe = _DESCRIBED.get(kind)
    return describe(details) if describe else str(details["msg"])


def _describe_text(details: ErrorDetails) -> str:
    value = details["input"]
    if isinstance(value, date) and not isinstance(value, datetime):
        return f'write the words in quotes; a day of a year is "{value:%m-%d}"'
    return "write it in quotes"


def _describe_day(details: ErrorDetails) -> str:
    try:
        day = date.fromisoformat(str(details["input"]))
    except ValueError:
        return "write a date as year-month-day, without quotes"
    return f"write the date without quotes: {day}"


def _name_table(details: ErrorDetails) -> str:
    """The name of a table or list of tables as its header has it: ``requirements.values``."""
    return ".".join(step for step in details["loc"] if isinstance(step, str))


def _describe_list(details: ErrorDetails) -> str:
    """A table where a list is, or a single value."""
    value, name = details["input"], _name_table(details)
    if isinstance(value, dict):
        return f"is a list of tables: write [[{name}]], with two brackets on each side"
    return f'write a list in brackets, such as ["{value}"]'


def _describe_table(details: ErrorDetails) -> str:
    value, name = details["input"], _name_table(details)
    if isinstance(value, list):
        return f"is one table: write [{name}], with one bracket on each side"
    return "write a table: its keys with their values, in braces"


def _describe_choice(details: ErrorDetails) -> str:
    expected = str(details["ctx"]["expected"])
    suggestion = suggest(str(details["input"]), _NAME.findall(expected))
    return f"write {expected}" + (f" ({suggestion})" if suggestion else "")


_DESCRIBED: Mapping[str, Callable[[ErrorDetails], str]] = {
    "string_type": _describe_text,
    "date_type": _describe_day,
    "date_from_datetime_inexact": _describe_day,
    "tuple_type": _describe_list,
    "model_type": _describe_table,
    "dict_type": _describe_table,
    "literal_error": _describe_choice,
}


def _describe_repetition(line: str) -> str:
    """A key that is there already, or the header of a list of which another item is a table."""
    if header := _LIST_HEADER.match(line):
        name = header[1]
        return f"[{name}] is further up: write [[{name}]] there too, with two brackets on each side"
    return "the table has this key already, so remove one of them"


def describe_toml_error(error: ValueError, text: str) -> str:
    """Why a text is not TOML, with the line that is wrong, and what to write if that is known."""
    found: Any = _PLACE.search(str(error))
    if found is None:
        return f"is not TOML: {error}"
    line = text.split("\n")[int(found[1]) - 1].strip()
    reason = f"is not TOML: {error}, in {line[:100]!r}"
    for habit, advice in _HABITS:
        if habit.search(line):
            return f"{reason}: {advice}"
    if "overwrite" in str(error):
        return f"{reason}: {_describe_repetition(line)}"
    if line.count('"') % 2:
        return f"{reason}: a quotation mark is missing"
    return reason
