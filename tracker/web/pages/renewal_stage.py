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
from tracker.rules.standing import Standing, Status
from tracker.rules.transitions import AWAY, Act, may
from tracker.services.stages import WayRecords
from tracker.services.submissions import find_renewed_through

_NO_WORDS_NEEDED = (Stage.OPEN, Stage.COMPLETE, Stage.LAPSED)


class StageView(NamedTuple):
    """A renewal's stage: its name, the words, their tone, and what can be done about it.

    ``name`` is empty where the headline says it. ``submit_path`` leads to the form of an endorsee
    who can submit it now, ``review_path`` to the coordinator's page of what was submitted,
    ``audit_path`` to that of the audit; empty if there is none.
    """

    stage: Stage
    name: str
    words: str
    tone: str
    submit_path: str
    review_path: str
    audit_path: str


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
    submit, review, audit = "", "", ""
    is_excused = standing.status is Status.EXCUSED
    if is_own and not is_excused and _may_submit(stage, occasion, today):
        submit = f"/my-year/{key[0]}/{key[1]}/submit"
    if not is_own and last is not None:
        review = f"/coordinator/renewals/{last.id}"
    if not is_own and way is not None and way.case_id is not None:
        audit = f"/coordinator/audits/cases/{way.case_id}"
    name = "" if stage in _NO_WORDS_NEEDED else format_stage(stage)
    described = stage
    if stage in AWAY and not is_excused and occasion.window is not None:
        described = find_stage(occasion.window, way.state if way else None, today)
    words = describe_stage(described, occasion)
    return StageView(stage, name, words, get_tone(stage), submit, review, audit)


def _may_submit(stage: Stage, occasion: StageOccasion, today: date) -> bool:
    if occasion.window is None or not may(Act.SUBMIT, stage):
        return False
    return occasion.window.opens_on <= today <= occasion.window.closes_on


def _read_occasion(
    standing: Standing, ways: WayRecords, last: Submission | None, *, is_own: bool
) -> StageOccasion:
    cycle, due_on, rulebook = standing.plan.cycle, standing.due_on, standing.plan.rulebook
    occasion = StageOccasion(rulebook.id, rulebook.time_zone, is_own, last=last)
    if cycle is None or due_on is None:
        return occasion
    if standing.plan.is_submitted:
        occasion = occasion._replace(window=find_window(cycle, due_on))
    way = ways.submissions.get((standing.facts.subject_id, cycle.starts_on))
    if last is None or way is None:
        return occasion
    through = _find_renewed_through(ways, standing, cycle.starts_on)
    return occasion._replace(documents_due_on=way.documents_due_on, renewed_through=through)


def _find_renewed_through(ways: WayRecords, standing: Standing, starts_on: date) -> date | None:
    facts, plan = standing.facts, standing.plan
    held = Endorsement(
        person_id=facts.person_id,
        association=plan.association,
        category=plan.category,
        starts_on=facts.starts_on,
    )
    return find_renewed_through(ways.rulebooks, held, starts_on)
