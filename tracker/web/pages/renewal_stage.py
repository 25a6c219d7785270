"""The stage of a renewal for the pages of a year: its words, and what can be done about it."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from tracker.db.people import Endorsement
from tracker.db.submissions import Submission
from tracker.notifications.stage_text import (
    StageOccasion,
    describe_stage,
    format_stage,
    get_tone,
)
from tracker.rules.stages import Stage, as_endorsees_see, find_stage, find_window
from tracker.rules.standing import Outcome, Standing, Status
from tracker.rules.transitions import AWAY, Act, may
from tracker.services.stages import LastSubmission, WayRecords
from tracker.services.submission_facts import is_signed_by_another
from tracker.services.submissions import find_renewed_through

# What is signed, submitted, or paid once all else is there.
_COMPLETED_LAST = {"signed", "submitted", "paid"}
_NO_WORDS_NEEDED = (Stage.OPEN, Stage.COMPLETE, Stage.LAPSED)


class StageView(NamedTuple):
    """A renewal's stage: its name, the words, their tone, and what can be done about it.

    ``name`` is empty where the headline says it. ``submit_path`` leads to the form of an endorsee
    who can submit it now, ``review_path`` to the coordinator's page of what was submitted,
    ``audit_path`` to that of the audit; empty if there is none. ``is_ready``: it can be submitted
    now, and no session or membership is missing.
    """

    stage: Stage
    name: str
    words: str
    tone: str
    submit_path: str
    review_path: str
    audit_path: str
    is_ready: bool


def view_stage(
    standing: Standing,
    submissions: Mapping[tuple[int, date], Submission],
    ways: WayRecords,
    today: date,
    *,
    is_own: bool,
) -> StageView | None:
    """The stage of a renewal; None if there is none. ``is_own``: its endorsee reads it."""
    cycle, stage = standing.plan.cycle, ways.find_stage(standing, today)
    if is_own:
        stage = as_endorsees_see(stage)
    if stage is None or cycle is None or standing.due_on is None:
        return None
    key = (standing.facts.subject_id, cycle.starts_on)
    last, way = submissions.get(key), ways.submissions.get(key)
    occasion = _read_occasion(standing, ways, last, is_own=is_own)
    name = "" if stage in _NO_WORDS_NEEDED else format_stage(stage)
    words = _describe(standing, stage, occasion, way.state if way else None, today)
    tone = get_tone(stage)
    if not is_own:
        return StageView(stage, name, words, tone, "", *_list_desk_paths(last, way), is_ready=False)
    submit = _find_form(standing, stage, occasion, today)
    is_ready = bool(submit) and not _lacks_records(standing)
    return StageView(stage, name, words, tone, submit, "", "", is_ready=is_ready)


def _lacks_records(standing: Standing) -> bool:
    """Whether something is short that neither the form nor a payment completes."""
    return any(
        result.outcome is Outcome.SHORT
        and result.requirement.counts not in _COMPLETED_LAST
        and not result.can_attest
        for result in standing.results
    )


def _describe(
    standing: Standing, stage: Stage, occasion: StageOccasion, state: str | None, today: date
) -> str:
    """The words; while somebody is away, the window is open as usual."""
    if stage in AWAY and standing.status is not Status.EXCUSED and occasion.window:
        stage = find_stage(occasion.window, state, today)
    return describe_stage(stage, occasion)


def _list_desk_paths(last: Submission | None, way: LastSubmission | None) -> tuple[str, str]:
    """The pages of what was submitted, and of its audit; empty if there is none."""
    review = f"/coordinator/renewals/{last.id}" if last else ""
    has_audit = way is not None and way.case_id is not None
    return review, f"/coordinator/audits/cases/{way.case_id}" if way and has_audit else ""


def _find_form(standing: Standing, stage: Stage, occasion: StageOccasion, today: date) -> str:
    """The form of an endorsee who can submit the renewal, and has a reason to; else empty."""
    cycle, window = standing.plan.cycle, occasion.window
    if cycle is None or window is None or standing.status is Status.EXCUSED:
        return ""
    is_open = window.opens_on <= today <= window.closes_on
    if not is_open or not may(Act.SUBMIT, stage):
        return ""
    return f"/my-year/{standing.facts.subject_id}/{cycle.starts_on}/submit"


def _read_occasion(
    standing: Standing, ways: WayRecords, last: Submission | None, *, is_own: bool
) -> StageOccasion:
    cycle, due_on, rulebook = standing.plan.cycle, standing.due_on, standing.plan.rulebook
    short = {r.requirement.counts for r in standing.results if r.outcome is Outcome.SHORT}
    occasion = StageOccasion(
        rulebook.id, rulebook.time_zone, is_own, last=last, missing=frozenset(short)
    )
    if cycle is None or due_on is None:
        return occasion
    if standing.plan.is_submitted:
        occasion = occasion._replace(window=find_window(cycle, due_on))
    way = ways.submissions.get((standing.facts.subject_id, cycle.starts_on))
    if last is None or way is None:
        return occasion
    through = _find_renewed_through(ways, standing, cycle.starts_on)
    name = standing.facts.name
    is_other = is_signed_by_another(last.statements, last.signed_name, name)
    return occasion._replace(
        documents_due_on=way.documents_due_on,
        renewed_through=through,
        other_name=name if is_other else "",
    )


def _find_renewed_through(ways: WayRecords, standing: Standing, starts_on: date) -> date | None:
    facts, plan = standing.facts, standing.plan
    held = Endorsement(
        person_id=facts.person_id,
        association=plan.association,
        category=plan.category,
        starts_on=facts.starts_on,
    )
    return find_renewed_through(ways.rulebooks, held, starts_on)
