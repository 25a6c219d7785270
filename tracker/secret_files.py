"""Secrets in files: each secret setting can be in the file that a variable ``…_FILE`` names.

Container engines and systemd hand secrets to a program as files, which no other process sees, as it
would see the environment. Which settings are secrets follows from the model of the settings.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from tracker.errors import UserError

SUFFIX = "_FILE"
# No secret is longer, and a device never ends.
_MOST_BYTES = 65_536

SettingPath = tuple[str, ...]


class SecretFileError(UserError):
    """A file that holds a secret can't be used."""


def list_file_variables(
    model: type[BaseModel], prefix: str, parents: SettingPath = ()
) -> Iterator[tuple[SettingPath, str]]:
    """Each secret setting of ``model`` (its path), and the variable that names its file.

    A secret whose file is a setting of its own, beside it, is left out.
    """
    for name, field in model.model_fields.items():
        path = (*parents, name)
        kinds = (field.annotation, *get_args(field.annotation))
        if SecretStr in kinds and f"{name}{SUFFIX.lower()}" not in model.model_fields:
            yield path, f"{prefix}{'__'.join(path).upper()}{SUFFIX}"
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from list_file_variables(kind, prefix, path)


def read_secret_files(
    variables: Mapping[SettingPath, str], environment: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The secrets in files as nested settings, and a sentence for each that can't be used.

    The same secret in a variable of its own is refused: which of them is meant? A variable that is
    empty counts as not set. A line feed at the end of the file is not part of the secret.
    """
    given = {name.upper(): value for name, value in environment.items()}
    values: dict[str, Any] = {}
    problems = list_doubles(variables.values(), environment)
    for path, variable in variables.items():
        if not given.get(variable):
            continue
        try:
            secret = _read(given[variable])
        except SecretFileError as error:
            problems.append(f"{variable}: {error}")
            continue
        part = values
        for step in path[:-1]:
            part = part.setdefault(step, {})
        part[path[-1]] = secret
    return values, problems


def list_doubles(variables: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """A sentence for each secret that is in a file and in a variable of its own, too."""
    given = {name.upper() for name, value in environment.items() if value}
    return [
        f"{variable}: {variable.removesuffix(SUFFIX)} is set, too. Remove one of them"
        for variable in variables
        if given.issuperset({variable, variable.removesuffix(SUFFIX)})
    ]


def _read(name: str) -> str:
    """The secret in a file. Raises SecretFileError, which never shows what is in it."""
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file has such a name"
        raise SecretFileError(
            f"the file {name} can't be read ({reason}). Name a file that this user may read"
        ) from error
    if len(content) > _MOST_BYTES:
        raise SecretFileError(f"the file {name} is longer than any secret. Name another file")
    try:
        secret = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SecretFileError(f"the file {name} is not a text in UTF-8") from error
    if not secret.strip():
        raise SecretFileError(f"the file {name} is empty. Write the secret into it")
    if len(secret.splitlines()) > 1:
        raise SecretFileError(f"the file {name} must hold the secret alone, in one line")
    return secret
