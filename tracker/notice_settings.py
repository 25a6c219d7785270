"""Loads notices.toml from the configuration folder."""

from pathlib import Path

from tracker.rulebooks import RulebooksWrong
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.parse import Problem, parse


def load_notice_config(folder: Path) -> NoticeConfig:
    """Read ``notices.toml``.

    Raises RulebooksWrong with every error in it.
    """
    file = folder / "notices.toml"
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RulebooksWrong([Problem(file.name, "the whole file", str(error))]) from error
    config, problems = parse(NoticeConfig, text, file.name)
    if config is None:
        raise RulebooksWrong(problems)
    return config
