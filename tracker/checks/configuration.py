"""Settings: the folder, the variables, the address of the pages (T1…)."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from tracker.checks.finding import Fact, Findings, problem, warning
from tracker.failures.setting_names import PREFIX
from tracker.settings import Settings

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}  # noqa: S104 - looked for, not bound


def check_settings(settings: Settings) -> Findings:
    """Look at settings that could be read."""
    yield from _check_folder(settings.config_dir)
    yield from _check_variables(dict(os.environ))
    yield from _check_address(settings.base_url)


def _check_folder(folder: Path) -> Findings:
    file = folder / "tracker.toml"
    if not folder.is_dir():
        yield problem(
            "T102",
            f"the configuration folder {folder} does not exist",
            "Copy config/ there, or correct TRACKER_CONFIG_DIR.",
        )
    elif not file.is_file():
        yield warning(
            "T103",
            f"{file} does not exist: every setting has its default or comes from a variable",
            "Copy tracker.toml from config/ and say there who coordinates what.",
        )
    else:
        yield Fact(f"settings: {file}")


def _check_variables(environment: dict[str, str]) -> Findings:
    fields = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in sorted(environment):
        given = name.upper()
        if given.startswith(PREFIX) and given.partition("__")[0] not in fields:
            yield warning(
                "T104",
                f"{name} is set, and no setting has that name",
                "Correct it; config/README.md lists the variables.",
            )


def _check_address(base_url: str) -> Findings:
    parts = urlsplit(base_url)
    hint = (
        "Set TRACKER_BASE_URL to the address that people open, such as https://hours.example.org."
    )
    if not parts.hostname:
        yield problem("T105", f"the address of the pages, {base_url}, names no host", hint)
    elif parts.hostname in _THIS_MACHINE:
        yield warning(
            "T106", f"links in mails lead to {base_url}, which only this machine can open", hint
        )
    elif parts.scheme != "https":
        yield warning(
            "T107",
            f"links in mails lead to {base_url}, which is not encrypted: sign-in can be overheard",
            "Put a TLS proxy before it (deploy/proxy/) and begin TRACKER_BASE_URL with https://.",
        )
    else:
        yield Fact(f"address of the pages: {base_url}")
