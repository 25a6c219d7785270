"""The names that files may use, and a suggestion for a name that is unknown."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

from tracker.formatting import format_alternatives, format_list
from tracker.rulebooks import Rulebooks
from tracker.rules.application.references import roles_of
from tracker.rules.cycles import Cycle
from tracker.rules.model import RatingQuestion, Rulebook

_MOST_LISTED = 12
# Association, category, the endorsement's first day, and a day: the cycle that contains the day.
CycleOf = Callable[[str, str, date, date], Cycle | None]
AssociationAndCategory = tuple[str, str]


@dataclass(frozen=True)
class Vocabulary:
    """The names that the rulebooks define.

    By association: its ``categories``, the ``attestations`` that its applicants sign, the
    ``ratings`` of its referees, its time zone. By association and category: the ``roles`` of
    referees, the ``requirements`` of a renewal. For all associations: organizations, topics, and
    the ``services`` and ``statements`` of positions. ``rulebooks`` are those by association.
    """

    categories: Mapping[str, Collection[str]]
    organizations: Collection[str]
    training_topics: Collection[str]
    rsc_topics: Collection[str] = ()
    services: Collection[str] = ()
    statements: Collection[str] = ()
    roles: Mapping[AssociationAndCategory, Collection[str]] = field(default_factory=dict)
    attestations: Mapping[str, Collection[str]] = field(default_factory=dict)
    time_zones: Mapping[str, str] = field(default_factory=dict)
    requirements: Mapping[AssociationAndCategory, Collection[str]] = field(default_factory=dict)
    ratings: Mapping[str, Sequence[RatingQuestion]] = field(default_factory=dict)
    cycle_of: CycleOf = lambda *_: None
    rulebooks: Mapping[str, Rulebook] = field(default_factory=dict)

    def categories_used_by(self, association: str) -> Collection[str]:
        """An association's categories; without a rulebook, those of all associations."""
        every = {category for known in self.categories.values() for category in known}
        return self.categories.get(association, every)


def vocabulary_of(rulebooks: Rulebooks) -> Vocabulary:
    """Collect the names that the rulebooks define."""
    services, statements = set[str](), set[str]()
    attestations = dict[str, set[str]]()
    roles = dict[AssociationAndCategory, set[str]]()
    requirements = dict[AssociationAndCategory, list[str]]()
    for association, rulebook in rulebooks.associations.items():
        attestations[association] = set()
        for requirement in rulebook.requirements:
            attestations[association].update(requirement.signed)
            if requirement.work:
                services.update(requirement.work.services)
                statements.update(requirement.work.statements)
        for category in rulebook.categories:
            key = (association, category)
            requirements[key] = rulebook.renewal_ids(category)
            roles[key] = roles_of(rulebook, category)

    def cycle_of(association: str, category: str, endorsed_on: date, day: date) -> Cycle | None:
        plan = rulebooks.plan(association, category, endorsed_on, day)
        return plan.cycle if plan else None

    return Vocabulary(
        categories={name: tuple(book.categories) for name, book in rulebooks.associations.items()},
        organizations=tuple(rulebooks.organizations),
        training_topics=rulebooks.topics,
        rsc_topics=rulebooks.rsc_topics,
        services=services,
        statements=statements,
        roles=roles,
        attestations=attestations,
        time_zones={name: book.time_zone for name, book in rulebooks.associations.items()},
        requirements=requirements,
        ratings={name: book.ratings for name, book in rulebooks.associations.items()},
        cycle_of=cycle_of,
        rulebooks=rulebooks.associations,
    )


def suggest(name: str, known: Collection[str]) -> str:
    """Suggest the known names that look like ``name``; otherwise list the known names."""
    by_small_name = {each.casefold(): each for each in sorted(known)}
    small_name = name.casefold()
    if small_name in by_small_name:
        return f"did you mean {by_small_name[small_name]}?"
    similar = get_close_matches(small_name, list(by_small_name), n=3)
    if similar:
        return f"did you mean {format_alternatives([by_small_name[each] for each in similar])}?"
    if not known:
        return "there are no valid values"
    names = sorted(known)
    if len(names) > _MOST_LISTED:
        names[_MOST_LISTED:] = [f"{len(names) - _MOST_LISTED} more"]
    return f"valid values: {format_list(names)}"
