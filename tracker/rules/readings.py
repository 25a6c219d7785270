"""Another reading of an interpretation, as the rulebook that would follow from it. Pure.

An alternative names the parts of its rulebook that would change, by the paths that error messages
use: ``cycles[1].first_cycle``, ``providers.rsc.accepts[2].until``.
"""

import re
from collections.abc import Iterator
from typing import Any

from tracker.rules.model import Alternative, Interpretation, Rulebook
from tracker.rules.parse import RulebookProblem, check_rulebook

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
# What can be a part of another reading: names and words stay.
_PARTS = ("cycles", "absences", "providers", "memberships", "requirements")


class UnknownPlaceError(Exception):
    """A path that leads nowhere in its rulebook."""


def find_alternative(
    rulebook: Rulebook, interpretation_id: str, reading: int
) -> tuple[Interpretation, Alternative] | None:
    """An interpretation with the alternative that another reading of it is; None without one."""
    for interpretation in rulebook.interpretations:
        if interpretation.id == interpretation_id:
            for alternative in interpretation.alternatives:
                if alternative.reading == reading:
                    return interpretation, alternative
    return None


def take_reading(
    rulebook: Rulebook, alternative: Alternative, file: str
) -> tuple[Rulebook | None, list[RulebookProblem]]:
    """The rulebook with another reading, checked like a file; without it if there are problems."""
    data = _to_lists(rulebook.model_dump(by_alias=True, exclude_unset=True))
    try:
        for path, value in alternative.changes.items():
            # A copy, as later paths may lead into it.
            _put(data, path, _to_lists(value))
        # The last first: what is removed from a list moves all that follows it.
        for path in sorted(alternative.remove, key=_sort_key, reverse=True):
            _remove(data, path)
    except UnknownPlaceError as error:
        return None, [RulebookProblem(file, str(error), "is not in this file")]
    return check_rulebook(data, file)


def list_reading_problems(rulebook: Rulebook, file: str) -> Iterator[RulebookProblem]:
    """What is wrong with the alternatives of a rulebook, each taken by itself."""
    for number, interpretation in enumerate(rulebook.interpretations, 1):
        for place, alternative in enumerate(interpretation.alternatives, 1):
            _, problems = take_reading(rulebook, alternative, file)
            for problem in problems:
                key = f"interpretations[{number}].alternatives[{place}]"
                reason = f"reading {alternative.reading} of {interpretation.id!r} gives no valid "
                reason += f"rulebook: {problem.key}: {problem.reason}"
                yield RulebookProblem(problem.file, key, reason)


def _to_lists(value: Any) -> Any:  # noqa: ANN401 - what TOML can hold
    if isinstance(value, dict):
        return {key: _to_lists(part) for key, part in value.items()}
    return [_to_lists(part) for part in value] if isinstance(value, tuple | list) else value


def _parse_path(path: str) -> list[str | int]:
    """The steps of ``cycles[1].first_cycle``; places in lists count from zero here."""
    steps: list[str | int] = []
    for name, number in _STEP.findall(path):
        steps.append(name or int(number) - 1)
    if not steps or steps[0] not in _PARTS:
        raise UnknownPlaceError(path)
    return steps


def _sort_key(path: str) -> list[str]:
    """The steps of a path as texts, in which a list's second item comes before its tenth."""
    return [f"{step:>9}" for step in _parse_path(path)]


def _find_parent(data: Any, path: str) -> tuple[Any, str | int]:  # noqa: ANN401
    """The table or list that holds what a path leads to, and the last step."""
    *steps, last = _parse_path(path)
    for step in steps:
        data = _step_into(data, step, path)
    return data, last


def _step_into(data: Any, step: str | int, path: str) -> Any:  # noqa: ANN401
    try:
        return data[step] if not isinstance(step, int) or step >= 0 else data[None]
    except (KeyError, IndexError, TypeError) as error:
        raise UnknownPlaceError(path) from error


def _put(data: Any, path: str, value: Any) -> None:  # noqa: ANN401
    parent, last = _find_parent(data, path)
    if isinstance(last, int):
        _step_into(parent, last, path)
    elif not isinstance(parent, dict):
        raise UnknownPlaceError(path)
    parent[last] = value


def _remove(data: Any, path: str) -> None:  # noqa: ANN401
    parent, last = _find_parent(data, path)
    _step_into(parent, last, path)
    del parent[last]
