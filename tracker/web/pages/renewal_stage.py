"""The stage of a submitted renewal in words, for the pages of a year."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from tracker.clock import local_day
from tracker.db.submissions import Submission
from tracker.formatting import format_date
from tracker.rules.stages import MAY_SUBMIT, Stage, SubmissionWindow, find_stage, find_window
from tracker.rules.standing import Standing

_DECIDED = {Stage.SUBMITTED, Stage.ACCEPTED, Stage.RETURNED}
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
    cycle, due_on = standing.plan.cycle, standing.due_on
    if not standing.plan.is_submitted or cycle is None or due_on is None:
        return None
    key = (standing.facts.subject_id, cycle.starts_on)
    last = submissions.get(key)
    window = find_window(cycle, due_on)
    stage = find_stage(window, last.state if last else None, today)
    words = _describe_window(window, stage, is_own=is_own)
    if last is not None and stage in _DECIDED:
        words = _describe_submission(standing, last, stage, is_own=is_own)
    tone, path = _TONES.get(stage, "plain"), ""
    if not is_own:
        return StageView(stage, words, tone, "", f"/coordinator/renewals/{last.id}" if last else "")
    if stage in MAY_SUBMIT:
        path = f"/my-year/{key[0]}/{key[1]}/submit"
    return StageView(stage, words, tone, path, "")


def _describe_window(window: SubmissionWindow, stage: Stage, *, is_own: bool) -> str:
    """When a renewal can be submitted that is not."""
    whose = "You" if is_own else "They"
    if stage is Stage.EARLY:
        return f"{whose} can submit it starting {format_date(window.opens_on)}."
    if stage is Stage.CLOSED:
        return f"It was not submitted by {format_date(window.closes_on)}."
    return f"{whose} can submit it through {format_date(window.closes_on)}."


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
