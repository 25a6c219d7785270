"""What a rulebook holds, in words: for the console and for the pages alike."""

from tracker.formatting import format_date, format_hours_with_unit, format_month_day
from tracker.rules.model import AcceptedProvider, CycleScheme, Requirement, Value

_FIRST_CYCLES = {
    "all hours": "All hours are asked from the first cycle on",
    "no hours": "No hours are asked in the cycle in which an endorsement begins",
    "fraction by month": "In the cycle in which an endorsement begins, hours are asked for each "
    "whole month that is left of it",
    "fraction by year": "In the cycle in which an endorsement begins, hours are asked for each "
    "whole year that is left of it",
}


def describe_accepted(accepted: AcceptedProvider) -> str:
    """Whose sessions are accepted, and on which days."""
    who = "vetted by the association" if accepted.vetted else ", ".join(accepted.categories)
    degree = f" with at least: {accepted.degree}" if accepted.degree else ""
    where = f" endorsed by {', '.join(accepted.associations)}" if accepted.associations else ""
    begin = f"from {format_date(accepted.starts_from)}" if accepted.starts_from else ""
    end = f"to the end of {format_date(accepted.until)}" if accepted.until else ""
    days = " ".join(part for part in (begin, end) if part) or "on any day"
    return f"{who}{degree}{where}, {days}"


def describe_value(requirement: Requirement, value: Value) -> str:
    """What a value asks, with its day."""
    return f"from {format_date(value.starts_from)}: {format_amount(requirement, value)}"


def format_amount(requirement: Requirement, value: Value) -> str:
    """What a value asks: ``12 hours``, ``2 years``, ``no longer asked``."""
    if not value.asked:
        return "no longer asked"
    if value.hours is not None:
        return format_hours_with_unit(value.minutes)
    if value.years is not None:
        return "1 year" if value.years == 1 else f"{value.years:g} years"
    if value.many is not None:
        return f"at least {value.many} {requirement.unit or 'positions'}"
    return "asked"


def describe_cycle(scheme: CycleScheme) -> str:
    """How long a cycle is, when it is due, and what follows."""
    years = "year" if scheme.years == 1 else f"{scheme.years} years"
    anchor = (
        f"each {years}, one ending on {format_date(scheme.ends_on)}"
        if scheme.ends_on
        else f"each {years} from the day of endorsement"
    )
    due = (
        f"{scheme.due_days_after_end} days after it ends"
        if scheme.due_days_after_end
        else "on its last day"
    )
    return (
        f"{anchor}; due {due}, then {scheme.grace_days} days of grace; "
        f"first cycle: {scheme.first_cycle}"
    )


def format_scheme(scheme: CycleScheme) -> str:
    """The same for an endorsee, in sentences."""
    long = "one year" if scheme.years == 1 else f"{scheme.years} years"
    if scheme.ends_on is None:
        span = f"A cycle lasts {long}, from the day of endorsement on"
    elif scheme.years == 1:
        span = f"A cycle lasts {long} and ends on {format_month_day(scheme.ends_on)}"
    else:
        span = f"A cycle lasts {long}; one ends on {format_date(scheme.ends_on)}"
    due = (
        f"{scheme.due_days_after_end} days later"
        if scheme.due_days_after_end
        else "on that last day"
    )
    grace = f", and then there are {scheme.grace_days} days of grace" if scheme.grace_days else ""
    return f"{span}. It is due {due}{grace}. {_FIRST_CYCLES[scheme.first_cycle]}."
