"""What the demo's people show: read from config/demo/roster.toml."""

from pathlib import Path
from typing import Literal

from tracker.rulebooks import RulebooksWrong
from tracker.rules.parse import parse
from tracker.rules.schema import Part


class Story(Part):
    """One kind of endorsee. ``share`` is of the hours asked; ``pace`` is an even pace's share."""

    name: str
    share: float | Literal["pace"]
    topics: bool = True
    provider: Literal["qualified", "ended"] = "qualified"
    membership: Literal["paid", "lapsed", "ends soon"] = "paid"
    endorsed: Literal["long ago", "this cycle"] = "long ago"
    leave: bool = False
    second_endorsement: bool = False
    unconfirmed: bool = False
    waived: bool = False
    extended: bool = False
    last_cycle: float = 1.0


class _Coordinators(Part):
    names: tuple[str, ...]


class Stories(Part):
    """The whole file."""

    endorsees_per_association: int
    providers_per_rule: int
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    trainings: tuple[str, ...]
    rsc: str
    new_provider: str
    coordinators: _Coordinators
    stories: tuple[Story, ...]


def load_stories(folder: Path) -> Stories:
    """Read ``demo/roster.toml`` in the configuration ``folder``; raises RulebooksWrong."""
    file = folder / "demo" / "roster.toml"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise FileNotFoundError(message) from error
    stories, problems = parse(Stories, text, file.name)
    if stories is None:
        raise RulebooksWrong(problems)
    return stories
