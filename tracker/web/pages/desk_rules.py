"""The association's rulebook as a page: what is required, since when, by which source, and why."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from tracker.formatting import format_list
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.description import describe_ends, describe_membership, describe_terms
from tracker.rules.fees import Fee
from tracker.rules.model import Interpretation, Rulebook
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.registry import describe_registry
from tracker.rules.requirement import Purpose, Requirement, Source
from tracker.rules.rule_changes import (
    RuleChange,
    describe_other_steps,
    describe_renewal_steps,
    fixed_cycle_on,
    group_categories,
    list_absence_spans,
    list_accepted_spans,
    list_certificate_spans,
    list_changes_ahead,
    list_fee_spans,
    list_removal_spans,
    list_renewal_days,
    list_scheme_spans,
    list_users,
    list_value_spans,
    period_of,
)
from tracker.services.rules_reach import (
    CategorySizes,
    LosingProvider,
    count_by_category,
    list_losing_providers,
)
from tracker.web.page_request import CoordinatorPage, PageRequest
from tracker.web.pages.desk import choose_association
from tracker.web.rendering import category_name

router = APIRouter()
_PATH = "/coordinator/rules"
# The parts of the page, each with its own address.
PARTS = {
    "renewals": "Renewals",
    "providers": "RSC providers and memberships",
    "applications": "Applications",
    "interpretations": "Interpretations",
}
_MOST_PROVIDERS = 8


@router.get(_PATH)
def show_rules(
    page: CoordinatorPage,
    association: Annotated[str, Query()] = "",
    part: Annotated[str, Query()] = "",
) -> HTMLResponse:
    """One part of the rulebook of an association."""
    association = choose_association(page.viewer, association)
    part = part if part in PARTS else next(iter(PARTS))
    today = page.day_of(association)
    view = RulebookView(page.rulebooks, association, today)
    return page.render(
        "desk_rules.html",
        here="coordinator",
        desk="rules",
        association=association,
        rulebook=view.rulebook,
        parts=PARTS,
        part=part,
        today=today,
        part_path=lambda name: f"{_PATH}?{urlencode({'association': association, 'part': name})}",
        what_if=f"{_PATH}/what-if?{urlencode({'association': association})}",
        **_SHOWN[part](page, view),
    )


class RulebookView:
    """A rulebook as its page shows it on one day."""

    def __init__(self, rulebooks: Rulebooks, association: str, today: date) -> None:
        self.rulebooks = rulebooks
        self.rulebook: Rulebook = rulebooks.associations[association]
        self.today = today

    def cite(self, source: Source) -> str:
        """A source: the document's title and the section."""
        return f"{self.rulebook.documents[source.document].title}, “{source.section}”"

    def name_categories(self, categories: Iterable[str]) -> str:
        """Categories by their keys, or words for all of them."""
        names = list(categories)
        return "All categories" if len(names) == len(self.rulebook.categories) else ", ".join(names)

    def describe_requirement(self, requirement: Requirement) -> dict[str, Any]:
        """A requirement with its values over time and its terms."""
        values = list_value_spans(self.rulebook, requirement, self.today)
        sources = dict.fromkeys(value.source for value in values)
        return {
            "label": requirement.label,
            "about": requirement.about,
            "terms": list(describe_terms(self.rulebook, requirement)),
            "values": values,
            "changes": len(values) > 1,
            "sources": [self.cite(source) for source in sources],
            "interpretation": requirement.interpretation,
        }

    def describe_fee(self, fee: Fee) -> dict[str, Any]:
        """A fee with its amounts over time, in the form of a requirement."""
        values = list_fee_spans(self.rulebook, fee, self.today)
        sources = dict.fromkeys(value.source for value in values)
        return {
            "label": fee.label,
            "about": self.name_categories(fee.categories),
            "terms": [fee.how_to_pay],
            "values": values,
            "changes": len(values) > 1,
            "sources": [self.cite(source) for source in sources],
            "interpretation": fee.interpretation,
        }

    def describe_groups(self, purpose: Purpose, sizes: CategorySizes) -> list[dict[str, Any]]:
        """Categories with the same requirements, and how many people they concern."""
        groups = []
        for categories, requirements in group_categories(self.rulebook, purpose):
            names = [f"{category_name(self.rulebook, each)} ({each})" for each in categories]
            groups.append(
                {
                    "categories": categories,
                    "names": format_list(names),
                    "endorsements": sizes.count_endorsements(categories),
                    "applications": sizes.count_applications(categories),
                    "people_path": people_path(self.rulebook.id, categories),
                    "requirements": [self.describe_requirement(each) for each in requirements],
                }
            )
        return groups


def people_path(association: str, categories: Sequence[str]) -> str:
    """The list of people, filtered by categories."""
    query = [("association", association), *(("category", each) for each in categories)]
    return f"/coordinator/people?{urlencode(query)}"


class ChangeAhead(NamedTuple):
    """A change that is to come, and whom it touches."""

    change: RuleChange
    sources: list[str]
    categories: str
    endorsements: int
    applications: int
    people_path: str
    providers: Sequence[LosingProvider]
    more_providers: int


def _show_renewals(page: PageRequest, view: RulebookView) -> dict[str, Any]:
    rulebook, config = view.rulebook, page.site.notices.of(view.rulebook.id)
    with page.reading() as session:
        sizes = count_by_category(session, rulebook.id, view.today)
        changes = []
        used_since = config.provider_cutoff.recent_from(view.today)
        for change in list_changes_ahead(rulebook, view.today):
            losing: Sequence[LosingProvider] = ()
            if change.provider_rule and change.last_day:
                losing = list_losing_providers(
                    session, rulebook.id, change.provider_rule, change.last_day, used_since
                )
            changes.append(_view_change(view, change, sizes, losing))
    cycle = fixed_cycle_on(rulebook, view.today)
    ruled = {c for c in rulebook.categories if rulebook.requirements_of(c)}
    return {
        "changes": changes,
        "groups": view.describe_groups("renewal", sizes),
        "fees": [view.describe_fee(fee) for fee in rulebook.fees],
        "schemes": list_scheme_spans(rulebook, view.today),
        "category_ends": list(describe_ends(rulebook, rulebook.categories)),
        "absences": list_absence_spans(rulebook, view.today),
        "certificates": list_certificate_spans(rulebook, view.today),
        "registry": describe_registry(rulebook.registry),
        "returns": view.describe_groups("reinstatement", sizes),
        "removals": _list_removals(view),
        "cycle": cycle,
        "days": _list_days(cycle, config, view.today),
        "renewal_steps": describe_renewal_steps(config),
        "other_steps": describe_other_steps(config),
        "unruled": [
            (key, category_name(rulebook, key), sizes.count_endorsements([key]))
            for key in rulebook.categories
            if key not in ruled
        ],
    }


def _list_removals(view: RulebookView) -> list[dict[str, Any]]:
    """When endorsements are removed and reinstated, with sources."""
    removals = []
    for span in list_removal_spans(view.rulebook, view.today):
        cited = view.cite(span.rule.source) if span.rule.source else ""
        reading = {"cited": cited, "interpretation": span.rule.interpretation}
        removals.append(span._asdict() | reading)
    return removals


def _view_change(
    view: RulebookView,
    change: RuleChange,
    sizes: CategorySizes,
    losing: Sequence[LosingProvider],
) -> ChangeAhead:
    is_renewal = "renewal" in change.purposes
    return ChangeAhead(
        change,
        [view.cite(source) for source in change.sources],
        view.name_categories(change.categories),
        sizes.count_endorsements(change.categories) if is_renewal else 0,
        sizes.count_applications(change.categories) if "application" in change.purposes else 0,
        people_path(view.rulebook.id, change.categories),
        losing[:_MOST_PROVIDERS],
        max(0, len(losing) - _MOST_PROVIDERS),
    )


def _list_days(
    cycle: Cycle | None, config: NoticeConfig, today: date
) -> list[tuple[date, str, bool]]:
    """The days of the running cycle, and whether each is over."""
    if cycle is None:
        return []
    return [(day, says, day < today) for day, says in list_renewal_days(cycle, config)]


def _show_providers(page: PageRequest, view: RulebookView) -> dict[str, Any]:
    rulebook = view.rulebook
    rules = []
    for name, rule in rulebook.providers.items():
        uses = []
        for requirement in list_users(rulebook, name):
            categories = view.name_categories(requirement.categories)
            uses.append(f"{requirement.of}s of {categories}")
        rules.append(
            {
                "says": rule.says,
                "used_for": list(dict.fromkeys(uses)),
                "accepted": [
                    (span, view.cite(span.source)) for span in list_accepted_spans(rule, view.today)
                ],
            }
        )
    memberships = []
    for name, membership in rulebook.memberships.items():
        accepted = page.rulebooks.accepted_organizations(f"{rulebook.id}/{name}")
        organizations = [page.rulebooks.organizations[each].name for each in accepted]
        says = "; ".join([membership.says, *describe_membership(membership)])
        memberships.append((says, organizations))
    return {"provider_rules": rules, "memberships": memberships}


def _show_applications(page: PageRequest, view: RulebookView) -> dict[str, Any]:
    with page.reading() as session:
        sizes = count_by_category(session, view.rulebook.id, view.today)
    ratings = [
        (
            question,
            view.name_categories(question.categories),
            view.cite(question.source),
            period_of(question.starts_from, question.until, view.today),
        )
        for question in view.rulebook.ratings
    ]
    advice = [
        (one, view.name_categories(one.categories), view.cite(one.source))
        for one in view.rulebook.advice
    ]
    return {
        "groups": view.describe_groups("application", sizes),
        "ratings": ratings,
        "advice": advice,
    }


class InterpretationView(NamedTuple):
    """An interpretation: where the source stands, and the readings, each with how to try it."""

    interpretation: Interpretation
    document: str
    categories: str
    readings: list[tuple[str, str]]


def _show_interpretations(_page: PageRequest, view: RulebookView) -> dict[str, Any]:
    rulebook = view.rulebook
    views = []
    for one in rulebook.interpretations:
        paths = {
            alternative.reading: _try_path(rulebook, one, alternative.reading)
            for alternative in one.alternatives
        }
        views.append(
            InterpretationView(
                one,
                rulebook.documents[one.document].title if one.document else "",
                view.name_categories(one.categories) if one.categories else "All categories",
                [(text, paths.get(number, "")) for number, text in enumerate(one.readings, 1)],
            )
        )
    # Those that can be tried come first: they are what a coordinator can do something about.
    views.sort(key=lambda each: not each.interpretation.alternatives)
    return {"interpretations": views}


def _try_path(rulebook: Rulebook, interpretation: Interpretation, reading: int) -> str:
    query = {"association": rulebook.id, "reading": f"{interpretation.id}={reading}"}
    return f"{_PATH}/what-if?{urlencode(query)}"


_SHOWN = {
    "renewals": _show_renewals,
    "providers": _show_providers,
    "applications": _show_applications,
    "interpretations": _show_interpretations,
}
