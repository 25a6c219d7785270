"""The stage of a renewal in words: a name for lists, a sentence for its endorsee or the desk."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from tracker.clock import local_day
from tracker.db.submissions import Submission
from tracker.formatting import capitalize_first, format_date
from tracker.rules.stages import Stage, SubmissionWindow

_LABELS: Mapping[Stage, str] = {
    Stage.EARLY: "Window not open yet",
    Stage.OPEN: "Open",
    Stage.CLOSED: "Window closed",
    Stage.SENT: "Audit: documents sent",
    Stage.DRAWN: "Drawn for an audit",
    Stage.ASKED: "Audit: documents requested",
    Stage.APPEALED: "Audit: appealed",
    Stage.PASSED: "Audit passed",
    Stage.NOT_PASSED: "Audit not passed",
}
_TONES: Mapping[Stage, str] = {
    **dict.fromkeys((Stage.ACCEPTED, Stage.PASSED, Stage.COMPLETE, Stage.RENEWED), "good"),
    **dict.fromkeys((Stage.RETURNED, Stage.CLOSED, Stage.LAPSED, Stage.REMOVED), "warm"),
    **dict.fromkeys((Stage.ASKED, Stage.NOT_PASSED), "warm"),
}


class StageOccasion(NamedTuple):
    """What the sentence about a stage needs besides; ``is_own``: the endorsee reads it.

    ``renewed_through`` is the last day of the next cycle, ``documents_due_on`` that of an audit.
    ``missing`` is what the requirements that are short count, ``other_name`` the name on record if
    the last submission is signed under another one.
    """

    association: str
    time_zone: str
    is_own: bool
    window: SubmissionWindow | None = None
    last: Submission | None = None
    documents_due_on: date | None = None
    renewed_through: date | None = None
    missing: frozenset[str] = frozenset()
    other_name: str = ""


def format_stage(stage: str) -> str:
    """The name of a stage: "Needs attention", "Audit: documents sent"; empty without one."""
    if not stage:
        return ""
    return _LABELS.get(Stage(stage)) or capitalize_first(stage)


def get_tone(stage: Stage) -> str:
    """How a stage is set off: good, warm, or plain."""
    return _TONES.get(stage, "plain")


def describe_stage(stage: Stage, occasion: StageOccasion) -> str:
    """Where a renewal is, and what comes next; empty if its status says all of it."""
    if stage in _OF_WINDOW and occasion.window is not None:
        return _describe_window(stage, occasion.window, is_own=occasion.is_own)
    if stage in _OF_AUDIT:
        return _describe_audit(stage, occasion)
    if stage in _OF_SUBMISSION and occasion.last is not None:
        return _describe_submission(stage, occasion, occasion.last)
    endorsement = "Your endorsement" if occasion.is_own else "The endorsement"
    if stage is Stage.REMOVED:
        ask = " Your coordinator can tell you how to be reinstated." if occasion.is_own else ""
        return f"{endorsement} was removed after the renewal lapsed.{ask}"
    return f"{endorsement} was reinstated." if stage is Stage.REINSTATED else ""


_OF_WINDOW = (Stage.EARLY, Stage.OPEN, Stage.CLOSED)
_OF_AUDIT = (Stage.ASKED, Stage.SENT, Stage.APPEALED, Stage.NOT_PASSED, Stage.DRAWN)
_OF_SUBMISSION = (
    *(Stage.SUBMITTED, Stage.NEEDS_ATTENTION, Stage.RETURNED, Stage.ACCEPTED, Stage.PASSED),
    Stage.RENEWED,
)


def _describe_window(stage: Stage, window: SubmissionWindow, *, is_own: bool) -> str:
    """When a renewal can be submitted that is not."""
    whose = "You" if is_own else "They"
    if stage is Stage.EARLY:
        return f"{whose} can submit it starting {format_date(window.opens_on)}."
    if stage is Stage.CLOSED:
        return f"It was not submitted by {format_date(window.closes_on)}."
    return f"{whose} can submit it through {format_date(window.closes_on)}."


def _describe_submission(stage: Stage, occasion: StageOccasion, last: Submission) -> str:
    """What became of the last submission of a renewal."""
    if stage is Stage.RETURNED:
        day = _format_day(occasion, last.returned_at, last)
        todo = " Correct it, and submit it again." if occasion.is_own else ""
        reason = last.returned_because or ""
        stop = "" if reason.endswith((".", "!", "?")) else "."
        return f"Returned on {day}: {reason}{stop}{todo}"
    if stage in (Stage.SUBMITTED, Stage.NEEDS_ATTENTION):
        wait = _describe_wait(occasion, last)
        return f"Submitted on {_format_day(occasion, None, last)}. {wait}"
    day = _format_day(occasion, last.accepted_at, last)
    passed = " It passed the audit." if stage is Stage.PASSED else ""
    return f"Accepted on {day}.{passed}{_format_renewed(occasion)}"


def _describe_wait(occasion: StageOccasion, last: Submission) -> str:
    """What a submitted renewal waits for."""
    if occasion.missing == {"paid"}:
        return f"Waiting for {'your' if occasion.is_own else 'their'} payment."
    if not occasion.is_own:
        return "It waits for your decision."
    if not occasion.missing and occasion.other_name:
        return (
            f"{occasion.association} is reviewing it, because you signed as “{last.signed_name}” "
            f"and the name on record is {occasion.other_name}."
        )
    if not occasion.missing:
        return f"{occasion.association} is reviewing it."
    fee = " The fee is not paid yet." if "paid" in occasion.missing else ""
    return f"{occasion.association} is reviewing what is missing.{fee}"


def _format_renewed(occasion: StageOccasion) -> str:
    if occasion.renewed_through is None:
        return ""
    who = "You are" if occasion.is_own else "They are"
    return f" {who} renewed through {format_date(occasion.renewed_through)}."


def _describe_audit(stage: Stage, occasion: StageOccasion) -> str:
    """Where the audit of an accepted renewal is."""
    association, is_own = occasion.association, occasion.is_own
    due = format_date(occasion.documents_due_on) if occasion.documents_due_on else ""
    if stage is Stage.DRAWN:
        return "Drawn for an audit. Nobody has requested documents yet."
    if stage is Stage.ASKED:
        return (
            f"{association} requests documents that support it. Send them by {due}."
            if is_own
            else f"Documents for the audit are due by {due}."
        )
    if stage is Stage.NOT_PASSED:
        todo = " You can appeal, or correct it and submit it again." if is_own else ""
        return f"It did not pass the audit.{todo}"
    came = "appealed" if stage is Stage.APPEALED else "sent documents"
    if is_own:
        return f"You {came}. {association} is reviewing it."
    return f"They {came}. It waits for your decision."


def _format_day(occasion: StageOccasion, moment: datetime | None, last: Submission) -> str:
    return format_date(local_day(moment or last.submitted_at, occasion.time_zone))
