"""The rulebook in plain words, as one endorsee needs it: their association, their category."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.utils import parseaddr

from fastapi import APIRouter
from fastapi.responses import Response

from tracker.db.applications import Application
from tracker.db.engine import reading
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.description import describe_accepted, format_amount, format_scheme
from tracker.rules.model import CycleScheme, Interpretation, Requirement, Rulebook, Source
from tracker.rules.plan import value_in_force
from tracker.services.applications import list_applications
from tracker.services.endorsements import endorsements_of
from tracker.settings import Coordinator
from tracker.web.dependencies import NowDep, OptionalViewerDep, Site, SiteDep

Section = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence, and where its source says so."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement: what is asked now, and what has been decided for later."""

    label: str
    about: str
    amount: str
    later: Sequence[str]
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the source is silent or ambiguous: what it says, and how it is read."""

    title: str
    says: str
    taken: str
    others: Sequence[str]


@dataclass(frozen=True, slots=True)
class BookView:
    """What one association asks of one category; without ``rules`` nothing is known to be asked."""

    association: str
    association_name: str
    category: str
    category_name: str
    cycles: Sequence[str]
    rules: Sequence[Rule]
    provider_rules: Sequence[tuple[str, Sequence[Cited]]]
    memberships: Sequence[tuple[str, Sequence[str]]]
    readings: Sequence[Reading]
    coordinators: Sequence[Coordinator]


def view_book(
    rulebooks: Rulebooks,
    association: str,
    category: str,
    today: date,
    coordinators: Sequence[Coordinator],
) -> BookView:
    """The rules of a category's renewal as they stand on ``today``, and those that will."""
    rulebook = rulebooks.associations[association]
    known = rulebook.categories.get(category)
    asked = [r for r in rulebook.requirements_of(category) if _matters(r, today)]
    return BookView(
        association=association,
        association_name=rulebook.name,
        category=category,
        category_name=known.name if known else category,
        cycles=[*_cycles(rulebook.cycles, today)] if asked else [],
        rules=[_rule(rulebook, r, today) for r in asked],
        provider_rules=[*_providers(rulebook, asked, today)],
        memberships=[*_memberships(rulebooks, rulebook, asked)],
        readings=[_reading(i) for i in _about_renewal(rulebook, category, asked)],
        coordinators=coordinators,
    )


def _matters(requirement: Requirement, today: date) -> bool:
    later = any(v.starts_from > today and v.asked for v in requirement.values)
    return later or value_in_force(requirement, today) is not None


def _cite(rulebook: Rulebook, source: Source) -> str:
    return f"{rulebook.documents[source.document].title}, “{source.section}”"


def _rule(rulebook: Rulebook, requirement: Requirement, today: date) -> Rule:
    value = value_in_force(requirement, today)
    later = [v for v in requirement.values if v.starts_from > today]
    words = [f"from {format_date(v.starts_from)}: {format_amount(requirement, v)}" for v in later]
    return Rule(
        label=requirement.label,
        about=_about(requirement),
        amount=format_amount(requirement, value) if value else "not asked yet",
        later=words,
        source=_cite(rulebook, (value or later[0]).source),
    )


def _about(requirement: Requirement) -> str:
    """What it is about, and of whom it is asked, where that is not everyone."""
    if requirement.asked_of == "everyone":
        return requirement.about
    return f"{requirement.about}; asked only of {requirement.asked_of}"


def _cycles(schemes: Sequence[CycleScheme], today: date) -> Iterator[str]:
    """The scheme in force, and those to come."""
    started = [s for s in schemes if s.starts_from <= today]
    if started:
        yield format_scheme(started[-1])
    for scheme in schemes[len(started) :]:
        yield f"From {format_date(scheme.starts_from)} on: {format_scheme(scheme)}"


def _providers(
    rulebook: Rulebook, asked: Sequence[Requirement], today: date
) -> Iterator[tuple[str, Sequence[Cited]]]:
    for name in dict.fromkeys(r.providers for r in asked if r.providers):
        rule = rulebook.providers[name]
        still = [a for a in rule.accepts if a.until is None or a.until >= today]
        yield rule.says, [Cited(describe_accepted(a), _cite(rulebook, a.source)) for a in still]


def _memberships(
    rulebooks: Rulebooks, rulebook: Rulebook, asked: Sequence[Requirement]
) -> Iterator[tuple[str, Sequence[str]]]:
    for name in dict.fromkeys(r.membership for r in asked if r.membership):
        accepted = rulebooks.accepted_organizations(f"{rulebook.id}/{name}")
        yield (
            rulebook.memberships[name].says,
            [rulebooks.organizations[each].name for each in accepted],
        )


def _about_renewal(
    rulebook: Rulebook, category: str, asked: Sequence[Requirement]
) -> Iterator[Interpretation]:
    """The readings that bear on a renewal: not those that only an application knows."""
    applying = rulebook.requirements_of(category, "application")
    own = {*_readings_of(rulebook, asked)}
    foreign = {r.interpretation for r in applying}
    sections = _sections(applying) | _advised(rulebook, asked)
    for found in rulebook.interpretations:
        if found.categories and category not in found.categories:
            continue
        here = (found.document, found.section)
        elsewhere = found.id in foreign or here in sections - _sections(asked)
        if found.id in own or not elsewhere:
            yield found


def _readings_of(rulebook: Rulebook, asked: Sequence[Requirement]) -> Iterator[str | None]:
    yield from (r.interpretation for r in asked)
    yield from (s.interpretation for s in rulebook.cycles)
    for name in {r.providers for r in asked if r.providers}:
        yield from (a.interpretation for a in rulebook.providers[name].accepts)


def _sections(requirements: Sequence[Requirement]) -> set[Section]:
    return {(v.source.document, v.source.section) for r in requirements for v in r.values}


def _advised(rulebook: Rulebook, asked: Sequence[Requirement]) -> set[Section]:
    """Where sources advise on anything else than what a renewal asks."""
    ids = {r.id for r in asked}
    return {
        (a.source.document, a.source.section) for a in rulebook.advice if a.requirement not in ids
    }


def _reading(found: Interpretation) -> Reading:
    others = [each for each in found.readings if each != found.taken]
    return Reading(found.section, found.says, found.taken, others)


router = APIRouter()


@router.get("/help")
def show(site: SiteDep, at: NowDep, who: OptionalViewerDep) -> Response:
    """General words for anybody; for an endorsee, those of the own rulebooks first."""
    rulebooks: Sequence[BookView] = ()
    applied: Sequence[Application] = ()
    if who is not None and who.person_id is not None:
        rulebooks, applied = _own(site, who.person_id, at)
    return site.pages.render(
        "help.html",
        viewer=who,
        here="help",
        rulebooks=rulebooks,
        applied=[(a, site.settings.coordinators_of(a.association)) for a in applied],
        sender=parseaddr(site.settings.mail.sender)[1],
    )


def _own(
    site: Site, person_id: int, at: datetime
) -> tuple[Sequence[BookView], Sequence[Application]]:
    """The rulebooks of a person's endorsements, each once, and the applications not decided."""
    with reading(site.engine) as session:
        held = endorsements_of(session, person_id)
        applied = [a for a in list_applications(session, person_id) if not a.is_decided]
    known = site.rulebooks.associations
    wanted = dict.fromkeys((e.association, e.category) for e in held if e.association in known)
    views = [
        view_book(
            site.rulebooks,
            association,
            category,
            site.today(association, at),
            site.settings.coordinators_of(association),
        )
        for association, category in wanted
    ]
    return views, applied
