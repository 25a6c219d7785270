"""The stage of a submitted renewal in words, for the pages of a year."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from tracker.clock import local_day
from tracker.db.submissions import Submission
from tracker.formatting import format_date
from tracker.rules.stages import MAY_SUBMIT, Stage, find_stage, find_window
from tracker.rules.standing import Standing

_TONES = {Stage.ACCEPTED: "good", Stage.RETURNED: "warm", Stage.CLOSED: "warm"}


class StageView(NamedTuple):
    """A renewal's stage: the words, their tone, and what can be done about it.

    ``submit_path`` leads to the form of an endorsee who can submit it now, ``review_path`` to the
    coordinator's page of what was submitted; empty if there is none.
    """

    stage: Stage
    words: str
    tone: str
    submit_path: str
    review_path: str


def view_stage(
    standing: Standing,
    submissions: Mapping[tuple[int, date], Submission],
    today: date,
    *,
    is_own: bool,
) -> StageView | None:
    """The stage of a renewal; None if it is not submitted. ``is_own``: its endorsee reads it."""
    plan, cycle = standing.plan, standing.plan.cycle
    if not plan.is_submitted or cycle is None or standing.due_on is None:
        return None
    key = (standing.facts.subject_id, cycle.starts_on)
    last = submissions.get(key)
    window = find_window(cycle, standing.due_on)
    stage = find_stage(window, last.state if last else "", today)
    whose = "you" if is_own else "they"
    if last is not None and stage in (Stage.SUBMITTED, Stage.ACCEPTED, Stage.RETURNED):
        words = _describe_submission(standing, last, stage, is_own=is_own)
    else:
        words = {
            Stage.EARLY: f"{whose} can submit it starting {format_date(window.opens_on)}.",
            Stage.OPEN: f"{whose} can submit it through {format_date(window.closes_on)}.",
            Stage.CLOSED: f"it was not submitted by {format_date(window.closes_on)}.",
        }[stage]
    submit_path = f"/my-year/{key[0]}/{key[1]}/submit" if is_own and stage in MAY_SUBMIT else ""
    review_path = f"/coordinator/renewals/{last.id}" if last and not is_own else ""
    words = f"{words[0].upper()}{words[1:]}"
    return StageView(stage, words, _TONES.get(stage, "plain"), submit_path, review_path)


def _describe_submission(
    standing: Standing, last: Submission, stage: Stage, *, is_own: bool
) -> str:
    """What became of the last submission of a renewal."""
    zone, association = standing.plan.rulebook.time_zone, standing.plan.association
    if stage is Stage.RETURNED:
        day = format_date(local_day(last.returned_at or last.submitted_at, zone))
        todo = " Correct it, and submit it again." if is_own else ""
        return f"Returned on {day}: {last.returned_because}{todo}"
    if stage is Stage.ACCEPTED:
        day = format_date(local_day(last.accepted_at or last.submitted_at, zone))
        return f"Accepted on {day}."
    day = format_date(local_day(last.submitted_at, zone))
    wait = f"{association} looks at what is missing." if is_own else "It waits for your decision."
    return f"Submitted on {day}. {wait}"
