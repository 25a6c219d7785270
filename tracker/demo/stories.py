"""What the demo's people show: read from config/demo/roster.toml."""

from pathlib import Path
from typing import Literal

from tracker.rulebooks import RulebooksWrong
from tracker.rules.parse import parse
from tracker.rules.terms import Part
from tracker.settings import templates_folder

Role = Literal["qualified", "ended", "ending", "not accepted"]


class Story(Part):
    """One kind of endorsee. ``share`` is of the hours asked; ``pace`` is an even pace's share.

    ``shown_at`` is the association at which the demo opens one of them, if it is there.
    """

    name: str
    share: float | Literal["pace"]
    topics: bool = True
    provider: Role = "qualified"
    membership: Literal["paid", "lapsed", "ends soon"] = "paid"
    endorsed: Literal["long ago", "this cycle"] = "long ago"
    leave: bool = False
    second_endorsement: bool = False
    unconfirmed: bool = False
    waived: bool = False
    extended: bool = False
    bounces: bool = False
    last_cycle: float = 1.0
    shown_at: str | None = None


class ApplicantStory(Part):
    """One kind of applicant. ``share`` is of all that is asked; ``references`` have come.

    ``shown_at`` is as in `Story`.
    """

    name: str
    share: float
    references: int = 0
    member: bool = True
    reviewed: bool = False
    submitted: bool = False
    provider: Role = "qualified"
    opened_days_ago: int = 60
    shown_at: str | None = None


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
    training_minutes: tuple[int, ...]
    rsc_minutes: tuple[int, ...]
    waiver_reason: str
    extension_reason: str
    leave_reason: str
    dispute: str
    refusal: str
    coordinators: _Coordinators
    stories: tuple[Story, ...]
    applicants: tuple[ApplicantStory, ...] = ()


def load_stories(folder: Path) -> Stories:
    """Read ``demo/roster.toml`` in the configuration ``folder``, else the one shipped with us.

    Raises RulebooksWrong.
    """
    file = folder / "demo" / "roster.toml"
    if not file.is_file():
        # The two folders stand side by side, in a checkout and in the package.
        file = templates_folder().parent / "config" / "demo" / "roster.toml"
    stories, problems = parse(Stories, file.read_text(encoding="utf-8"), file.name)
    if stories is None:
        raise RulebooksWrong(problems)
    return stories
