"""Draws of renewals for an audit: the frame and the seed are fixed first, and drawn from then.

Nobody can choose who is drawn: a draw is made in two steps, what was fixed is public at once and
never changed or deleted, and drawing is not undone. So these steps are no `ChangePlan`. A renewal
is in the frame of one draw; only if that is discarded, for a reason that stays on record, can
another one have it.
"""

import json
import re
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlmodel import Session, col, select

from tracker.db.audits import AuditCase, AuditDraw
from tracker.db.engine import lock_names
from tracker.db.people import Endorsement, Person
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
    check_text,
    lock_records,
)
from tracker.services.desk_access import check_association

_SEED_BYTES = 16
# What can be read aloud, printed, and typed into a command.
_SEED = re.compile(r"[A-Za-z0-9 .:-]*")
_MOST_PERCENT, _MOST = 100, 10_000
_DRAW = {
    *("association", "ends_from", "ends_through", "quota", "amount"),
    *("frame_hash", "seed", "drawn_at", "drawn_by"),
    *("discarded_at", "discarded_by", "discarded_because"),
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
    """Fix the frame, its hash, and the seed of a draw, which are public then; nothing is drawn yet.

    What a draw has drawn from is left out. Raises NotFound for another association, and Refused
    with every reason, also if another draw has fixed one of the renewals and is not made yet.
    """
    check_association(context.actor, wanted.association)
    if refusals := _check(wanted):
        raise Refused(*refusals)
    _lock_draws(context, wanted.association)
    lines = _list_uncovered(context.session, wanted)
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


def _list_uncovered(session: Session, wanted: DrawInput) -> list[FrameLine]:
    """The renewals of a new draw: those that no draw had in its frame, but for discarded ones.

    Raises Refused if there are none, or if a draw that is not made yet has one of them.
    """
    days = (wanted.ends_from, wanted.ends_through)
    lines = list_frame(session, wanted.association, *days, wanted.category)
    if not lines:
        raise Refused(Refusal("ends_from", "audit-nobody"))
    covering = _list_covering(session, wanted.association, lines)
    waiting = [fixed for fixed in covering.values() if fixed.drawn_at is None]
    uncovered = [line for line in lines if line not in covering]
    if waiting or not uncovered:
        first = min(waiting or covering.values(), key=lambda fixed: fixed.id)
        raise Refused(Refusal("ends_from", "audit-covered", {"draw": first.id}))
    return uncovered


def _list_covering(
    session: Session, association: str, lines: Iterable[FrameLine]
) -> dict[FrameLine, AuditDraw]:
    """By renewal: the draw that has it in its frame and is not discarded; not if there is none."""
    wanted, covering = {line[1:]: line for line in lines}, {}
    for fixed in list_draws(session, association):
        if fixed.discarded_at is None:
            for line in parse_frame(fixed.frame):
                if line[1:] in wanted:
                    covering[wanted[line[1:]]] = fixed
    return covering


def discard_draw(context: ServiceContext, draw_id: int, reason: str) -> None:
    """Give up a draw, so that another one can have the same renewals; it stays on record.

    The audits of those whom it has drawn go on. Raises NotFound, and Refused without a reason or
    the second time.
    """
    fixed = get_draw(context.session, draw_id, context.associations)
    _lock_draws(context, fixed.association)
    context.session.refresh(fixed)
    refusals = check_text("reason", reason)
    if fixed.discarded_at is not None:
        refusals.append(Refusal("reason", "audit-discarded"))
    if refusals:
        raise Refused(*refusals)
    values = {"discarded_at": context.now, "discarded_by": context.actor.label}
    context.update_row(fixed, _DRAW, discarded_because=reason, **values)


def draw_renewals(context: ServiceContext, draw_id: int) -> Sequence[AuditCase]:
    """Draw from a fixed frame, in the order of the draw; once, and not if it was discarded."""
    session = context.session
    fixed = get_draw(session, draw_id, context.associations)
    _lock_draws(context, fixed.association)
    session.refresh(fixed)
    if fixed.drawn_at is not None:
        raise Refused(Refusal("draw", "audit-drawn"))
    if fixed.discarded_at is not None:
        raise Refused(Refusal("draw", "audit-discarded"))
    context.update_row(fixed, _DRAW, drawn_at=context.now, drawn_by=context.actor.label)
    drawn = list_drawn(fixed)
    # So that nobody submits one of the renewals again at this moment.
    ids = {line.endorsement_id for line in drawn}
    held = select(Endorsement.person_id).where(col(Endorsement.id).in_(ids))
    lock_records(session, set(session.exec(held)))
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


def _lock_draws(context: ServiceContext, association: str) -> None:
    """Let one transaction at a time fix, draw, or discard a draw of an association."""
    lock_names(context.session, [f"audit draws {association}"])


class DrawnElsewhere(NamedTuple):
    """A renewal that a draw drew and that is no case of it, and why.

    ``case`` is that of another draw, None if the renewal is not on record any more.
    """

    line: FrameLine
    case: AuditCase | None
    name: str


def list_drawn_elsewhere(session: Session, fixed: AuditDraw) -> list[DrawnElsewhere]:
    """The renewals that a draw drew and that are audited after another one, or gone, in order."""
    drawn = list_drawn(fixed) if fixed.drawn_at is not None else []
    query = (
        select(AuditCase, Person.name, Submission.cycle_starts_on)  # type: ignore[call-overload]
        .join(Submission, col(Submission.id) == AuditCase.submission_id)
        .join(Endorsement, col(Endorsement.id) == AuditCase.endorsement_id)
        .join(Person, col(Person.id) == Endorsement.person_id)
        .where(col(AuditCase.endorsement_id).in_({line.endorsement_id for line in drawn}))
        .order_by(AuditCase.draw_id == fixed.id, col(AuditCase.id))
    )
    cases = {
        (case.endorsement_id, starts_on): (case, name)
        for case, name, starts_on in session.exec(query)
    }
    found = [DrawnElsewhere(line, *cases.get(line[1:], (None, ""))) for line in drawn]
    return [each for each in found if each.case is None or each.case.draw_id != fixed.id]


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
    if not _SEED.fullmatch(wanted.seed):
        refusals.append(Refusal("seed", "audit-seed"))
    if len(wanted.seed) > MAX_NAME_LENGTH:
        refusals.append(Refusal("seed", "text-too-long", {"limit": MAX_NAME_LENGTH}))
    return refusals
