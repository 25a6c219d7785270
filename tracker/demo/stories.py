"""The stories of the demo's made-up people, and its made-up rulebooks, read from config/demo."""

import hashlib
from pathlib import Path
from typing import Literal

from tracker.rulebooks import RulebookError, Rulebooks, load_rulebooks
from tracker.rules.parse import parse
from tracker.rules.strict_model import StrictModel
from tracker.settings import templates_folder

Role = Literal["qualified", "ended", "ending", "not accepted"]

# The two folders are side by side, in a checkout and in the package.
_SHIPPED = templates_folder().parent / "config" / "demo"


class EndorseeStory(StrictModel):
    """One kind of endorsee.

    ``share`` is the share of the required hours that is logged; "pace" is exactly on pace.
    ``shown_at`` is the association whose endorsee the demo offers to sign in as, if any.
    ``recorded_twice``: the first of them at each association has a second record.
    """

    name: str
    share: float | Literal["pace"]
    topics: bool = True
    provider: Role = "qualified"
    membership: Literal["paid", "lapsed", "ends soon", "none"] = "paid"
    endorsed: Literal["long ago", "this cycle"] = "long ago"
    absence: Literal["leave", "inactive"] | None = None
    second_endorsement: bool = False
    unconfirmed: bool = False
    waived: bool = False
    extended: bool = False
    bounces: bool = False
    recorded_twice: bool = False
    last_cycle: float = 1.0
    shown_at: str | None = None


class RenewalStory(EndorseeStory):
    """One state of a renewal at a made-up association; each is held by a few ``people``.

    ``due_in`` are the days from today to the due date, negative if it is past. ``submitted``,
    ``returned``, and ``paid`` are how many days ago that was, if it was. ``paid_share`` is the
    share of the fee that was paid, with one payment for all ``people`` if it is the whole.
    ``removed``, ``asked_back``, and ``reinstated`` are how many days ago someone whose renewal
    lapsed was removed, submitted a reinstatement with everything that it takes, and got it.
    ``is_listed``: they agreed to be in the public registry.
    """

    association: str
    due_in: int
    people: int | None = None
    submitted: int | None = None
    attests: bool = True
    returned: int | None = None
    paid: int | None = None
    paid_share: float = 1.0
    removed: int | None = None
    asked_back: int | None = None
    reinstated: int | None = None
    is_shown: bool = False
    is_listed: bool = False


class ApplicantStory(StrictModel):
    """One kind of applicant: ``share`` of all requirements, and how many references came."""

    name: str
    share: float
    references: int = 0
    member: bool = True
    reviewed: bool = False
    submitted: bool = False
    provider: Role = "qualified"
    opened_days_ago: int = 60
    shown_at: str | None = None


class CoordinatorNames(StrictModel):
    """The coordinators, one for each association in turn."""

    names: tuple[str, ...]


class Stories(StrictModel):
    """The whole file."""

    endorsees_per_association: int
    renewals_per_state: int
    providers_per_rule: int
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    trainings: tuple[str, ...]
    rsc: str
    new_provider: str
    new_provider_spelling: str
    declined_provider: str
    decline_reason: str
    provider_lines: tuple[str, ...]
    training_minutes: tuple[int, ...]
    rsc_minutes: tuple[int, ...]
    waiver_reason: str
    extension_reason: str
    leave_reason: str
    dispute: str
    question: str
    answer: str
    mailing_subject: str
    mailing_text: str
    returned_because: str
    agency: str
    audit_seed: str
    audit_note: str
    not_supported_because: str
    not_passed_because: str
    refusal: str
    coordinators: CoordinatorNames
    stories: tuple[EndorseeStory, ...]
    renewals: tuple[RenewalStory, ...] = ()
    applicants: tuple[ApplicantStory, ...] = ()


def load_stories(folder: Path) -> Stories:
    """Read ``demo/roster.toml`` in the configuration ``folder``, or the one that is shipped.

    Raises RulebookError.
    """
    file = folder / "demo" / "roster.toml"
    if not file.is_file():
        file = _SHIPPED / "roster.toml"
    stories, problems = parse(Stories, file.read_text(encoding="utf-8"), file.name)
    if stories is None:
        raise RulebookError(problems)
    return stories


def add_made_up_rulebooks(rulebooks: Rulebooks, folder: Path) -> Rulebooks:
    """The installation's ``rulebooks`` and those in ``demo/rulebooks``, which shows more rules.

    They are read from the configuration ``folder``, or those that are shipped. An association of
    the installation stays what it is. Raises RulebookError.
    """
    own = folder / "demo"
    made_up = load_rulebooks(own if (own / "rulebooks").is_dir() else _SHIPPED)
    return Rulebooks(
        # Those of the installation come first, and are never replaced.
        rulebooks.associations | made_up.associations | rulebooks.associations,
        made_up.organizations | rulebooks.organizations,
        hashlib.sha256(f"{rulebooks.digest}{made_up.digest}".encode()).hexdigest(),
    )
