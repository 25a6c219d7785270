"""The words of the list of people: statuses, filters, and what a row is short of."""

from collections.abc import Mapping

from tracker.formatting import capitalize_first
from tracker.notifications.attention_text import format_missing
from tracker.notifications.stage_text import format_stage
from tracker.services.dashboard import ShortRequirement
from tracker.services.people_filter import BOUNCED, NEVER_SIGNED_IN, DueSpan, Facet, list_short

_STATUS_WORDS = {
    "behind": "Open, behind",
    "no rules": "No renewal rules",
    "no renewal": "No renewal due",
    "upcoming": "Not begun",
}
_OPTION_WORDS: Mapping[Facet, Mapping[str, str]] = {
    Facet.DUE: {
        DueSpan.PAST: "Past due",
        DueSpan.SOON: "In the next 30 days",
        DueSpan.LATER: "In 31 to 90 days",
        DueSpan.FAR: "Later",
    },
    Facet.FLAG: {
        BOUNCED: "Email bounced",
        NEVER_SIGNED_IN: "Not signed in for a year",
    },
}


def format_status(status: str) -> str:
    """One of `people_list.STATUSES` in words."""
    return _STATUS_WORDS.get(status, capitalize_first(status))


def format_option(facet: Facet, option: str, names: Mapping[str, str]) -> str:
    """One option of a filter; ``names`` has those of requirements or providers by key."""
    if facet is Facet.STATUS:
        return format_status(option)
    if facet is Facet.STAGE:
        return format_stage(option)
    words = _OPTION_WORDS.get(facet, names).get(option, option)
    return capitalize_first(words) if facet is Facet.MISSING else words


def format_row_missing(requirements: str) -> str:
    """All that a row is short of: "5 training hours and membership"; empty if nothing."""
    short = [ShortRequirement.of_stored(item) for item in list_short(requirements)]
    return capitalize_first(format_missing(short)) if short else ""
