"""The list of people as a table for CSV files and workbooks."""

from collections.abc import Mapping, Sequence
from datetime import date

from tracker.clock import local_day
from tracker.exports.workbooks import Column, ExportTable, Value
from tracker.formatting import as_hours, capitalize_first
from tracker.mail.refusals import describe_refusal
from tracker.notifications.people_text import format_row_missing, format_status
from tracker.notifications.stage_text import format_stage
from tracker.rules.requirement import HOURS
from tracker.services.people_filter import FilteredPeople, list_short
from tracker.services.people_list import PeopleRow

_NARROW = 17
_COLUMNS = (
    Column("Name", 24),
    Column("Email", 30),
    Column("Second email", 30),
    Column("Category", 12),
    Column("Status", 16),
    Column("Since", 12),
    Column("Ends on", 12),
    Column("Cycle from", 12),
    Column("Cycle to", 12),
    Column("Due on", 12),
    Column("Missing", 40),
    Column("Hours missing", 14),
    Column("Membership until", 16),
    Column("RSC providers", 30),
    Column("Email bounced on", 16),
    Column("Signed in within a year", 20),
    Column("Marks", 20),
    Column("Stage", 24),
    Column("Why email bounced", 40),
)


def tabulate_people(
    shown: FilteredPeople, providers: Mapping[str, str], time_zone: str
) -> ExportTable:
    """The rows in their order, with a column for each requirement that somebody is short of.

    ``providers`` are names by key. Hours are numbers; what else is missing is "yes".
    """
    extra = [
        Column(f"{capitalize_first(label)} missing", _NARROW) for label in shown.labels.values()
    ]
    rows = [_list_values(row, providers, time_zone, [*shown.labels]) for row in shown.rows]
    return ExportTable([*_COLUMNS, *extra], rows)


def _list_values(
    row: PeopleRow, providers: Mapping[str, str], time_zone: str, requirement_ids: Sequence[str]
) -> list[Value]:
    short: dict[str, Value] = {}
    for item in list_short(row.requirements):
        amount = as_hours(item.short) if item.is_hours else item.short
        short[item.id] = amount if item.counts in HOURS else "yes"
    names = sorted(providers[key] for key in row.providers if key in providers)
    bounced_on, why = _describe_bounce(row, time_zone)
    return [
        row.name,
        row.email,
        row.second_email,
        row.category,
        format_status(row.status),
        row.starts_on,
        row.ends_on,
        row.cycle_starts_on,
        row.cycle_ends_on,
        row.due_on,
        format_row_missing(row.requirements),
        as_hours(row.short_minutes) if row.due_on else None,
        _last_day(row.membership_until),
        "; ".join(names),
        bounced_on,
        "yes" if row.has_signed_in else "no",
        "; ".join(row.marks),
        format_stage(row.stage),
        why,
        *(short.get(each) for each in requirement_ids),
    ]


def _describe_bounce(row: PeopleRow, time_zone: str) -> tuple[date | None, str]:
    """Since when the first address does not work, and why."""
    if row.refused_at is None:
        return None, ""
    return local_day(row.refused_at, time_zone), describe_refusal(row.refused_reason)


def _last_day(day: date | None) -> Value:
    return "for life" if day == date.max else day
