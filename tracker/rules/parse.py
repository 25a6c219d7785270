"""Reads configuration files: all errors at once, with file, key, line, and reason."""

import re
import tomllib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tracker.rules.consistency import ConsistencyCheck
from tracker.rules.fee_checks import list_repetitions
from tracker.rules.model import Organizations, Rulebook
from tracker.rules.silent_errors import list_silent_errors
from tracker.rules.similar_names import suggest
from tracker.rules.toml_lines import TomlLines
from tracker.rules.value_errors import describe_toml_error, describe_value_error

ConfigModel = TypeVar("ConfigModel", bound=BaseModel)
# A rulebook's own tables and values, for the rest of a file in which these are wrong or missing.
_PLACEHOLDERS: dict[str, Any] = {
    "id": "X",
    "name": "X",
    "time_zone": "UTC",
    "categories": {"X": {"name": "X"}},
}


@dataclass(frozen=True, slots=True)
class RulebookProblem:
    """One error in a configuration file: where it is, and what is wrong.

    ``place`` has the requirement's id and the line, if they are known.
    """

    file: str
    key: str
    reason: str
    place: str = ""

    def __str__(self) -> str:
        place = f" ({self.place})" if self.place else ""
        return f"{self.file}: {self.key}: {self.reason}{place}"


def parse_rulebook(text: str, file: str) -> tuple[Rulebook | None, list[RulebookProblem]]:
    """Read a rulebook; if there are problems, there is no rulebook.

    What is right in a file that has errors is checked too, so that all are reported at once.
    """
    data, problems = _read_toml(text, file)
    return (None, problems) if data is None else check_rulebook(data, file, text)


def check_rulebook(
    data: Mapping[str, Any], file: str, text: str = ""
) -> tuple[Rulebook | None, list[RulebookProblem]]:
    """The rulebook that a file holds as ``data``; ``text`` gives problems their lines.

    Without ``text`` it is another reading of a file, which may leave unused what the file has.
    """
    rulebook, errors = _validate(Rulebook, data)
    found = list(_describe(Rulebook, errors))
    rest, numbers = rulebook, dict[str, list[int]]()
    if rest is None:
        right, numbers = _leave_out(data, errors)
        rest, _ = _validate(Rulebook, right)
    if rest is not None:
        in_file = {**dict.fromkeys(_PLACEHOLDERS), **data}
        check = ConsistencyCheck(rest, in_file, numbers)
        check.run()
        found += check.problems
        if text:
            found += list_silent_errors(rest, in_file, numbers)
    problems = _locate(found, data, text, file)
    return (None, problems) if problems else (rulebook, [])


def parse_organizations(text: str, file: str) -> tuple[Organizations | None, list[RulebookProblem]]:
    """Read the file of organizations."""
    organizations, problems = parse(Organizations, text, file)
    if organizations is not None:
        for reason in list_repetitions(o.id for o in organizations.organizations):
            problems.append(RulebookProblem(file, "organizations", reason))
    return (None, problems) if problems else (organizations, [])


def parse(
    model: type[ConfigModel], text: str, file: str
) -> tuple[ConfigModel | None, list[RulebookProblem]]:
    """Read ``text`` as TOML of the form ``model``."""
    data, problems = _read_toml(text, file)
    if data is None:
        return None, problems
    parsed, errors = _validate(model, data)
    lines = TomlLines(text)
    return parsed, [
        RulebookProblem(file, key, reason, *_name_line(key, lines))
        for key, reason in _describe(model, errors)
    ]


def _read_toml(text: str, file: str) -> tuple[dict[str, Any] | None, list[RulebookProblem]]:
    try:
        data = tomllib.loads(text)
        if not _is_nested_too_deeply(data):
            return data, []
        reason = _TOO_DEEP
    except RecursionError:
        reason = _TOO_DEEP
    except ValueError as error:  # Also numbers with thousands of digits, not only wrong TOML.
        reason = describe_toml_error(error, text)
    return None, [RulebookProblem(file, "the whole file", reason)]


_TOO_DEEP = "is nested too deeply: write lists within lists at most three deep"
# Tables and lists within each other. The deepest key of a rulebook is in half as many.
_DEEPEST = 20


def _is_nested_too_deeply(data: object) -> bool:
    level = [data]
    for _ in range(_DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict | list):
                below += value.values() if isinstance(value, dict) else value
        level = below
    return bool(level)


def _validate(
    model: type[ConfigModel], data: Mapping[str, Any]
) -> tuple[ConfigModel | None, list[ErrorDetails]]:
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, error.errors()


def _describe(model: type[BaseModel], errors: list[ErrorDetails]) -> Iterable[tuple[str, str]]:
    """The key and the reason of each error."""
    for details in errors:
        if _follows_from_another(details, errors):
            continue
        reason = _describe_error(model, details) + _format_found(details["input"])
        yield _format_location(details), reason


def _describe_error(model: type[BaseModel], details: ErrorDetails) -> str:
    if details["type"] == "extra_forbidden":
        return _describe_unknown_key(model, details["loc"])
    if details["type"] == "string_pattern_mismatch":
        return (
            "must begin with a letter or digit, and otherwise have only letters, digits, "
            "periods, slashes, and hyphens"
        )
    return describe_value_error(details)


def _format_found(value: object) -> str:
    """The wrong value in parentheses; empty for a table or list."""
    if isinstance(value, dict | list | tuple | BaseModel):
        return ""
    return f" (found {value if isinstance(value, date) else repr(value)})"


def _describe_unknown_key(model: type[BaseModel], location: Sequence[int | str]) -> str:
    keys = _list_keys(model, location[:-1])
    if suggestion := suggest(str(location[-1]), keys):
        return f"is not a key here: {suggestion}"
    return f"is not a key here; the keys are {', '.join(keys)}"


def _list_keys(annotation: Any, steps: Sequence[int | str]) -> list[str]:  # noqa: ANN401 - a type
    """The keys of the table to which ``steps`` lead."""
    for step in steps:
        arguments = [each for each in get_args(annotation) if each is not type(None)]
        origin = get_origin(annotation)
        if origin is tuple:
            annotation = arguments[0]
        elif origin is dict:
            annotation = arguments[1]
        else:
            annotation = _fields(annotation)[str(step)]
    return list(_fields(annotation))


def _fields(annotation: Any) -> dict[str, Any]:  # noqa: ANN401 - a type
    """The keys of a table, which may be optional, and the type of each."""
    optional = (each for each in get_args(annotation) if issubclass(each, BaseModel))
    model: type[BaseModel] = next(optional, annotation)
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _follows_from_another(details: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """Whether a list is only "too short" because its items are wrong."""
    place = details["loc"]
    return details["type"] == "too_short" and any(
        other["loc"] != place and other["loc"][: len(place)] == place for other in errors
    )


def _format_location(details: ErrorDetails) -> str:
    """``requirements[3].values[1].hours``, counted from one."""
    text = ""
    for step in details["loc"]:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            text += f".{step}" if text else step
    return text or "the whole file"


def _leave_out(
    data: Mapping[str, Any], errors: Sequence[ErrorDetails]
) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """The file without the tables that have errors, and the places of the list items left."""
    # An error is about a part of a table or list, or (one step) about the whole value.
    wrong = {details["loc"][:2] for details in errors}
    right, numbers = dict(_PLACEHOLDERS), dict[str, list[int]]()
    for name, value in data.items():
        if (name,) in wrong:
            continue
        if isinstance(value, list):
            places = [place for place in range(len(value)) if (name, place) not in wrong]
            numbers[name] = [place + 1 for place in places]
            right[name] = [value[place] for place in places]
        else:
            right[name] = _leave_out_keys(name, value, wrong)
    return right, numbers


def _leave_out_keys(name: str, value: Any, wrong: Container[object]) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        return value
    return {key: part for key, part in value.items() if (name, key) not in wrong}


def _name_line(key: str, lines: TomlLines) -> list[str]:
    line = lines.find(key)
    return [f"line {line}"] if line else []


def _name_requirement(key: str, data: Mapping[str, Any]) -> list[str]:
    match = _REQUIREMENT.match(key)
    requirement = data["requirements"][int(match[1]) - 1] if match else None
    if isinstance(requirement, dict) and "id" in requirement:
        return [f"requirement {requirement['id']!r}"]
    return []


_REQUIREMENT = re.compile(r"requirements\[(\d+)\]")
# Problems of several requirements of one category together.
_TOGETHER = re.compile(r"(renewal|application|reinstatement) requirements of [^:]+(?:: )?(\S*)")


def _list_together(key: str, reason: str, data: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    """Ids and numbers of the requirements that a problem of several of them names."""
    match = _TOGETHER.fullmatch(key)
    if match is None:
        return
    numbered = [
        (each["id"], number)
        for number, each in enumerate(data["requirements"], 1)
        if isinstance(each, dict) and "id" in each and each.get("of", "renewal") == match[1]
    ]
    # In the key of a problem, a requirement's id can be followed by a key of it.
    first = match[2] if match[2] in dict(numbered) else match[2].rpartition(".")[0]
    named = {first, *re.findall(r"'([^']+)'", reason)}
    yield from (each for each in numbered if each[0] in named)


def _locate(
    found: Iterable[tuple[str, str]], data: Mapping[str, Any], text: str, file: str
) -> list[RulebookProblem]:
    """The problems with the line of each, and the id of the requirement."""
    lines = TomlLines(text)
    problems = []
    for key, reason in found:
        places = [*_name_requirement(key, data), *_name_line(key, lines)]
        for name, number in _list_together(key, reason, data):
            line = lines.find(f"requirements[{number}]")
            places.append(f"requirement {name!r} in line {line}")
        problems.append(RulebookProblem(file, key, reason, ", ".join(places)))
    return problems
