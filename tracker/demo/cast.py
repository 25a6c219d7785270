"""Who is in the demo: names, addresses and credentials, the same at every start."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from dateutil.relativedelta import relativedelta

from tracker.demo.providers import Provider, providers_of
from tracker.demo.stories import ApplicantStory, Stories, Story
from tracker.rulebooks import Rulebooks


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


def make_cast(books: Rulebooks, stories: Stories, today: date) -> Cast:
    """Everybody, for a demo that starts ``today``."""
    names = _names(stories)
    cast = Cast()
    for rule_name in books.provider_rules:
        cast.providers += providers_of(books, stories, names, rule_name, today)
    for association in books.associations:
        for number in range(stories.endorsees_per_association):
            cast.endorsees.append(_endorsee(books, stories, names, association, number, today))
    cast.endorsees += [_as_endorsee(p, stories) for p in cast.providers if _renews(books, p)]
    for association in books.associations:
        cast.applicants += _applicants(books, stories, names, association, today)
    return cast


def _applicants(
    books: Rulebooks,
    stories: Stories,
    names: Iterator[tuple[str, str]],
    association: str,
    today: date,
) -> Iterator[Applicant]:
    """One for each story, for the association's categories in turn."""
    book = books.associations[association]
    asked = [c for c in book.categories if book.requirements_of(c, "application")]
    for number, story in enumerate(stories.applicants if asked else ()):
        email, name = next(names)
        referees = [next(names)[1] for _ in range(3)]
        opened_on = today - relativedelta(days=story.opened_days_ago)
        category = asked[number % len(asked)]
        yield Applicant(email, name, story, association, category, opened_on, referees)


def _renews(books: Rulebooks, provider: Provider) -> bool:
    book = books.associations[provider.association]
    return provider.category is not None and bool(book.requirements_of(provider.category))


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
    books: Rulebooks,
    stories: Stories,
    names: Iterator[tuple[str, str]],
    association: str,
    number: int,
    today: date,
) -> Endorsee:
    book = books.associations[association]
    ruled = [c for c in book.categories if book.requirements_of(c)] or list(book.categories)
    story = stories.stories[number % len(stories.stories)]
    category = ruled[number % len(ruled)]
    held = [(association, category, _endorsed_on(books, association, category, story, today))]
    if story.endorsed == "long ago":
        held = [(association, category, held[0][2] - relativedelta(years=number % 4))]
    if story.second_endorsement:
        held.append(_second(books, association, ruled, held[0]))
    email, name = next(names)
    return Endorsee(email, name, story, held, number % 3 == 0, number % 3 == 1)


def _endorsed_on(
    books: Rulebooks, association: str, category: str, story: Story, today: date
) -> date:
    """Half-way through the current cycle, or years before."""
    if story.endorsed == "long ago":
        return today - relativedelta(years=3, months=1)
    plan = books.plan(association, category, today, today)
    begun = plan.cycle.starts_on if plan and plan.cycle else today
    return begun + (today - begun) / 2


def _second(
    books: Rulebooks, association: str, ruled: list[str], first: tuple[str, str, date]
) -> tuple[str, str, date]:
    """Another category of the same association, or the first ruled one elsewhere."""
    for category in ruled:
        if category != first[1]:
            return association, category, first[2]
    for other, book in books.associations.items():
        for category in book.categories:
            if other != association and book.requirements_of(category):
                return other, category, first[2]
    return first
