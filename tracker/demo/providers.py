"""The demo's providers of RSC: some who qualify, and one of each kind of trouble a rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from tracker.demo.stories import Role, Stories
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Credential, qualified_spans
from tracker.rules.providers import Provider as Known
from tracker.rules.schema import ProviderRule, Rulebook

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

    def counts_on(self, books: Rulebooks, rule: str, day: date) -> bool:
        """Whether a session on ``day`` counts by a rule, named as in `Rulebooks.provider_rules`."""
        association, found = books.provider_rules[rule]
        held = Credential(self.association, self.category, self.starts_on, self.ends_on)
        spans = qualified_spans(association, found, Known(self.name, self.degree, (held,)))
        return any(span.starts_on <= day <= span.ends_on for span in spans)


def providers_of(
    books: Rulebooks,
    stories: Stories,
    names: Iterator[tuple[str, str]],
    rule_name: str,
    today: date,
) -> Iterator[Provider]:
    """Everyone for one provider rule, the same at every start."""
    association, rule = books.provider_rules[rule_name]
    book = books.associations[association]
    began = today - relativedelta(years=8)
    good = _accepted(book, rule)
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
    if other := _not_accepted(book, rule, today):
        yield provider("not accepted", other)


def _accepted(book: Rulebook, rule: ProviderRule) -> list[str]:
    """Categories that count, of which the association's own have no renewal where possible."""
    accepted = [c for c in rule.accepts[0].categories if c in book.categories]
    # Those whose own renewal is no part of the story, where there are any.
    return [c for c in accepted if not book.requirements_of(c)] or accepted


def _not_accepted(book: Rulebook, rule: ProviderRule, today: date) -> str | None:
    """A category that counted once, or else one that never did."""
    counting = {c for a in rule.accepts if (a.until or date.max) >= today for c in a.categories}
    once = [c for a in rule.accepts for c in a.categories]
    found = [c for c in (*once, *book.categories) if c in book.categories and c not in counting]
    return found[0] if found else None
