"""From a TOML text to a rulebook, or to every problem in it at once."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tracker.rules.consistency import inconsistencies, repeated
from tracker.rules.schema import Organizations, Rulebook

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a configuration file: where it is, and why it is one."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        """The line that a person reads."""
        return f"{self.file}: {self.key}: {self.reason}"


def parse_rulebook(text: str, file: str) -> tuple[Rulebook | None, list[Problem]]:
    """Read a rulebook; where there are problems there is no rulebook."""
    rulebook, problems = parse(Rulebook, text, file)
    if rulebook is not None:
        problems = [Problem(file, key, reason) for key, reason in inconsistencies(rulebook)]
    return (None, problems) if problems else (rulebook, [])


def parse_organizations(text: str, file: str) -> tuple[Organizations | None, list[Problem]]:
    """Read the file of organizations."""
    found, problems = parse(Organizations, text, file)
    if found is not None:
        twice = repeated("organizations", [o.id for o in found.organizations])
        problems = [Problem(file, key, reason) for key, reason in twice]
    return (None, problems) if problems else (found, [])


def parse(model: type[Model], text: str, file: str) -> tuple[Model | None, list[Problem]]:
    """Read ``text`` as TOML of the form ``model``; all problems at once."""
    try:
        return model.model_validate(tomllib.loads(text)), []
    except tomllib.TOMLDecodeError as error:
        return None, [Problem(file, "the whole file", f"is not TOML: {error}")]
    except ValidationError as error:
        return None, [
            Problem(file, _key(found["loc"]), _reason(found["msg"], found["input"]))
            for found in _first_causes(error.errors())
        ]


def _first_causes(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """All but those that follow from others: a list whose items are wrong is not empty."""
    for error in errors:
        place = error["loc"]
        inside = (e for e in errors if e["loc"][: len(place)] == place and e["loc"] != place)
        if error["type"] != "too_short" or not any(inside):
            yield error


def _key(location: tuple[int | str, ...]) -> str:
    text = ""
    for step in location:
        # People count from one.
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".") or "the whole file"


def _reason(message: str, value: object) -> str:
    shown = "" if isinstance(value, dict | list | tuple | BaseModel) else f" (found {value!r})"
    return message.removeprefix("Value error, ") + shown
