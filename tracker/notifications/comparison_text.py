"""What another rulebook would change, in words: for the page and for `tracker rules diff`."""

from collections.abc import Iterator
from datetime import date

from tracker.formatting import (
    capitalize_first,
    format_count,
    format_date,
    format_measure,
)
from tracker.notifications.attention_text import format_missing
from tracker.rules.notices import Kind
from tracker.rules.requirement import HOURS
from tracker.services.evaluation import StoredResult
from tracker.services.rules_comparison import (
    ChangedStanding,
    DueNotice,
    Effect,
    RenewalState,
    RulesComparison,
)

_KINDS = {
    Kind.RENEWAL: "Reminders of the due date",
    Kind.LAPSE: "Lapsed renewals",
    Kind.MEMBERSHIP: "Memberships that end or have ended",
    Kind.CUTOFF: "Providers who stop counting",
    Kind.RSC_WINDOW: "RSC windows that close",
    Kind.REFERENCES: "Missing references",
    Kind.WINDOW_OPENS: "Submission windows that open",
    Kind.WINDOW_CLOSES: "Submission windows that close",
    Kind.ABSENCE_ENDS: "Leave and inactive status that ends",
    Kind.TERM_ENDS: "Limited terms that end",
}
# What the steps of a notice are counted from, and the same with a preposition.
_FROM_DUE_DATE = ("the due date", "on the due date")
_COUNTED_FROM = {
    Kind.MEMBERSHIP: ("the membership ends", "on the day the membership ends"),
    Kind.WINDOW_OPENS: ("the first day to submit", "on the first day to submit"),
    Kind.WINDOW_CLOSES: ("the last day to submit", "on the last day to submit"),
    Kind.ABSENCE_ENDS: ("the last day away", "on the last day away"),
    Kind.TERM_ENDS: ("the limited term ends", "on the day the limited term ends"),
}
_OUTCOMES = {"met": "done", "excused": "not required"}
_STATES = {"behind": "open, behind", "no rules": "no renewal rules", "met": "complete"}


def format_kind(kind: Kind) -> str:
    """What notices of one kind are about, as a heading."""
    return _KINDS[kind]


def format_state(state: str) -> str:
    """A renewal's state as people read it."""
    return _STATES.get(state, state)


def format_notice(notice: DueNotice) -> str:
    """What one notice is about: ``30 days before the due date, December 31, 2026``."""
    day = format_date(notice.due_on)
    if notice.kind is Kind.CUTOFF:
        return f"{notice.about} counts through {day}"
    if notice.kind is Kind.LAPSE:
        return f"was due {day}"
    what, on_that_day = _COUNTED_FROM.get(notice.kind, _FROM_DUE_DATE)
    if not notice.step:
        return f"{on_that_day}, {day}"
    days = format_count(abs(notice.step), "day")
    return f"{days} {'before' if notice.step < 0 else 'after'} {what}, {day}"


def format_renewal(renewal: RenewalState | None) -> str:
    """A renewal in one line: ``Open, due December 31, 2026: 5 training hours missing``."""
    if renewal is None:
        return "No renewal"
    words = capitalize_first(format_state(renewal.state))
    if renewal.due_on and renewal.state != "met":
        words += f", due {format_date(renewal.due_on)}"
    missing = format_missing(renewal.short)
    return f"{words}: {missing} missing" if missing else words


def list_differences(standing: ChangedStanding) -> list[str]:
    """What differs between the two outcomes of one renewal, requirement by requirement."""
    before, after = standing.before, standing.after
    if before is None or after is None:
        return []
    differences = []
    if (before.cycle_starts_on, before.cycle_ends_on) != (
        after.cycle_starts_on,
        after.cycle_ends_on,
    ):
        differences.append(f"cycle {_span(before)} becomes {_span(after)}")
    elif before.due_on != after.due_on:
        differences.append(f"due {_day(before.due_on)} becomes {_day(after.due_on)}")
    then = {result.id: result for result in before.results}
    for result in after.results:
        differences += _compare_results(then.pop(result.id, None), result)
    differences += [f"{result.label}: no longer required" for result in then.values()]
    return differences


def _compare_results(then: StoredResult | None, now: StoredResult) -> list[str]:
    if then is None:
        return [f"{now.label}: newly required{_required(now)}"]
    if then == now:
        return []
    changes = []
    if then.required != now.required:
        changes.append(
            f"{_amount(now, then.required)} required becomes {_amount(now, now.required)}"
        )
    if then.counted != now.counted and now.counts in HOURS:
        changes.append(f"{_amount(now, then.counted)} counted becomes {_amount(now, now.counted)}")
    if not changes:
        before, after = (_OUTCOMES.get(one.outcome, one.outcome) for one in (then, now))
        changes.append(f"{before} becomes {after}")
    return [f"{now.label}: {'; '.join(changes)}"]


def _required(result: StoredResult) -> str:
    return f" ({_amount(result, result.required)})" if result.counts in HOURS else ""


def _amount(result: StoredResult, amount: int) -> str:
    if result.counts in HOURS:
        return format_measure(amount, result.unit)
    return format_count(amount, "day") if result.counts == "membership" else str(amount)


def _span(renewal: RenewalState) -> str:
    if renewal.cycle_starts_on is None or renewal.cycle_ends_on is None:
        return "without rules"
    return f"{format_date(renewal.cycle_starts_on)} to {format_date(renewal.cycle_ends_on)}"


def _day(day: date | None) -> str:
    return format_date(day) if day else "never"


CSV_COLUMNS = ("what", "name", "email", "category", "now", "changed", "differences")


def list_csv_rows(comparison: RulesComparison) -> Iterator[tuple[str, ...]]:
    """Each renewal and notice that differs, in the order of `CSV_COLUMNS`."""
    for standing in comparison.standings:
        yield (
            "status" if standing.flips else "amounts",
            standing.name,
            standing.email,
            standing.category,
            format_renewal(standing.before),
            format_renewal(standing.after),
            "; ".join(list_differences(standing)),
        )
    for notice in comparison.notices:
        sent = (notice.effect is not Effect.ADDED, notice.effect is not Effect.DROPPED)
        now, changed = ("sent" if each else "not sent" for each in sent)
        what = f"{format_kind(notice.kind)}: {format_notice(notice)}"
        yield ("email", notice.name, notice.email, notice.category, now, changed, what)
