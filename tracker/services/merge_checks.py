"""What two records of one person must not contradict each other in, once they are merged."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from sqlmodel import Session, col, func, select

from tracker.db.applications import UNDECIDED, Application, Position
from tracker.db.log import Entry, GroupMember, GroupSession
from tracker.db.payments import Payment, PaymentShare
from tracker.db.people import Endorsement, Membership
from tracker.db.submissions import Submission
from tracker.formatting import MINUTES_IN_DAY
from tracker.services.context import Refusal


def check_merged(session: Session, person_id: int) -> list[Refusal]:
    """Every reason why one person can't have all that the merged record has."""
    session.expire_all()
    return [
        *_check_providers(session, person_id),
        *_check_spans(session, person_id),
        *_check_applications(session, person_id),
        *_check_days(session, person_id),
        *_check_answers(session, person_id),
    ]


def check_renewals(session: Session, kept_id: int, other_id: int) -> Iterator[Refusal]:
    """What two records, not merged yet, can't both have for a renewal that they share."""
    held: defaultdict[tuple[str, str, date], list[int]] = defaultdict(list)
    query = select(Endorsement).where(col(Endorsement.person_id).in_((kept_id, other_id)))
    for each in session.exec(query):
        held[each.association, each.category, each.starts_on].append(each.id)
    for endorsement_ids in held.values():
        yield from _check_submissions(session, endorsement_ids)
        yield from _check_payments(session, endorsement_ids)


def _check_submissions(session: Session, endorsement_ids: Sequence[int]) -> Iterator[Refusal]:
    """One submission is in force for a renewal."""
    in_force = (
        select(col(Submission.cycle_starts_on))
        .where(
            col(Submission.endorsement_id).in_(endorsement_ids),
            col(Submission.returned_at).is_(None),
        )
        .group_by(col(Submission.cycle_starts_on))
        .having(func.count() > 1)
    )
    for starts_on in session.exec(in_force):
        yield Refusal("submissions", "merge-submissions", {"starts_on": starts_on})


def _check_payments(session: Session, endorsement_ids: Sequence[int]) -> Iterator[Refusal]:
    """One payment has one part for a fee of a renewal."""
    shared = (
        select(Payment)
        .join(PaymentShare)
        .where(col(PaymentShare.endorsement_id).in_(endorsement_ids))
        .group_by(col(Payment.id), col(PaymentShare.cycle_starts_on), col(PaymentShare.fee))
        .having(func.count() > 1)
    )
    for payment in session.exec(shared):
        facts = {"payer": payment.payer, "paid_on": payment.paid_on}
        yield Refusal("payments", "merge-payment", facts)


def _check_providers(session: Session, person_id: int) -> Iterator[Refusal]:
    """Nobody provides RSC to themselves, or supervises themselves."""
    own = (Entry.person_id == person_id) & (Entry.provider_id == person_id)
    for entry in session.exec(select(Entry).where(own)):
        facts = {"held_on": entry.held_on, "title": entry.title}
        yield Refusal("provider", "merge-own-provider", facts)
    invited = (
        select(GroupSession)
        .join(GroupMember)
        .where(GroupSession.provider_id == person_id, GroupMember.person_id == person_id)
    )
    for led in session.exec(invited):
        facts = {"held_on": led.held_on, "title": led.title}
        yield Refusal("provider", "merge-own-provider", facts)
    supervised = (Position.person_id == person_id) & (Position.supervisor_id == person_id)
    for position in session.exec(select(Position).where(supervised)):
        facts = {"title": position.title, "starts_on": position.starts_on}
        yield Refusal("supervisor", "merge-own-supervisor", facts)


def _check_spans(session: Session, person_id: int) -> Iterator[Refusal]:
    """One person holds an endorsement, or is a member, once on any day."""
    spans: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for held in session.exec(select(Endorsement).where(Endorsement.person_id == person_id)):
        spans["endorsement", f"{held.association} {held.category}"].append(held)
    for term in session.exec(select(Membership).where(Membership.person_id == person_id)):
        spans["membership", term.organization].append(term)
    for (kind, name), rows in spans.items():
        rows.sort(key=lambda row: row.starts_on)
        for earlier, later in pairwise(rows):
            if (earlier.ends_on or date.max) >= later.starts_on:
                facts = {
                    "kind": kind,
                    "name": name,
                    "first": earlier.starts_on,
                    "second": later.starts_on,
                }
                yield Refusal("spans", "merge-overlap", facts)


def _check_applications(session: Session, person_id: int) -> Iterator[Refusal]:
    query = select(Application).where(
        Application.person_id == person_id, col(Application.state).in_(UNDECIDED)
    )
    names = Counter(f"{each.association} {each.category}" for each in session.exec(query))
    for name, count in names.items():
        if count > 1:
            yield Refusal("applications", "merge-applications", {"name": name})


def _check_days(session: Session, person_id: int) -> Iterator[Refusal]:
    minutes = Counter[date]()
    for entry in session.exec(select(Entry).where(Entry.person_id == person_id)):
        minutes[entry.held_on] += entry.minutes
    for day, total in sorted(minutes.items()):
        if total > MINUTES_IN_DAY:
            yield Refusal("entries", "merge-day-full", {"held_on": day, "minutes": total})


def _check_answers(session: Session, person_id: int) -> Iterator[Refusal]:
    """One person's answers about one group session agree."""
    query = (
        select(GroupMember, GroupSession)
        .join(GroupSession)
        .where(GroupMember.person_id == person_id)
    )
    answers: defaultdict[int, list[GroupMember]] = defaultdict(list)
    sessions = {}
    for member, led in session.exec(query):
        answers[led.id].append(member)
        sessions[led.id] = led
    for number, members in answers.items():
        if _disagree(members):
            facts = {"held_on": sessions[number].held_on, "title": sessions[number].title}
            yield Refusal("confirmations", "merge-answers", facts)


def _disagree(members: Sequence[GroupMember]) -> bool:
    return len({member.state for member in members}) > 1
