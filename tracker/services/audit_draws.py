"""Draws of renewals for an audit: the frame and the seed are fixed first, and drawn from then.

Nobody can choose who is drawn: a draw is made in two steps, what was fixed is never changed or
deleted, and drawing is not undone. So these steps are no `ChangePlan`.
"""

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select

from tracker.db.audits import AuditCase, AuditDraw
from tracker.db.people import Endorsement
from tracker.db.submissions import Submission
from tracker.rules.audit_sampling import (
    FrameLine,
    Quota,
    Stratum,
    draw,
    format_frame,
    hash_frame,
    parse_frame,
    plan_strata,
)
from tracker.rules.transitions import Act, list_sources
from tracker.services.context import (
    MAX_NAME_LENGTH,
    NotFound,
    Refusal,
    Refused,
    ServiceContext,
)
from tracker.services.desk_access import check_association

_SEED_BYTES = 16
_MOST_PERCENT, _MOST = 100, 10_000
_DRAW = {
    *("association", "ends_from", "ends_through", "quota", "amount"),
    *("frame_hash", "seed", "drawn_at", "drawn_by"),
}
_CAN_BE_DRAWN = [stage.value for stage in list_sources(Act.DRAW)]
_CASE = {"draw_id", "endorsement_id", "submission_id", "position", "state"}


@dataclass(frozen=True, slots=True)
class DrawInput:
    """What a coordinator fixes: cycles that end within days (both count), how many, and the seed.

    ``category`` limits the draw to one; empty draws each by itself. An empty ``seed`` is generated.
    """

    association: str
    ends_from: date
    ends_through: date
    quota: Quota
    amount: int
    seed: str
    category: str = ""


def list_frame(
    session: Session, association: str, ends_from: date, ends_through: date, category: str = ""
) -> list[FrameLine]:
    """The accepted renewals that no draw has drawn, sorted; also those accepted by themselves."""
    query = (
        select(Endorsement.category, Endorsement.id, col(Submission.cycle_starts_on))
        .join(Submission, col(Submission.endorsement_id) == Endorsement.id)
        .outerjoin(AuditCase, col(AuditCase.submission_id) == Submission.id)
        .where(
            Endorsement.association == association,
            col(Submission.state).in_(_CAN_BE_DRAWN),
            col(Submission.cycle_ends_on).between(ends_from, ends_through),
            col(AuditCase.id).is_(None),
        )
    )
    if category:
        query = query.where(Endorsement.category == category)
    return sorted(FrameLine(*row) for row in session.exec(query))


def list_cycle_ends(session: Session, association: str) -> list[date]:
    """The last days of the cycles whose accepted renewals can be drawn, sorted."""
    query = (
        select(col(Submission.cycle_ends_on))
        .join(Endorsement, col(Endorsement.id) == Submission.endorsement_id)
        .where(Endorsement.association == association, col(Submission.state).in_(_CAN_BE_DRAWN))
        .distinct()
    )
    return sorted(session.exec(query))


def list_draws(session: Session, association: str) -> Sequence[AuditDraw]:
    """The draws of an association, the newest first."""
    query = select(AuditDraw).where(AuditDraw.association == association)
    return session.exec(query.order_by(col(AuditDraw.id).desc())).all()


def get_draw(session: Session, draw_id: int, associations: Collection[str]) -> AuditDraw:
    """A draw of one of ``associations``. Raises NotFound for any other."""
    found = session.get(AuditDraw, draw_id)
    if found is None or found.association not in associations:
        raise NotFound
    return found


def parse_strata(fixed: AuditDraw) -> list[Stratum]:
    """The strata of a draw."""
    return [Stratum(*values) for values in json.loads(fixed.strata)]


def list_drawn(fixed: AuditDraw) -> list[FrameLine]:
    """The renewals that a draw draws, in order; anyone gets the same from what is published."""
    return draw(parse_frame(fixed.frame), parse_strata(fixed), fixed.seed)


def freeze_frame(context: ServiceContext, wanted: DrawInput) -> AuditDraw:
    """Fix the frame, its hash, and the seed of a draw; nothing is drawn yet.

    Raises NotFound for another association, and Refused with every reason.
    """
    check_association(context.actor, wanted.association)
    refusals = _check(wanted)
    days = (wanted.ends_from, wanted.ends_through)
    lines = list_frame(context.session, wanted.association, *days, wanted.category)
    if not lines and not refusals:
        refusals.append(Refusal("ends_from", "audit-nobody"))
    if refusals:
        raise Refused(*refusals)
    text = format_frame(lines)
    fixed = AuditDraw(
        association=wanted.association,
        ends_from=wanted.ends_from,
        ends_through=wanted.ends_through,
        quota=wanted.quota.value,
        amount=wanted.amount,
        strata=json.dumps(plan_strata(lines, wanted.quota, wanted.amount)),
        frame=text,
        frame_hash=hash_frame(text),
        seed=wanted.seed or secrets.token_hex(_SEED_BYTES),
        frozen_at=context.now,
        frozen_by=context.actor.label,
    )
    context.create_row(fixed, _DRAW)
    return fixed


def draw_renewals(context: ServiceContext, draw_id: int) -> Sequence[AuditCase]:
    """Draw from a fixed frame, in the order of the draw; raises Refused the second time."""
    session = context.session
    fixed = get_draw(session, draw_id, context.associations)
    # One transaction draws, also if two of them come at the same moment.
    session.refresh(fixed, with_for_update=True)
    if fixed.drawn_at is not None:
        raise Refused(Refusal("draw", "audit-drawn"))
    context.update_row(fixed, _DRAW, drawn_at=context.now, drawn_by=context.actor.label)
    drawn = list_drawn(fixed)
    submissions = _find_submissions(session, drawn)
    cases = []
    for position, line in enumerate(drawn, start=1):
        # A record that was removed since, or drawn by a draw whose frame had it, too.
        submission_id = submissions.get(line[1:])
        if submission_id is None:
            continue
        case = AuditCase(
            draw_id=draw_id,
            endorsement_id=line.endorsement_id,
            submission_id=submission_id,
            position=position,
        )
        context.create_row(case, _CASE)
        cases.append(case)
    return cases


def _find_submissions(
    session: Session, lines: Collection[FrameLine]
) -> dict[tuple[int, date], int]:
    """The last submission of each renewal, by endorsement and cycle; not if it has a case.

    One that was returned since the frame was fixed stays in the draw: nobody escapes it that way.
    """
    query = (
        select(  # type: ignore[call-overload]
            Submission.endorsement_id, Submission.cycle_starts_on, Submission.id, AuditCase.id
        )
        .outerjoin(AuditCase, col(AuditCase.submission_id) == Submission.id)
        .where(col(Submission.endorsement_id).in_({line.endorsement_id for line in lines}))
        .order_by(col(Submission.id))
    )
    last = {(held, starts_on): found for held, starts_on, *found in session.exec(query)}
    return {key: number for key, (number, case_id) in last.items() if case_id is None}


def _check(wanted: DrawInput) -> list[Refusal]:
    refusals = []
    if wanted.ends_through < wanted.ends_from:
        refusals.append(Refusal("ends_through", "audit-days"))
    is_share = wanted.quota is Quota.SHARE
    if not 1 <= wanted.amount <= (_MOST_PERCENT if is_share else _MOST):
        refusals.append(Refusal("amount", "audit-share" if is_share else "audit-amount"))
    if len(wanted.seed) > MAX_NAME_LENGTH:
        refusals.append(Refusal("seed", "text-too-long", {"limit": MAX_NAME_LENGTH}))
    return refusals
