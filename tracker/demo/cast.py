"""Who is in the demo: names, addresses and credentials, the same at every start."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from tracker.demo.stories import Stories, Story
from tracker.rulebooks import Rulebooks
from tracker.rules.schema import ProviderRule

_YEAR = timedelta(days=365)
_DAY = timedelta(days=1)


@dataclass
class Endorsee:
    """One made-up endorsee; ``endorsements`` are (association, category, first day)."""

    email: str
    name: str
    story: Story
    endorsements: list[tuple[str, str, date]]
    provides_rsc: bool


@dataclass
class Provider:
    """One made-up provider; ``rule`` as in `Rulebooks.provider_rules`."""

    email: str
    name: str
    rule: str
    association: str
    category: str | None
    starts_on: date
    ends_on: date | None
    degree: str = "master"


@dataclass
class Cast:
    """Everybody."""

    endorsees: list[Endorsee] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)


def make_cast(books: Rulebooks, stories: Stories, today: date) -> Cast:
    """Everybody, for a demo that starts ``today``."""
    names = _names(stories)
    cast = Cast()
    for rule_name, (association, rule) in books.provider_rules.items():
        cast.providers += _providers(books, stories, names, rule_name, association, rule, today)
    for association, book in books.associations.items():
        ruled = [c for c in book.categories if book.requirements_of(c)] or list(book.categories)
        for number in range(stories.endorsees_per_association):
            story = stories.stories[number % len(stories.stories)]
            started = (
                date(today.year, 1, 1)
                if story.endorsed == "this cycle"
                else (date(today.year - 3 - number % 4, 1 + number % 12, 10))
            )
            held = [(association, ruled[number % len(ruled)], min(started, today))]
            if story.second_endorsement:
                held.append(_second(books, association, ruled, held[0]))
            email, name = next(names)
            cast.endorsees.append(Endorsee(email, name, story, held, number % 3 == 0))
    return cast


def _names(stories: Stories) -> Iterator[tuple[str, str]]:
    everyone = [(f, last) for last in stories.last_names for f in stories.first_names]
    # A fixed order that looks like none: every demo has the same people.
    random.Random(7).shuffle(everyone)  # noqa: S311 - names, not secrets
    for first, last in everyone:
        address = f"{first}.{last}".lower().replace("'", "").replace(" ", "")
        yield f"{address}@example.org", f"{first} {last}"


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


def _providers(
    books: Rulebooks,
    stories: Stories,
    names: Iterator[tuple[str, str]],
    rule_name: str,
    association: str,
    rule: ProviderRule,
    today: date,
) -> Iterator[Provider]:
    """Some who qualify, one who is vetted where that is a thing, and one who has stopped."""
    began = date(today.year - 8, 3, 1)
    accepted = rule.accepts[0].categories
    # Those whose own renewal is no part of the story, where there are any.
    quiet = [c for c in accepted if not books.associations[association].requirements_of(c)]
    categories = quiet or list(accepted)
    for number in range(stories.providers_per_rule):
        email, name = next(names)
        yield Provider(
            email, name, rule_name, association, categories[number % len(categories)], began, None
        )
    if any(accepted.vetted for accepted in rule.accepts):
        email, name = next(names)
        yield Provider(email, name, rule_name, association, None, began, None)
    email, name = next(names)
    # Stopped within the cycle where there is room for it, else long ago.
    ended = max(date(today.year, 1, 1), today - _YEAR / 4)
    yield Provider(email, name, rule_name, association, categories[0], began, ended - _DAY)
