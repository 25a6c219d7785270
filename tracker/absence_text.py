"""Why leave or inactive status can't be recorded, in sentences: see `tracker.refusal_text`."""

from collections.abc import Callable, Mapping
from typing import Any

from tracker.formatting import capitalize_first, format_count, format_date

Facts = Mapping[str, Any]
_NOUNS = {"leave": "leave", "inactive": "inactive status", "emeritus": "emeritus status"}
_TIMES = {1: "once", 2: "twice"}


def _format_length(facts: Facts, bound: str) -> str:
    """``Leave lasts at most 12 months``."""
    length = format_count(facts["months"] or facts["days"], "month" if facts["months"] else "day")
    return f"{capitalize_first(_NOUNS[facts['kind']])} lasts {bound} {length}"


def _format_not_offered(facts: Facts) -> str:
    return f"{facts['association']} offers no {_NOUNS[facts['kind']]} that begins on this day"


def _format_too_short(facts: Facts) -> str:
    last = format_date(facts["last"])
    return f"{_format_length(facts, 'at least')}: the last day must be {last} or later"


def _format_too_long(facts: Facts) -> str:
    last = format_date(facts["last"])
    return f"{_format_length(facts, 'at most')}: the last day must be {last} or earlier"


def _format_needs_end(facts: Facts) -> str:
    last = format_date(facts["last"])
    return f"{_format_length(facts, 'at most')}: enter a last day, {last} or earlier"


def _format_held_too_briefly(facts: Facts) -> str:
    years, first = format_count(facts["years"], "year"), format_date(facts["first"])
    noun = capitalize_first(_NOUNS[facts["kind"]])
    return (
        f"{noun} is for endorsements that were held for {years}: the first day must be {first} or "
        "later"
    )


def _format_too_often(facts: Facts) -> str:
    most = facts["most"]
    times = _TIMES.get(most) or f"{most} times"
    within = format_count(facts["cycles"] or facts["years"], "cycle" if facts["cycles"] else "year")
    noun, day = capitalize_first(_NOUNS[facts["kind"]]), format_date(facts["starts_on"])
    return f"{noun} is possible at most {times} in {within}, and one that began on {day} is on file"


ABSENCE_SENTENCES: dict[str, str | Callable[[Facts], str]] = {
    "absence-not-offered": _format_not_offered,
    "absence-too-short": _format_too_short,
    "absence-too-long": _format_too_long,
    "absence-needs-end": _format_needs_end,
    "absence-held-too-briefly": _format_held_too_briefly,
    "absence-too-often": _format_too_often,
    "leave-before-endorsement": "This leave ends before your endorsement began on {starts_on}",
    "leave-in-closed-cycle": (
        "{cycle} closed on {grace_ends_on}, so leave that ends in it has no effect. Contact your "
        "coordinator."
    ),
    "leave-overlaps": (
        "There is already leave from {starts_on} that overlaps these days. Change that one instead."
    ),
    "granted-leave-before-endorsement": (
        "This leave ends before the endorsement began on {starts_on}"
    ),
    "granted-leave-in-closed-cycle": (
        "{cycle} closed on {grace_ends_on}, so leave that ends in it has no effect"
    ),
}
