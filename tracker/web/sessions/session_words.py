"""For whom a provider's sessions count on a day: said of her alone, whoever was there.

It depends on her and on the day, not on whom she names. So it tells her nothing of anybody: not
who is known here, nor which association somebody belongs to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tracker.rulebooks import Rulebooks
from tracker.rules.providers import Provider, qualified_spans, why_it_counts, why_not
from tracker.web.frame.words import join


@dataclass(frozen=True, slots=True)
class CountsFor:
    """Whether her sessions of a day count for some categories of an association, and why.

    ``once``: there are other days on which they do.
    """

    association: str
    categories: str
    counts: bool
    once: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Qualified:
    """What a day's sessions count for, and what not, in the order of the rulebooks."""

    day: date
    counts: Sequence[CountsFor]
    does_not: Sequence[CountsFor]

    @property
    def warning(self) -> Sequence[CountsFor]:
        """What to say before a session of that day is saved; empty where all is as usual."""
        lost = [one for one in self.does_not if one.once]
        return lost if self.counts else (lost or self.does_not)


def qualified_on(books: Rulebooks, provider: Provider, day: date) -> Qualified:
    """For whom a provider's sessions of a day count, by every association's rules."""
    found = [_judge(books, name, provider, day) for name in books.provider_rules]
    judged = [one for one in found if one.categories]
    return Qualified(day, [j for j in judged if j.counts], [j for j in judged if not j.counts])


def _judge(books: Rulebooks, rule_name: str, provider: Provider, day: date) -> CountsFor:
    association, rule = books.provider_rules[rule_name]
    because = why_it_counts(association, rule, provider, day)
    return CountsFor(
        association=association,
        categories=_categories(books, rule_name),
        counts=bool(because),
        once=bool(qualified_spans(association, rule, provider)),
        reason=because or why_not(association, rule, provider, day),
    )


def _categories(books: Rulebooks, rule_name: str) -> str:
    """The categories whose RSC follows a rule, for a renewal or an application."""
    association, _, name = rule_name.partition("/")
    requirements = books.associations[association].requirements
    asking = [r for r in requirements if r.providers == name]
    return join(list(dict.fromkeys(c for r in asking for c in r.categories)))
