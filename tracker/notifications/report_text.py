"""The words of a report for the board, and of the checklist before a cycle closes."""

from typing import NamedTuple

from tracker.formatting import format_count, format_hours_with_unit, format_list
from tracker.rules.cycles import Cycle
from tracker.rules.movements import Movement, MovementCounts
from tracker.services.board_report import NOT_ENDORSED
from tracker.services.cycle_closing import ChecklistItem, ClosingStep, CycleClosing, is_year
from tracker.services.entry_reviews import EXCLUDED

ACTIVITY_NAMES = {"training": "Training", "rsc": "RSC"}
MOVEMENT_NAMES = {
    Movement.NEW: "New",
    Movement.REINSTATED: "Reinstated",
    Movement.ENDED: "Ended",
    Movement.LAPSED: "Lapsed",
}
# Why hours do not count, for many sessions at once: by the code of the reason of each.
_REASONS = {
    NOT_ENDORSED: "Before the first renewal cycle, or after the endorsement ended",
    EXCLUDED: "The association decided that they do not count",
    "not_tracked": "The rulebook has no renewal rules for the category",
    "not_required": "No such hours are required",
    "outside_cycle": "Outside of the cycle",
    "in_the_future": "Dated after today",
    "no_format": "The session has no format",
    "other_format": "The format of the session does not count",
    "format_cap": "More hours of a session format than count",
    "topic_cap": "More hours about a topic than count",
    "no_provider": "No RSC provider is named",
    "unconfirmed": "The RSC provider is not confirmed yet",
    "not_accepted": "The RSC provider did not qualify on that day",
    "qualified_later": "The RSC provider qualified only later",
    "degree_needed": "The rule asks for a higher degree of the RSC provider",
    "degree_needed_until": "The rule asked for a higher degree of the RSC provider",
    "credential_ended": "The RSC provider's endorsement or vetting had ended",
    "rule_ended": "The rule no longer accepted the RSC provider",
    "degree_rule_ended": "The rule no longer accepted the RSC provider's degree",
    "stopped_qualifying": "The RSC provider no longer qualified",
}
DEFINITIONS = (
    (
        "Endorsements",
        (
            "One person in one category, from the first through the last day that is on record, "
            "except while it is lapsed. Someone with two categories counts twice. Rows that follow "
            "each other without a gap are one endorsement."
        ),
    ),
    ("Opening", "The endorsements of the day before the period."),
    ("New", "The first day of an endorsement, if the person had none in this category before."),
    (
        "Reinstated",
        (
            "An endorsement that counts again: it began again after it had ended, or a renewal "
            "after the lapsed one was completed or excused. Then it counts again from the day "
            "after that renewal was due."
        ),
    ),
    ("Ended", "The day after the last day on record."),
    (
        "Lapsed",
        (
            "The day after the grace period of a renewal that was not complete. A settled renewal "
            "stays what it was settled as. One that you reopened is what it is today. Renewals "
            "from before this system kept what they came to are not counted as lapsed."
        ),
    ),
    ("Closing", "The endorsements of the last day of the period."),
    (
        "Hours logged",
        (
            "Sessions held in the period by people who are or were endorsed here, as in the weekly "
            "digest."
        ),
    ),
    (
        "Hours counted",
        (
            "Those that count toward the renewal of their day, by today's records. What counts for "
            "two endorsements of one person counts once."
        ),
    ),
)


def format_reason_of_hours(code: str) -> str:
    """Why sessions do not count, in general words."""
    return _REASONS.get(code, "For another reason")


def format_equation(counts: MovementCounts) -> str:
    """``70 + 3 new + 1 reinstated - 2 ended - 4 lapsed = 68``, with proper signs."""
    return (
        f"{counts.opening} + {counts.new} new + {counts.reinstated} reinstated "
        f"\N{MINUS SIGN} {counts.ended} ended \N{MINUS SIGN} {counts.lapsed} lapsed "
        f"= {counts.closing}"
    )


def name_checklist(cycle: Cycle | None) -> str:
    """What the checklist before the end of a cycle is called."""
    if cycle is not None and is_year(cycle):
        return "Year-end checklist"
    return "Before the cycle closes"


class StepText(NamedTuple):
    """One step of the checklist: its name, what is left, and what happens if nothing is done."""

    name: str
    left: str
    otherwise: str


def describe_step(item: ChecklistItem) -> StepText:
    """The words for one step."""
    name, one, other, otherwise = _STEPS[item.step]
    left = format_count(item.left, one, other)
    if item.step is ClosingStep.PROVIDERS and item.minutes:
        left += f", {format_hours_with_unit(item.minutes)} of RSC"
    return StepText(name, left, otherwise)


_STEPS = {
    ClosingStep.JOBS: (
        "Nightly jobs run",
        "failure",
        "failures",
        (
            "A cycle is settled by the nightly evaluation. If that fails, the cycle stays open. "
            "Tell the operator of this system."
        ),
    ),
    ClosingStep.REQUESTS: (
        "Decide requests for leave or more time",
        "open request",
        "open requests",
        "Once the cycle is settled, granting one changes nothing unless you reopen it.",
    ),
    ClosingStep.PROVIDERS: (
        "Confirm RSC providers",
        "unconfirmed name",
        "unconfirmed names",
        "Hours with them do not count, so renewals lapse that may be complete.",
    ),
    ClosingStep.ADDRESSES: (
        "Correct addresses that bounce",
        "person without a working address",
        "people without a working address",
        "They get no reminder, and no notice of a lapse.",
    ),
    ClosingStep.GRACE: (
        "Reach people in the grace period",
        "overdue renewal",
        "overdue renewals",
        "They lapse on the day after the grace period.",
    ),
    ClosingStep.OPEN: (
        "Wait for open renewals",
        "renewal not complete yet",
        "renewals not complete yet",
        "Reminders go out automatically. After the due date the grace period begins.",
    ),
    ClosingStep.REOPENED: (
        "Settle reopened cycles again",
        "reopened cycle",
        "reopened cycles",
        "A reopened cycle moves with every change of the records until you settle it again.",
    ),
    ClosingStep.DIFFERING: (
        "Review settled cycles that would now differ",
        "settled cycle",
        "settled cycles",
        "It stays as it was settled. Reopen it if the new records are right.",
    ),
}


def format_outcomes(closing: CycleClosing) -> str:
    """What renewals will be settled as: ``18 as complete, 2 as excused, and 40 as lapsed``."""
    counts = closing.counts
    outcomes = {
        "complete": counts["met"],
        "excused by leave": counts["excused"],
        "lapsed": closing.incomplete,
    }
    return format_list([f"{count} as {words}" for words, count in outcomes.items()])
