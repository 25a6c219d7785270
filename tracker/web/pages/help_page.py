"""Help: the viewer's rulebooks in plain words, with their sources, and whom to ask."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from tracker.db.applications import Application
from tracker.db.engine import reading
from tracker.formatting import format_date
from tracker.rulebooks import Rulebooks
from tracker.rules.description import (
    describe_accepted,
    describe_sessions,
    format_amount,
    format_scheme,
)
from tracker.rules.model import Interpretation, Rulebook
from tracker.rules.plan import value_in_force
from tracker.rules.requirement import Requirement, Source
from tracker.services.applications import list_undecided_applications
from tracker.services.endorsements import endorsements_of
from tracker.web.dependencies import NowDep, OptionalViewerDep, SiteDep
from tracker.web.rendering import category_name

router = APIRouter()


@router.get("/help")
def show_help(site: SiteDep, now: NowDep, viewer: OptionalViewerDep) -> Response:
    """General help for everybody; for an endorsee, their own rulebooks first."""
    descriptions = []
    applications: Sequence[Application] = ()
    if viewer is not None and viewer.person_id is not None:
        with reading(site.engine) as session:
            endorsements = endorsements_of(session, viewer.person_id)
            applications = list_undecided_applications(session, viewer.person_id)
        held = dict.fromkeys((each.association, each.category) for each in endorsements)
        for association, category in held:
            if association in site.rulebooks.associations:
                today = site.today(association, now)
                description = describe_rulebook(site.rulebooks, association, category, today)
                descriptions.append(description)
    return site.pages.render(
        "help.html",
        viewer=viewer,
        here="help",
        rulebooks=descriptions,
        applications=applications,
        coordinators=site.settings.coordinators_by_association,
        sender=site.settings.mail.sender_mailbox.address,
    )


def describe_rulebook(
    rulebooks: Rulebooks, association: str, category: str, today: date
) -> dict[str, Any]:
    """The rules of a category's renewal in force on ``today``, and the changes to come."""
    rulebook = rulebooks.associations[association]
    requirements = []
    for requirement in rulebook.requirements_of(category):
        is_in_force = value_in_force(requirement, today) is not None
        if is_in_force or any(v.starts_from > today and v.asked for v in requirement.values):
            requirements.append(requirement)
    return {
        "association": association,
        "association_name": rulebook.name,
        "category": category,
        "category_name": category_name(rulebook, category),
        "cycles": _describe_cycles(rulebook, today),
        "requirements": [_describe_requirement(rulebook, each, today) for each in requirements],
        "provider_rules": _describe_provider_rules(rulebook, requirements, today),
        "memberships": _describe_memberships(rulebooks, rulebook, requirements),
        "interpretations": _list_interpretations(rulebook, category, requirements),
    }


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
) -> dict[str, Any]:
    """The amount now, and the changes already decided."""
    value = value_in_force(requirement, today)
    later = [v for v in requirement.values if v.starts_from > today]
    about = requirement.about
    if requirement.asked_of != "everyone":
        about += f"; required only of {requirement.asked_of}"
    about = "; ".join([about, *describe_sessions(requirement, today)])
    changes = []
    for change in later:
        amount = format_amount(requirement, change)
        changes.append(f"starting {format_date(change.starts_from)}: {amount}")
    return {
        "label": requirement.label,
        "about": about,
        "amount": format_amount(requirement, value) if value else "not required yet",
        "changes": changes,
        "source": _cite(rulebook, (value or later[0]).source),
    }


def _describe_provider_rules(
    rulebook: Rulebook, requirements: Sequence[Requirement], today: date
) -> list[dict[str, Any]]:
    """Whose RSC sessions count: each rule, with the (kind of provider, source) it accepts."""
    descriptions = []
    for name in dict.fromkeys(r.providers for r in requirements if r.providers):
        rule = rulebook.providers[name]
        accepted = []
        for kind in rule.accepts:
            if kind.until is None or kind.until >= today:
                accepted.append((describe_accepted(kind), _cite(rulebook, kind.source)))
        descriptions.append({"description": rule.says, "accepted": accepted})
    return descriptions


def _describe_memberships(
    rulebooks: Rulebooks, rulebook: Rulebook, requirements: Sequence[Requirement]
) -> list[dict[str, Any]]:
    """Which memberships are required, with the names of the accepted organizations."""
    descriptions = []
    for name in dict.fromkeys(r.membership for r in requirements if r.membership):
        organizations = rulebooks.accepted_organizations(f"{rulebook.id}/{name}")
        accepted = [rulebooks.organizations[each].name for each in organizations]
        description = rulebook.memberships[name].says
        descriptions.append({"description": description, "accepted": accepted})
    return descriptions


def _list_interpretations(
    rulebook: Rulebook, category: str, requirements: Sequence[Requirement]
) -> list[Interpretation]:
    """The interpretations of a renewal, without those that are only about applications."""
    own_ids = _own_interpretation_ids(rulebook, requirements)
    application = rulebook.requirements_of(category, "application")
    other_ids = {r.interpretation for r in application}
    other_sections = _sections(application) | _advice_sections(rulebook, requirements)
    other_sections -= _sections(requirements)
    found = []
    for interpretation in rulebook.interpretations:
        if interpretation.categories and category not in interpretation.categories:
            continue
        section = (interpretation.document, interpretation.section)
        is_elsewhere = interpretation.id in other_ids or section in other_sections
        if interpretation.id in own_ids or not is_elsewhere:
            found.append(interpretation)
    return found


def _own_interpretation_ids(
    rulebook: Rulebook, requirements: Sequence[Requirement]
) -> set[str | None]:
    ids = {r.interpretation for r in requirements}
    ids |= {scheme.interpretation for scheme in rulebook.cycles}
    for name in {r.providers for r in requirements if r.providers}:
        ids |= {accepted.interpretation for accepted in rulebook.providers[name].accepts}
    return ids


def _sections(requirements: Sequence[Requirement]) -> set[tuple[str | None, str]]:
    return {(v.source.document, v.source.section) for r in requirements for v in r.values}


def _advice_sections(
    rulebook: Rulebook, requirements: Sequence[Requirement]
) -> set[tuple[str | None, str]]:
    """The sections of advice that is about none of the requirements."""
    ids = {r.id for r in requirements}
    sections: set[tuple[str | None, str]] = set()
    for advice in rulebook.advice:
        if advice.requirement not in ids:
            sections.add((advice.source.document, advice.source.section))
    return sections
