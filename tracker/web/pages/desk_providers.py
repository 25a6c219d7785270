"""The coordinator's RSC providers: all of them with who depends on them, and each one whole."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from tracker.formatting import capitalize_first, format_date, format_list, format_short_date
from tracker.rules.providers import Credential
from tracker.rules.reasons import Reason, format_reason
from tracker.services.context import NotFound
from tracker.services.provider_matches import is_similar_name
from tracker.services.provider_overview import (
    MONTHS_AHEAD,
    ProviderDetails,
    ProviderLine,
    ProviderStatus,
    RuleDays,
    explain_line,
    filter_lines,
    get_provider_details,
    list_provider_lines,
)
from tracker.services.qualification import list_rule_categories
from tracker.services.rsc_providers import credentials_of, load_providers
from tracker.services.waiting_names import list_waiting_names
from tracker.web.forms.body import RowId, clean
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    require,
)
from tracker.web.pages.desk import choose_association

router = APIRouter()
TAKES = "takes"
_STATES = (*(status.value for status in ProviderStatus), TAKES)
_PATH = "/coordinator/providers"
_MOST_DEPENDENTS = 100
# By the code of `explain_line`'s reasons, in the words of one cell.
_BRIEFLY = {
    "stops_qualifying": "qualifies no longer",
    "stopped_qualifying": "until {last_day}",
    "credential_ends": "{credential} ends",
    "credential_ended": "{credential} ended {last_day}",
    "rule_ends": "{credential} is accepted until then",
    "rule_ended": "{credential} was accepted until {last_day}",
    "degree_rule_ends": "{credential} needs a {degree}'s degree then",
    "degree_rule_ended": "{credential} needs a {degree}'s degree since {last_day}",
    "qualified_later": "{credential} starts {starts_on}",
    "not_accepted": "{held}: not accepted",
    "degree_needed": "{category} needs a {degree}'s degree",
    "degree_needed_until": "{category} needs a {degree}'s degree",
}


@router.get(_PATH)
def show_providers(
    page: CoordinatorPage,
    association: Annotated[str, Query()] = "",
    search: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> HTMLResponse:
    """Every provider who matters to an association, those with the most hours first."""
    association = choose_association(page.viewer, association)
    today = page.day_of(association)
    search, state = clean(search), state if state in _STATES else ""
    with page.reading() as session:
        lines = list_provider_lines(session, page.rulebooks, association, today)
        listed = filter_lines(lines, search, state)
        shown = listed[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        ids = {line.id for line in shown}
        providers = load_providers(session, ids)
        credentials = credentials_of(session, ids, page.rulebooks.associations)
        waiting = len(list_waiting_names(session, association, today))
    rows = []
    for line in shown:
        reason = explain_line(page.rulebooks, association, line, providers[line.id], today)
        categories = _list_counting(page, line, today)
        change = _format_briefly(reason) if reason else ""
        rows.append((line, credentials.get(line.id, ""), categories, change))

    def link(**parts: object) -> str:
        chosen = {name: value for name, value in parts.items() if value}
        return f"{_PATH}?{urlencode({'association': association, **chosen})}"

    return page.render(
        "desk_providers.html",
        here="coordinator",
        desk="providers",
        association=association,
        rows=rows,
        counts=_count_states(filter_lines(lines, search, "")),
        total=len(lines),
        found=len(listed),
        waiting=waiting,
        search=search,
        state=state,
        months=MONTHS_AHEAD,
        page=number,
        pages=count_pages(len(listed)),
        link=link,
    )


@router.get(_PATH + "/{person_id}")
def show_provider(
    page: CoordinatorPage, person_id: RowId, association: Annotated[str, Query()] = ""
) -> HTMLResponse:
    """One provider: under each rule, who depends on them, and what the roster may say."""
    association = choose_association(page.viewer, association) if association else ""
    with page.reading() as session:
        found = None
        for each in [association] if association else page.viewer.coordinates:
            today = page.day_of(each)
            try:
                found = get_provider_details(session, page.rulebooks, each, today, person_id)
            except NotFound:
                continue
            association = each
            break
        details, today = require(found), page.day_of(association)
        names = [
            name
            for name in list_waiting_names(session, association, today)
            if is_similar_name(name.name, details.line.name)
        ]
    return page.render(
        "desk_provider.html",
        here="coordinator",
        desk="providers",
        association=association,
        details=details,
        headline=_format_headline(details),
        rules=[(rule, _format_state(rule), _say(rule.reason)) for rule in details.rules],
        names=names,
        most=_MOST_DEPENDENTS,
        credentials=[_format_credential(held) for held in details.credentials],
        forever=date.max,
        is_self=person_id == page.viewer.person_id,
    )


def _list_counting(page: PageRequest, line: ProviderLine, today: date) -> str:
    """``IFA and IFS``: the categories for which sessions of today count."""
    categories: dict[str, None] = {}
    for key in page.rulebooks.provider_rules:
        if any(span.starts_on <= today <= span.ends_on for span in line.spans.get(key, ())):
            categories.update(dict.fromkeys(list_rule_categories(page.rulebooks, key)))
    return format_list(list(categories))


def _count_states(lines: Sequence[ProviderLine]) -> dict[str, int]:
    """How many providers each filter shows, with the search as it is."""
    counts: Counter[str] = Counter(line.status for line in lines)
    counts[TAKES] = sum(line.takes_supervisees for line in lines)
    return {"": len(lines), **{state: counts[state] for state in _STATES}}


def _format_briefly(reason: Reason) -> str:
    """The reason in a few words; the provider's own page has the whole sentence."""
    facts = dict(reason.facts)
    words = _BRIEFLY[reason.code]
    shown = {name: _format_fact(value) for name, value in facts.items()}
    return words.format(**shown)


def _format_fact(value: object) -> str:
    if isinstance(value, tuple):
        return format_list(value)
    return format_short_date(value) if isinstance(value, date) else str(value)


def _say(reason: Reason | None) -> str:
    return capitalize_first(format_reason(reason)) if reason else ""


def _format_headline(details: ProviderDetails) -> str:
    """Whether sessions of today count, in one sentence."""
    counting = [rule for rule in details.rules if rule.counts_today]
    name = details.line.name
    if not counting:
        return f"Sessions with {name} do not count today."
    categories: dict[str, None] = {}
    for rule in counting:
        categories.update(dict.fromkeys(rule.categories))
    return f"Sessions with {name} count today for {format_list(list(categories))}."


def _format_credential(held: Credential) -> str:
    """``Endorsement as IMHM-C by MI-AIMH, January 1, 2020 to no end``."""
    whose = f" by {held.association}" if held.category else ""
    last = format_date(held.ends_on) if held.ends_on else "no end"
    span = f"{format_date(held.starts_on)} to {last}"
    known = f" (recorded by {held.known_to}, and counts for it only)" if held.known_to else ""
    return f"{capitalize_first(held.noun)}{whose}, {span}{known}"


def _format_state(rule: RuleDays) -> tuple[str, str]:
    """The state under a rule and its tone."""
    if not rule.counts_today:
        return "Does not count", "warm"
    return ("Ends", "warm") if rule.last_day else ("Counts", "good")
