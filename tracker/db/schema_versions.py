"""The versions of the schema, by the names of the migrations' files: ``0044_….py`` is "0044"."""

from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"


def newest_version() -> str:
    """The schema version that this program works with."""
    return max(_list_versions())


def knows_version(version: str) -> bool:
    """Whether a schema version is this program's own or an older one."""
    return version in _list_versions()


def _list_versions() -> list[str]:
    files = (MIGRATIONS / "versions").glob("[0-9]*_*.py")
    return [file.name.partition("_")[0] for file in files]
