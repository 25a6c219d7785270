"""`tracker config`: the settings in force, where each comes from, and no secret."""

import sys
import tomllib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from tracker.failures.setting_names import hide_passwords, variable_of
from tracker.settings import configuration_folder, load_settings


def run() -> None:
    """Print each setting as ``name = value``, with its source behind it."""
    settings = load_settings()
    file = configuration_folder() / "tracker.toml"
    written = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    rows = [(f"{name} = {value}", _source(path, written)) for name, value, path in _rows(settings)]
    width = max(len(row) for row, _ in rows)
    sys.stdout.writelines(f"{row:<{width}}  # {source}\n" for row, source in rows)
    found = "" if file.is_file() else " (which does not exist)"
    sys.stdout.write(f"\ntracker.toml is {file}{found}\n")


def _rows(part: BaseModel, above: tuple[str, ...] = ()) -> Iterator[tuple[str, str, list[str]]]:
    """Name, value and path of each setting, the parts of a part in place of the part."""
    for name, value in part:
        path = [*above, name]
        if isinstance(value, BaseModel):
            yield from _rows(value, tuple(path))
        elif isinstance(value, tuple):
            yield from _several(value, path)
        else:
            yield ".".join(path), _shown(value), path


def _several(
    values: tuple[BaseModel, ...], path: list[str]
) -> Iterator[tuple[str, str, list[str]]]:
    name = ".".join(path)
    if not values:
        yield name, "none", path
    for number, value in enumerate(values, 1):
        yield f"{name}[{number}]", ", ".join(f"{key} {text}" for key, text in value), path


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a setting can be
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return hide_passwords(text) if "://" in text else "***"
    if isinstance(value, dict):
        return ", ".join(f"{key} {text}" for key, text in value.items()) or "none"
    return str(value)


def _source(path: list[str], written: dict[str, Any]) -> str:
    variable = variable_of(path)
    if variable is not None:
        return variable
    part: Any = written
    for step in path:
        if not isinstance(part, dict) or step not in part:
            return "default"
        part = part[step]
    return "tracker.toml"
