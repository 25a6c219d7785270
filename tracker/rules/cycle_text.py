"""How cycles run, in sentences, and days of the year."""

from collections.abc import Iterator
from datetime import date, timedelta

from tracker.formatting import (
    format_alternatives,
    format_count,
    format_date,
    format_list,
    format_month_day,
)
from tracker.rules.model import CycleScheme, Rulebook
from tracker.rules.month_days import ANY_LEAP_YEAR, is_leap_day, month_day_in

_FIRST_CYCLES = {
    "all hours": "All hours are required starting with the first cycle",
    "no hours": "No hours are required in the cycle in which an endorsement begins",
    "fraction by month": "In the cycle in which an endorsement begins, hours are required for each "
    "whole month left in it; hours held in it before that day count",
    "fraction by year": "In the cycle in which an endorsement begins, hours are required for each "
    "whole year left in it; hours held in it before that day count",
    "fraction by table": "In the cycle in which an endorsement begins, a part of the hours is "
    "required; hours held in it before that day count",
}
_SHORT_CYCLES = {
    "all hours": "all hours",
    "no hours": "no hours",
    "fraction by month": "hours for each whole month in it",
    "fraction by year": "hours for each whole year in it",
}
_SHARES = {"1": "all hours", "0": "no hours"}
_LONG_CYCLES = {
    "all hours": "the hours of other cycles",
    "no hours": "no hours",
    "fraction by month": "hours for each whole month in them, more than other cycles",
    "fraction by year": "hours for each whole year in them, more than other cycles",
}


def format_scheme(scheme: CycleScheme, rulebook: Rulebook) -> str:
    """How long a cycle is, when it is due, and what the first one requires, in sentences."""
    years = "one year" if scheme.years == 1 else f"{scheme.years} years"
    if scheme.ends_on is None:
        span = f"A cycle lasts {years} from the day of endorsement"
    elif scheme.years == 1:
        span = f"A cycle lasts {years} and ends on {format_month_day(scheme.ends_on)}"
    else:
        span = f"A cycle lasts {years}; one ends on {format_date(scheme.ends_on)}"
    sentences = [span, *_describe_due_date(scheme)]
    if scheme.submission_opens is not None:
        sentences.append(_describe_window(scheme))
    sentences += _describe_first_cycle(scheme, rulebook)
    if scheme.continues:
        sentences.append(_describe_continued(scheme))
    if scheme.counts_years:
        sentences.append(_describe_years_held(scheme))
    if scheme.short_cycle:
        hours = _SHORT_CYCLES[scheme.short_cycle]
        sentences.append(f"A cycle that a change cuts short requires {hours}")
    if scheme.lengthens_on:
        sentences.append(_describe_lengthened(scheme, scheme.lengthens_on))
    return f"{'. '.join(sentences)}."


def _describe_due_date(scheme: CycleScheme) -> Iterator[str]:
    due = "It is due on its last day"
    if scheme.due_days_after_end:
        due = f"It is due {format_count(scheme.due_days_after_end, 'day')} after its last day"
    elif scheme.due_days_before_end:
        due = f"It is due {format_count(scheme.due_days_before_end, 'day')} before its last day"
    elif scheme.due_on:
        due = f"It is due on {name_month_day(scheme.due_on)}"
    if scheme.grace_days:
        due += f", followed by a grace period of {format_count(scheme.grace_days, 'day')}"
    elif scheme.grace_until:
        due += f", followed by a grace period through {name_month_day(scheme.grace_until)}"
    yield due
    if scheme.due_days_before_end or scheme.due_on:
        yield "Hours held after the due date count through the cycle's last day"


def _describe_window(scheme: CycleScheme) -> str:
    says = f"The submission opens {_name_window_day(scheme.submission_opens, 'on ')}"
    if scheme.submission_closes is None:
        return says
    return f"{says}; its last day is {_name_window_day(scheme.submission_closes, '')}"


def _name_window_day(day: str | int | None, preposition: str) -> str:
    """``on October 1``, ``90 days before the due date``, ``on the due date``."""
    if isinstance(day, str):
        return preposition + name_month_day(day)
    if not day:
        return f"{preposition}the due date"
    return f"{format_count(abs(day), 'day')} {'before' if day < 0 else 'after'} the due date"


def name_month_day(month_day: str) -> str:
    """``March 31``; a February 29 with the day that it is in other years."""
    day = month_day_in(ANY_LEAP_YEAR, month_day)
    name = format_month_day(day)
    if not is_leap_day(day):
        return name
    return f"{name} ({format_month_day(day - timedelta(days=1))} in a year without it)"


def _describe_lengthened(scheme: CycleScheme, day: date) -> str:
    last_day = scheme.starts_from - timedelta(days=1)
    hours = scheme.long_cycle
    words = _LONG_CYCLES[hours] if isinstance(hours, str) else f"{hours:g} times as many hours"
    return (
        f"This change lengthens the cycles that run on {format_date(day)}: they last through "
        f"{format_date(last_day)} and require {words}"
    )


def _describe_first_cycle(scheme: CycleScheme, rulebook: Rulebook) -> Iterator[str]:
    yield _FIRST_CYCLES[scheme.first_cycle]
    day = "the endorsement began"
    if scheme.first_cycle_from == "application":
        day = "the application was submitted"
        yield "The first cycle is counted from the day of the application, if one is on record"
    if scheme.first_cycle_shares:
        rows = []
        for row in scheme.first_cycle_shares:
            share = _SHARES.get(row.share, f"{row.share} of the hours")
            rows.append(f"{share} through month {row.months}")
        yield f"By the month of the cycle in which {day}: {format_list(rows)}"
    if scheme.first_cycle_exempts:
        labels = {r.id: r.label for r in rulebook.requirements if r.of == "renewal"}
        exempt = format_list([labels[name] for name in scheme.first_cycle_exempts])
        yield f"Not required in the first cycle: {exempt}"
    if scheme.first_cycle_months_before:
        months = format_count(scheme.first_cycle_months_before, "month")
        yield f"Hours held up to {months} before the first cycle begins count in it"


def _describe_continued(scheme: CycleScheme) -> str:
    earlier = format_alternatives([f"the {kind}" for kind in scheme.continues])
    earlier = earlier.replace("the other", "another")
    within = format_count(scheme.continues_within_days, "day")
    since = ""
    if scheme.continues_from:
        since = f", in cycles from {format_date(scheme.continues_from)} on"
    return (
        "All hours are required if the endorsement continues one of "
        f"{earlier} that ended at most {within} before{since}"
    )


def _describe_years_held(scheme: CycleScheme) -> str:
    earlier = format_alternatives([f"the {kind}" for kind in scheme.held_counts])
    earlier = earlier.replace("the other", "another")
    most = scheme.held_break_days
    breaks = f"a break of more than {format_count(most, 'day')}" if most else "a break"
    return f"Years held include earlier endorsements of {earlier}, without {breaks}"
