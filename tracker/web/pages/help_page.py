"""Help: the viewer's rulebooks in plain words, with their sources, and whom to ask."""

from collections.abc import Sequence
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
from tracker.rules.model import Interpretation, Rulebook
from tracker.rules.plan import value_in_force
from tracker.rules.requirement import Requirement, Source
from tracker.services.applications import list_undecided_applications
from tracker.services.endorsements import endorsements_of
from tracker.settings import Coordinator
from tracker.web.dependencies import NowDep, OptionalViewerDep, Site, SiteDep

router = APIRouter()


@dataclass(frozen=True, slots=True)
class RequirementHelp:
    """One requirement: its amount now, and the changes already decided."""

    label: str
    about: str
    amount: str
    changes: Sequence[str]
    source: str


@dataclass(frozen=True, slots=True)
class ProviderRuleHelp:
    """Whose RSC sessions count: the rule, and each (kind of provider, source)."""

    description: str
    accepted: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MembershipHelp:
    """Which membership is required, and the names of the accepted organizations."""

    description: str
    accepted: Sequence[str]


@dataclass(frozen=True, slots=True)
class InterpretationHelp:
    """A place where the source is silent or ambiguous: what it says, and how it is read."""

    section: str
    source_says: str
    taken: str
    other_readings: Sequence[str]


@dataclass(frozen=True, slots=True)
class RulebookHelp:
    """The rules of one category's renewal; no ``requirements`` if the rulebook has none."""

    association: str
    association_name: str
    category: str
    category_name: str
    cycles: Sequence[str]
    requirements: Sequence[RequirementHelp]
    provider_rules: Sequence[ProviderRuleHelp]
    memberships: Sequence[MembershipHelp]
    interpretations: Sequence[InterpretationHelp]
    coordinators: Sequence[Coordinator]


@router.get("/help")
def show_help(site: SiteDep, now: NowDep, viewer: OptionalViewerDep) -> Response:
    """General help for everybody; for an endorsee, their own rulebooks first."""
    rulebooks: Sequence[RulebookHelp] = ()
    applications: Sequence[Application] = ()
    if viewer is not None and viewer.person_id is not None:
        rulebooks, applications = _read_own(site, viewer.person_id, now)
    return site.pages.render(
        "help.html",
        viewer=viewer,
        here="help",
        rulebooks=rulebooks,
        applications=applications,
        coordinators=site.settings.coordinators_by_association,
        sender=parseaddr(site.settings.mail.sender)[1],
    )


def _read_own(
    site: Site, person_id: int, now: datetime
) -> tuple[list[RulebookHelp], list[Application]]:
    """The rulebook of each category that a person holds, and their undecided applications."""
    with reading(site.engine) as session:
        endorsements = endorsements_of(session, person_id)
        applications = list_undecided_applications(session, person_id)
    rulebooks = {}
    for endorsement in endorsements:
        association, category = endorsement.association, endorsement.category
        if association in site.rulebooks.associations:
            coordinators = site.settings.coordinators_of(association)
            rulebooks[association, category] = describe_rulebook(
                site.rulebooks, association, category, site.today(association, now), coordinators
            )
    return [*rulebooks.values()], applications


def describe_rulebook(
    rulebooks: Rulebooks,
    association: str,
    category: str,
    today: date,
    coordinators: Sequence[Coordinator],
) -> RulebookHelp:
    """The rules of a category's renewal in force on ``today``, and the changes to come."""
    rulebook = rulebooks.associations[association]
    known = rulebook.categories.get(category)
    requirements = [r for r in rulebook.requirements_of(category) if _is_relevant(r, today)]
    return RulebookHelp(
        association=association,
        association_name=rulebook.name,
        category=category,
        category_name=known.name if known else category,
        cycles=_describe_cycles(rulebook, today) if requirements else [],
        requirements=[_describe_requirement(rulebook, r, today) for r in requirements],
        provider_rules=_describe_provider_rules(rulebook, requirements, today),
        memberships=_describe_memberships(rulebooks, rulebook, requirements),
        interpretations=_describe_interpretations(rulebook, category, requirements),
        coordinators=coordinators,
    )


def _is_relevant(requirement: Requirement, today: date) -> bool:
    is_in_force = value_in_force(requirement, today) is not None
    return is_in_force or any(v.starts_from > today and v.asked for v in requirement.values)


def _cite(rulebook: Rulebook, source: Source) -> str:
    return f"{rulebook.documents[source.document].title}, “{source.section}”"


def _describe_cycles(rulebook: Rulebook, today: date) -> list[str]:
    """The scheme in force, and those to come."""
    started = [scheme for scheme in rulebook.cycles if scheme.starts_from <= today]
    sentences = [format_scheme(scheme) for scheme in started[-1:]]
    for scheme in rulebook.cycles[len(started) :]:
        sentences.append(f"Starting {format_date(scheme.starts_from)}: {format_scheme(scheme)}")
    return sentences


def _describe_requirement(
    rulebook: Rulebook, requirement: Requirement, today: date
) -> RequirementHelp:
    value = value_in_force(requirement, today)
    later = [v for v in requirement.values if v.starts_from > today]
    about = requirement.about
    if requirement.asked_of != "everyone":
        about += f"; required only of {requirement.asked_of}"
    changes = []
    for change in later:
        amount = format_amount(requirement, change)
        changes.append(f"starting {format_date(change.starts_from)}: {amount}")
    return RequirementHelp(
        label=requirement.label,
        about=about,
        amount=format_amount(requirement, value) if value else "not required yet",
        changes=changes,
        source=_cite(rulebook, (value or later[0]).source),
    )


def _describe_provider_rules(
    rulebook: Rulebook, requirements: Sequence[Requirement], today: date
) -> list[ProviderRuleHelp]:
    found = []
    for name in dict.fromkeys(r.providers for r in requirements if r.providers):
        rule = rulebook.providers[name]
        accepted = []
        for kind in rule.accepts:
            if kind.until is None or kind.until >= today:
                accepted.append((describe_accepted(kind), _cite(rulebook, kind.source)))
        found.append(ProviderRuleHelp(rule.says, accepted))
    return found


def _describe_memberships(
    rulebooks: Rulebooks, rulebook: Rulebook, requirements: Sequence[Requirement]
) -> list[MembershipHelp]:
    found = []
    for name in dict.fromkeys(r.membership for r in requirements if r.membership):
        organizations = rulebooks.accepted_organizations(f"{rulebook.id}/{name}")
        accepted = [rulebooks.organizations[each].name for each in organizations]
        found.append(MembershipHelp(rulebook.memberships[name].says, accepted))
    return found


def _describe_interpretations(
    rulebook: Rulebook, category: str, requirements: Sequence[Requirement]
) -> list[InterpretationHelp]:
    """The interpretations of a renewal, without those that are only about applications."""
    own = _interpretation_ids(rulebook, requirements)
    application = rulebook.requirements_of(category, "application")
    application_ids = {r.interpretation for r in application}
    other_sections = _sections(application) | _sections_of_other_advice(rulebook, requirements)
    other_sections -= _sections(requirements)
    found = []
    for interpretation in rulebook.interpretations:
        if interpretation.categories and category not in interpretation.categories:
            continue
        section = (interpretation.document, interpretation.section)
        is_elsewhere = interpretation.id in application_ids or section in other_sections
        if interpretation.id in own or not is_elsewhere:
            found.append(_describe_interpretation(interpretation))
    return found


def _interpretation_ids(rulebook: Rulebook, requirements: Sequence[Requirement]) -> set[str | None]:
    ids = {r.interpretation for r in requirements}
    ids |= {scheme.interpretation for scheme in rulebook.cycles}
    for name in {r.providers for r in requirements if r.providers}:
        ids |= {accepted.interpretation for accepted in rulebook.providers[name].accepts}
    return ids


def _sections_of_other_advice(
    rulebook: Rulebook, requirements: Sequence[Requirement]
) -> set[tuple[str | None, str]]:
    ids = {r.id for r in requirements}
    return {
        (advice.source.document, advice.source.section)
        for advice in rulebook.advice
        if advice.requirement not in ids
    }


def _sections(requirements: Sequence[Requirement]) -> set[tuple[str | None, str]]:
    return {(v.source.document, v.source.section) for r in requirements for v in r.values}


def _describe_interpretation(interpretation: Interpretation) -> InterpretationHelp:
    others = [reading for reading in interpretation.readings if reading != interpretation.taken]
    return InterpretationHelp(
        interpretation.section, interpretation.says, interpretation.taken, others
    )
