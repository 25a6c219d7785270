"""What the demo's people show: read from config/demo/roster.toml."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from dateutil.relativedelta import relativedelta

from tracker.rulebooks import Rulebooks, RulebooksWrong
from tracker.rules.model import Part, ProviderRule, Rulebook
from tracker.rules.parse import parse
from tracker.rules.providers import Credential, qualified_spans
from tracker.rules.providers import Provider as RuleProvider
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


# Long enough ago that sessions on both sides of it are in the current cycle for most of a year.
_ENDED = timedelta(days=90)
# Within the first notice of a cutoff.
_ENDS = timedelta(days=75)


@dataclass
class Provider:
    """One made-up provider; ``rule`` as in `Rulebooks.provider_rules`.

    ``category`` is None for who was vetted; ``ends_on`` is the last day, None without end.
    """

    email: str
    name: str
    rule: str
    role: Role
    association: str
    category: str | None
    starts_on: date
    ends_on: date | None
    degree: str = "master"

    def counts_on(self, rulebooks: Rulebooks, rule: str, day: date) -> bool:
        """Whether a session on ``day`` counts by a rule, named as in `Rulebooks.provider_rules`."""
        association, found = rulebooks.provider_rules[rule]
        held = Credential(self.association, self.category, self.starts_on, self.ends_on)
        spans = qualified_spans(association, found, RuleProvider(self.name, self.degree, (held,)))
        return any(span.starts_on <= day <= span.ends_on for span in spans)


def providers_of(
    rulebooks: Rulebooks,
    stories: Stories,
    names: Iterator[tuple[str, str]],
    rule_name: str,
    today: date,
) -> Iterator[Provider]:
    """Everyone for one provider rule, the same at every start."""
    association, rule = rulebooks.provider_rules[rule_name]
    rulebook = rulebooks.associations[association]
    began = today - relativedelta(years=8)
    good = _accepted(rulebook, rule)
    vetted = any(accepted.vetted for accepted in rule.accepts)

    def provider(role: Role, category: str | None, ends_on: date | None = None) -> Provider:
        email, name = next(names)
        return Provider(email, name, rule_name, role, association, category, began, ends_on)

    for number in range(stories.providers_per_rule):
        yield provider("qualified", good[number % len(good)])
    if vetted:
        yield provider("qualified", None)
    yield provider("ended", good[0], today - _ENDED)
    yield provider("ending", None if vetted else good[-1], today + _ENDS)
    if other := _not_accepted(rulebook, rule, today):
        yield provider("not accepted", other)


def _accepted(rulebook: Rulebook, rule: ProviderRule) -> list[str]:
    """Categories that count, of which the association's own have no renewal where possible."""
    accepted = [c for c in rule.accepts[0].categories if c in rulebook.categories]
    # Those whose own renewal is no part of the story, where there are any.
    return [c for c in accepted if not rulebook.requirements_of(c)] or accepted


def _not_accepted(rulebook: Rulebook, rule: ProviderRule, today: date) -> str | None:
    """A category that counted once, or else one that never did."""
    counting = {c for a in rule.accepts if (a.until or date.max) >= today for c in a.categories}
    once = [c for a in rule.accepts for c in a.categories]
    found = [
        c for c in (*once, *rulebook.categories) if c in rulebook.categories and c not in counting
    ]
    return found[0] if found else None


@dataclass
class Endorsee:
    """One made-up endorsee; ``endorsements`` are (association, category, first day)."""

    email: str
    name: str
    story: Story
    endorsements: list[tuple[str, str, date]]
    provides_rsc: bool
    has_second_address: bool


@dataclass
class Applicant:
    """One made-up applicant; ``referees`` are the names of those asked for a reference."""

    email: str
    name: str
    story: ApplicantStory
    association: str
    category: str
    opened_on: date
    referees: list[str]


@dataclass
class Cast:
    """Everybody; ``session_logged_by`` is the provider who has logged one for others."""

    endorsees: list[Endorsee] = field(default_factory=list)
    applicants: list[Applicant] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)
    session_logged_by: str | None = None

    @property
    def people(self) -> int:
        """How many they are; some providers are endorsees, too."""
        endorsed = {e.email for e in self.endorsees} | {p.email for p in self.providers}
        return len(endorsed | {a.email for a in self.applicants})

    @property
    def bouncing(self) -> set[str]:
        """The addresses that take no mail."""
        return {e.email for e in self.endorsees if e.story.bounces}


def make_cast(rulebooks: Rulebooks, stories: Stories, today: date) -> Cast:
    """Everybody, for a demo that starts ``today``."""
    names = _names(stories)
    cast = Cast()
    for rule_name in rulebooks.provider_rules:
        cast.providers += providers_of(rulebooks, stories, names, rule_name, today)
    for association in rulebooks.associations:
        for number in range(stories.endorsees_per_association):
            cast.endorsees.append(_endorsee(rulebooks, stories, names, association, number, today))
    cast.endorsees += [_as_endorsee(p, stories) for p in cast.providers if _renews(rulebooks, p)]
    for association in rulebooks.associations:
        cast.applicants += _applicants(rulebooks, stories, names, association, today)
    return cast


def _applicants(
    rulebooks: Rulebooks,
    stories: Stories,
    names: Iterator[tuple[str, str]],
    association: str,
    today: date,
) -> Iterator[Applicant]:
    """One for each story, for the association's categories in turn."""
    rulebook = rulebooks.associations[association]
    asked = [c for c in rulebook.categories if rulebook.requirements_of(c, "application")]
    for number, story in enumerate(stories.applicants if asked else ()):
        email, name = next(names)
        referees = [next(names)[1] for _ in range(3)]
        opened_on = today - relativedelta(days=story.opened_days_ago)
        category = asked[number % len(asked)]
        yield Applicant(email, name, story, association, category, opened_on, referees)


def _renews(rulebooks: Rulebooks, provider: Provider) -> bool:
    rulebook = rulebooks.associations[provider.association]
    return provider.category is not None and bool(rulebook.requirements_of(provider.category))


def _as_endorsee(provider: Provider, stories: Stories) -> Endorsee:
    """A provider has an endorsement to renew as well, and has done everything for it."""
    held = [(provider.association, provider.category or "", provider.starts_on)]
    return Endorsee(provider.email, provider.name, stories.stories[0], held, True, False)  # noqa: FBT003


def _names(stories: Stories) -> Iterator[tuple[str, str]]:
    everyone = [(f, last) for last in stories.last_names for f in stories.first_names]
    # A fixed order that looks like none: every demo has the same people.
    random.Random(7).shuffle(everyone)  # noqa: S311 - names, not secrets
    for first, last in everyone:
        address = f"{first}.{last}".lower().replace("'", "").replace(" ", "")
        yield f"{address}@example.org", f"{first} {last}"


def _endorsee(
    rulebooks: Rulebooks,
    stories: Stories,
    names: Iterator[tuple[str, str]],
    association: str,
    number: int,
    today: date,
) -> Endorsee:
    rulebook = rulebooks.associations[association]
    ruled = [c for c in rulebook.categories if rulebook.requirements_of(c)] or list(
        rulebook.categories
    )
    story = stories.stories[number % len(stories.stories)]
    category = ruled[number % len(ruled)]
    held = [(association, category, _endorsed_on(rulebooks, association, category, story, today))]
    if story.endorsed == "long ago":
        held = [(association, category, held[0][2] - relativedelta(years=number % 4))]
    if story.second_endorsement:
        held.append(_second(rulebooks, association, ruled, held[0]))
    email, name = next(names)
    return Endorsee(email, name, story, held, number % 3 == 0, number % 3 == 1)


def _endorsed_on(
    rulebooks: Rulebooks, association: str, category: str, story: Story, today: date
) -> date:
    """Half-way through the current cycle, or years before."""
    if story.endorsed == "long ago":
        return today - relativedelta(years=3, months=1)
    plan = rulebooks.plan(association, category, today, today)
    begun = plan.cycle.starts_on if plan and plan.cycle else today
    return begun + (today - begun) / 2


def _second(
    rulebooks: Rulebooks, association: str, ruled: list[str], first: tuple[str, str, date]
) -> tuple[str, str, date]:
    """Another category of the same association, or the first ruled one elsewhere."""
    for category in ruled:
        if category != first[1]:
            return association, category, first[2]
    for other, rulebook in rulebooks.associations.items():
        for category in rulebook.categories:
            if other != association and rulebook.requirements_of(category):
                return other, category, first[2]
    return first
