"""Help: the viewer's rulebooks in plain words, with their sources, and whom to ask."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from tracker.db.applications import Application
from tracker.db.engine import reading
from tracker.formatting import format_date, format_list
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_description import format_absence_rule
from tracker.rules.absence_rules import KINDS
from tracker.rules.cycle_text import format_scheme
from tracker.rules.description import (
    describe_accepted,
    describe_ends,
    describe_membership,
    describe_sessions,
    format_amount,
    format_for_whom,
)
from tracker.rules.model import Interpretation, Rulebook
from tracker.rules.plan import latest_value, value_in_force
from tracker.rules.requirement import Requirement, Source, Value
from tracker.services.applications import list_undecided_applications
from tracker.services.endorsements import endorsements_of
from tracker.services.registry import find_open_registry
from tracker.settings import Settings
from tracker.web.dependencies import NowDep, OptionalViewerDep, SiteDep
from tracker.web.rendering import category_name

router = APIRouter()


@router.get("/help")
def show_help(site: SiteDep, now: NowDep, viewer: OptionalViewerDep) -> Response:
    """General help for everybody; for an endorsee, their own rulebooks first."""
    descriptions = []
    applications: Sequence[Application] = ()
    held: dict[tuple[str, str], None] = {}
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
    associations = [*(name for name, _ in held), *(each.association for each in applications)]
    senders = list_senders(site.settings, associations)
    return site.pages.render(
        "help.html",
        viewer=viewer,
        here="help",
        rulebooks=descriptions,
        applications=applications,
        coordinators=site.settings.coordinators_by_association,
        senders=format_list(senders),
        has_one_sender=len(senders) == 1,
        registries=[
            rulebook
            for name, rulebook in site.rulebooks.associations.items()
            if find_open_registry(site.rulebooks, name, site.today(name, now))
        ],
    )


def list_senders(settings: Settings, associations: Iterable[str]) -> list[str]:
    """The addresses from which these associations' mail comes, after that of codes to sign in."""
    addresses = [settings.mail_of(name).sender_mailbox.address for name in (None, *associations)]
    return list(dict.fromkeys(addresses))


def describe_rulebook(
    rulebooks: Rulebooks, association: str, category: str, today: date
) -> dict[str, Any]:
    """The rules of a category's renewal in force on ``today``, and the changes to come."""
    rulebook = rulebooks.associations[association]
    requirements = []
    for requirement in rulebook.requirements_of(category):
        values = requirement.values_for(category)
        # A requirement of endorsements that are held for some years is one to know of before.
        longest = max((value.held_years for value in values), default=0)
        in_force = value_in_force(requirement, today, category)
        in_force = in_force or value_in_force(requirement, today, category, longest)
        if in_force or any(v.starts_from > today and v.asked for v in values):
            requirements.append(requirement)
    return {
        "association": association,
        "association_name": rulebook.name,
        "category": category,
        "category_name": category_name(rulebook, category),
        "cycles": [*_describe_cycles(rulebook, today), *describe_ends(rulebook, [category])],
        "requirements": [
            _describe_requirement(rulebook, each, category, today) for each in requirements
        ],
        "absences": _describe_absences(rulebook, today),
        "provider_rules": _describe_provider_rules(rulebook, requirements, today),
        "memberships": _describe_memberships(rulebooks, rulebook, requirements),
        "interpretations": _list_interpretations(rulebook, category, requirements),
    }


def _cite(rulebook: Rulebook, source: Source) -> str:
    return f"{rulebook.documents[source.document].title}, “{source.section}”"


def _describe_cycles(rulebook: Rulebook, today: date) -> list[str]:
    """The scheme in force, and those to come."""
    started = [scheme for scheme in rulebook.cycles if scheme.starts_from <= today]
    sentences = [format_scheme(scheme, rulebook) for scheme in started[-1:]]
    for scheme in rulebook.cycles[len(started) :]:
        sentences.append(
            f"Starting {format_date(scheme.starts_from)}: {format_scheme(scheme, rulebook)}"
        )
    return sentences


def _describe_absences(rulebook: Rulebook, today: date) -> list[str]:
    """What leave and inactive status excuse; empty if it is the usual."""
    in_force = [rule for kind in KINDS if (rule := rulebook.absence_rule(kind, today))]
    if all(rule.excuses is None for rule in in_force) and all(
        scheme.years == 1 for scheme in rulebook.cycles
    ):
        return []
    return [format_absence_rule(rulebook, rule) for rule in in_force]


def _describe_requirement(
    rulebook: Rulebook, requirement: Requirement, category: str, today: date
) -> dict[str, Any]:
    """The amount now, that of endorsements held for some years, and the changes already decided."""
    value = value_in_force(requirement, today, category)
    later = [v for v in requirement.values_for(category) if v.starts_from > today]
    by_years = _list_by_years(requirement, category, today)
    about = requirement.about
    if requirement.asked_of != "everyone":
        about += f"; required only of {requirement.asked_of}"
    about = "; ".join([about, *describe_sessions(requirement, today)])
    changes = []
    for change in later:
        amount = format_amount(requirement, change)
        whom = f" {_for_years(change)}" if change.held_years else ""
        changes.append(f"starting {format_date(change.starts_from)}{whom}: {amount}")
    return {
        "label": requirement.label,
        "about": about,
        "amount": format_amount(requirement, value) if value else "not required yet",
        "by_years": [f"{_for_years(v)}: {format_amount(requirement, v)}" for v in by_years],
        "changes": changes,
        "source": _cite(rulebook, (value or [*by_years, *later][0]).source),
    }


def _list_by_years(requirement: Requirement, category: str, today: date) -> list[Value]:
    """What is required of endorsements that have been held for some years, the fewest first."""
    found = []
    for years in sorted({v.held_years for v in requirement.values_for(category)}):
        held = latest_value(requirement, today, category, years)
        if years and held is not None and held.held_years == years:
            found.append(held)
    return found


def _for_years(value: Value) -> str:
    """Whom a value is for, of the endorsements of one category."""
    return format_for_whom(value.model_copy(update={"categories": ()}))


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
        rule = rulebook.memberships[name]
        description = "; ".join([rule.says, *describe_membership(rule)])
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
