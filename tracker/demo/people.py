"""The demo's made-up people, each with the story that they show."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from dateutil.relativedelta import relativedelta

from tracker.clock import local_day
from tracker.demo.stories import ApplicantStory, EndorseeStory, RenewalStory, Role, Stories
from tracker.rulebooks import Rulebooks
from tracker.rules.model import ProviderRule, Rulebook
from tracker.rules.providers import Credential, Provider, find_qualification
from tracker.rules.stages import Stage

PROVIDER_DEGREE = "master"
# Long enough ago that for most of a year there are sessions before and after it in the cycle.
_ENDED_AGO = timedelta(days=90)
# Close enough for the first notice about a provider who stops counting.
_ENDS_IN = timedelta(days=75)


@dataclass
class DemoProvider:
    """A made-up RSC provider for one rule of `Rulebooks.provider_rules`.

    ``category`` is None for a vetted provider. ``ends_on`` is the last day, None without an end.
    """

    email: str
    name: str
    rule: str
    role: Role
    association: str
    category: str | None
    starts_on: date
    ends_on: date | None

    def counts_on(self, rulebooks: Rulebooks, rule_name: str, day: date) -> bool:
        """Whether a session on ``day`` counts under a rule of `Rulebooks.provider_rules`."""
        association, rule = rulebooks.provider_rules[rule_name]
        held = Credential(self.association, self.category, self.starts_on, self.ends_on)
        provider = Provider(self.name, PROVIDER_DEGREE, (held,))
        return find_qualification(association, rule, provider, day) is not None


@dataclass
class DemoEndorsee:
    """A made-up endorsee; ``endorsements`` are (association, category, first day)."""

    email: str
    name: str
    story: EndorseeStory
    endorsements: list[tuple[str, str, date]]
    provides_rsc: bool = False
    has_second_email: bool = False

    @property
    def variation(self) -> int:
        """From 0 to 96, so that not everyone does the same on the same days."""
        return int.from_bytes(self.email.encode()) % 97


@dataclass
class DemoApplicant:
    """A made-up applicant; ``referees`` are names."""

    email: str
    name: str
    story: ApplicantStory
    association: str
    category: str
    opened_on: date
    referees: list[str]

    @property
    def key(self) -> dict[str, Any]:
        """The columns that name the application in a file."""
        names = {"email": self.email, "association": self.association}
        return {**names, "category": self.category}


@dataclass
class Cast:
    """Everyone in the demo, made up by ``stories`` for the instant ``now``.

    ``today`` is the day that all associations have reached. ``group_provider`` is the address of
    the provider who logged a session for several people. ``audited`` are the addresses of those
    whose renewals were drawn for an audit, with its state.
    """

    rulebooks: Rulebooks
    stories: Stories
    now: datetime
    today: date
    endorsees: list[DemoEndorsee] = field(default_factory=list)
    applicants: list[DemoApplicant] = field(default_factory=list)
    providers: list[DemoProvider] = field(default_factory=list)
    group_provider: str | None = None
    audited: dict[str, Stage] = field(default_factory=dict)

    def count_people(self) -> int:
        """How many people there are; some providers are endorsees too."""
        addresses = {endorsee.email for endorsee in self.endorsees}
        addresses |= {applicant.email for applicant in self.applicants}
        addresses |= {provider.email for provider in self.providers}
        return len(addresses)

    def find_providers(self, rule: str | None, role: Role) -> list[DemoProvider]:
        """The providers of one rule who have this role in the stories."""
        return [p for p in self.providers if p.rule == rule and p.role == role]

    def bouncing_addresses(self) -> set[str]:
        """The addresses that accept no mail."""
        return {endorsee.email for endorsee in self.endorsees if endorsee.story.bounces}


def create_cast(rulebooks: Rulebooks, stories: Stories, now: datetime) -> Cast:
    """Everyone, for a demo that starts ``now``; the same people at every start."""
    zones = {rulebook.time_zone for rulebook in rulebooks.associations.values()}
    cast = Cast(rulebooks, stories, now, min(local_day(now, zone) for zone in zones))
    names = _list_names(stories)
    made_up = {story.association for story in stories.renewals}
    others = [name for name in rulebooks.associations if name not in made_up]
    _add_providers(cast, names, others)
    for association in others:
        cast.endorsees += _create_endorsees(cast, names, association)
    cast.endorsees += _list_renewing_providers(cast)
    for association in others:
        cast.applicants += _create_applicants(cast, names, association)
    # Last, so that everyone else has the names that they have without these associations.
    _add_providers(cast, names, made_up)
    for story in stories.renewals:
        cast.endorsees += _create_renewing(cast, names, story)
    return cast


def _add_providers(
    cast: Cast, names: Iterator[tuple[str, str]], associations: Collection[str]
) -> None:
    for rule_name, (association, _) in cast.rulebooks.provider_rules.items():
        if association in associations:
            cast.providers += _create_providers(cast, names, rule_name)


def _list_renewing_providers(cast: Cast) -> Iterator[DemoEndorsee]:
    """The providers who have an endorsement to renew, and have done everything for it."""
    story = cast.stories.stories[0]
    for provider in cast.providers:
        rulebook = cast.rulebooks.associations[provider.association]
        if provider.category and rulebook.requirements_of(provider.category):
            held = (provider.association, provider.category, provider.starts_on)
            yield DemoEndorsee(provider.email, provider.name, story, [held], provides_rsc=True)


def _list_names(stories: Stories) -> Iterator[tuple[str, str]]:
    """Addresses and names, in a fixed order that looks random."""
    pairs = [(first, last) for last in stories.last_names for first in stories.first_names]
    random.Random(7).shuffle(pairs)  # noqa: S311 - names, not secrets
    for first, last in pairs:
        local_part = f"{first}.{last}".lower().replace("'", "").replace(" ", "")
        yield f"{local_part}@example.org", f"{first} {last}"


def _create_providers(
    cast: Cast, names: Iterator[tuple[str, str]], rule_name: str
) -> Iterator[DemoProvider]:
    """For one rule: qualified ones, and one for each kind of trouble."""
    association, rule = cast.rulebooks.provider_rules[rule_name]
    rulebook = cast.rulebooks.associations[association]
    began = cast.today - relativedelta(years=8)

    def create(role: Role, category: str | None, ends_on: date | None = None) -> DemoProvider:
        email, name = next(names)
        return DemoProvider(email, name, rule_name, role, association, category, began, ends_on)

    accepted = _accepted_categories(rulebook, rule)
    is_vetted = any(
        entry.vetted and association in (entry.associations or (association,))
        for entry in rule.accepts
    )
    for number in range(cast.stories.providers_per_rule):
        yield create("qualified", accepted[number % len(accepted)])
    if is_vetted:
        yield create("qualified", None)
    yield create("ended", accepted[0], cast.today - _ENDED_AGO)
    yield create("ending", None if is_vetted else accepted[-1], cast.today + _ENDS_IN)
    if other := _find_category_not_accepted(rulebook, rule, cast.today):
        yield create("not accepted", other)


def _accepted_categories(rulebook: Rulebook, rule: ProviderRule) -> list[str]:
    accepted = [c for c in rule.accepts[0].categories if c in rulebook.categories]
    # A renewal of their own is not part of the story, so prefer categories without one.
    without_renewal = [c for c in accepted if not rulebook.requirements_of(c)]
    return without_renewal or accepted


def _find_category_not_accepted(rulebook: Rulebook, rule: ProviderRule, today: date) -> str | None:
    """A category that used to count, or else one that never did."""
    counting: set[str] = set()
    candidates: list[str] = []
    for entry in rule.accepts:
        candidates += entry.categories
        if entry.until is None or entry.until >= today:
            counting.update(entry.categories)
    for category in [*candidates, *rulebook.categories]:
        if category in rulebook.categories and category not in counting:
            return category
    return None


def _create_endorsees(
    cast: Cast, names: Iterator[tuple[str, str]], association: str
) -> Iterator[DemoEndorsee]:
    """An association's endorsees, one for each story over and over, and second records."""
    for number in range(cast.stories.endorsees_per_association):
        endorsee = _create_endorsee(cast, names, association, number)
        yield endorsee
        if endorsee.story.recorded_twice and number < len(cast.stories.stories):
            yield _create_second_record(endorsee)


def _create_endorsee(
    cast: Cast, names: Iterator[tuple[str, str]], association: str, number: int
) -> DemoEndorsee:
    rulebook, today = cast.rulebooks.associations[association], cast.today
    story = cast.stories.stories[number % len(cast.stories.stories)]
    categories = [c for c in rulebook.categories if rulebook.requirements_of(c)]
    categories = categories or list(rulebook.categories)
    category = categories[number % len(categories)]
    if story.endorsed == "long ago":
        starts_on = today - relativedelta(years=3 + number % 4, months=1)
    else:
        # Halfway through the current cycle.
        plan = cast.rulebooks.plan(association, category, today, today)
        cycle_start = plan.cycle.starts_on if plan and plan.cycle else today
        starts_on = cycle_start + (today - cycle_start) / 2
    endorsements = [(association, category, starts_on)]
    if story.second_endorsement:
        second = _find_second_category(cast.rulebooks, association, category)
        if second is not None:
            endorsements.append((*second, starts_on))
    email, name = next(names)
    return DemoEndorsee(email, name, story, endorsements, number % 3 == 0, number % 3 == 1)


def _create_renewing(
    cast: Cast, names: Iterator[tuple[str, str]], story: RenewalStory
) -> Iterator[DemoEndorsee]:
    """The people in one state of a renewal, in the first category that is renewed."""
    rulebook = cast.rulebooks.associations[story.association]
    category = next(name for name in rulebook.categories if rulebook.requirements_of(name))
    years = relativedelta(years=rulebook.cycles[-1].years)
    # A cycle is due on its last day.
    starts_on = cast.today + timedelta(days=story.due_in + 1) - years
    for _ in range(story.people or cast.stories.renewals_per_state):
        email, name = next(names)
        yield DemoEndorsee(email, name, story, [(story.association, category, starts_on)])


def _create_second_record(endorsee: DemoEndorsee) -> DemoEndorsee:
    """The same person under another address, with a middle initial and a few hours."""
    first, last = endorsee.name.split(" ", 1)
    email = f"{first[0]}.{endorsee.email.partition('@')[0].partition('.')[2]}@example.org".lower()
    changed = {"name": "a second record of the same person", "share": 0.1, "last_cycle": 0.0}
    story = endorsee.story.model_copy(update={**changed, "membership": "none"})
    return DemoEndorsee(email, f"{first} J. {last}", story, endorsee.endorsements)


def _find_second_category(
    rulebooks: Rulebooks, association: str, category: str
) -> tuple[str, str] | None:
    """Another category with renewal rules: of the same association, or else of another one."""
    for name in sorted(rulebooks.associations, key=lambda name: name != association):
        rulebook = rulebooks.associations[name]
        for other in rulebook.categories:
            if (name, other) != (association, category) and rulebook.requirements_of(other):
                return name, other
    return None


def _create_applicants(
    cast: Cast, names: Iterator[tuple[str, str]], association: str
) -> Iterator[DemoApplicant]:
    """One for each story, for the association's categories in turn."""
    rulebook = cast.rulebooks.associations[association]
    categories = [c for c in rulebook.categories if rulebook.requirements_of(c, "application")]
    if not categories:
        return
    for number, story in enumerate(cast.stories.applicants):
        email, name = next(names)
        referees = [next(names)[1] for _ in range(3)]
        opened_on = cast.today - timedelta(days=story.opened_days_ago)
        category = categories[number % len(categories)]
        yield DemoApplicant(email, name, story, association, category, opened_on, referees)
