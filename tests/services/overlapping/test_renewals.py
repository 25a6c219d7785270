"""Audits, decisions, and removals while somebody else acts on the same renewal."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from tests.support.auditing import accept, acts, freeze
from tests.support.cast import ATTESTING, BOOKS, CONFIG, KAI, NOW, REMOVING, Cast
from tests.support.desk_work import LongWork, fill_desk
from tests.support.overlap import overlap
from tests.support.removing import UMA, add_lapsed
from tests.support.submitting import ALL_SIGNED, CYCLE, SUBMITTED_AT
from tracker.db.audits import AuditCase, AuditDraw
from tracker.db.engine import writing
from tracker.db.people import TimeRequest
from tracker.db.submissions import Submission
from tracker.jobs.audits import run_audits
from tracker.jobs.removals import run_removals
from tracker.jobs.renewals import run_renewals
from tracker.notifications.context import open_context
from tracker.notifications.renewal_mail import announce
from tracker.services.audit_decisions import extend_audit
from tracker.services.audit_draws import draw_renewals
from tracker.services.context import Refused, lock_person
from tracker.services.submissions import (
    SubmissionInput,
    list_unannounced,
    return_renewal,
    submit_renewal,
)

TOMORROW = date(2026, 11, 23)


def codes(error: object) -> list[str]:
    assert isinstance(error, Refused), error
    return [one.code for one in error.refusals]


@pytest.fixture
def work(postgres_database_url: str) -> Iterator[LongWork]:
    """Five people, whose accepted renewals are audited."""
    filled = fill_desk(postgres_database_url)
    yield LongWork(filled)
    filled.engine.dispose()


def test_two_draws_do_not_fix_the_same_renewals(work: LongWork) -> None:
    with writing(work.cast.engine) as session:
        accept(session, work.cast, "zoe@example.org", "Zoe Kane", SUBMITTED_AT)
    _, error = overlap(
        work.cast.engine,
        lambda s: freeze(s, work.cast, SUBMITTED_AT),
        lambda s: freeze(s, work.cast, SUBMITTED_AT),
    )
    assert codes(error) == ["audit-covered"]


def test_two_overlapping_draws_audit_each_renewal_once(work: LongWork) -> None:
    # As it was when several draws could have the same list.
    with writing(work.cast.engine) as session:
        drawn = session.get_one(AuditDraw, 1)
        for row in work.cast.rows("audit_case"):
            session.delete(session.get_one(AuditCase, row["id"]))
        drawn.drawn_at = drawn.drawn_by = None
        session.add(AuditDraw(**drawn.model_dump(exclude={"id"})))

    def draw(session: Session, draw_id: int) -> int:
        return len(draw_renewals(acts(session, work.cast, KAI, SUBMITTED_AT), draw_id))

    counts = overlap(work.cast.engine, lambda s: draw(s, 1), lambda s: draw(s, 2))
    assert counts == (5, 0)


def test_a_draw_audits_a_renewal_submitted_meanwhile(work: LongWork) -> None:
    cast, zoe = work.cast, "zoe@example.org"
    with writing(cast.engine) as session:
        accept(session, cast, zoe, "Zoe Kane", SUBMITTED_AT)
        draw_id = freeze(session, cast, SUBMITTED_AT).id
        submission = session.exec(
            select(Submission).where(Submission.endorsement_id == cast.endorsements[zoe])
        ).one()
        return_renewal(acts(session, cast, KAI, SUBMITTED_AT), submission.id, "Please add")

    def submit_again(session: Session) -> int:
        signed = SubmissionInput(
            cast.endorsements[zoe], CYCLE, "Zoe Kane", ALL_SIGNED, "b" * 32, is_confirmed=True
        )
        return submit_renewal(acts(session, cast, zoe, SUBMITTED_AT), signed).id

    submission_id, cases = overlap(
        cast.engine, submit_again, lambda s: draw_renewals(work.acting(s), draw_id)
    )
    assert not isinstance(cases, Exception)
    assert [case.submission_id for case in cases] == [submission_id]


def test_an_extended_audit_is_reminded_of_anew(work: LongWork) -> None:
    case = work.cast.rows("audit_case")[0]
    now = SUBMITTED_AT + timedelta(days=25)
    later = case["due_on"] + timedelta(days=30)
    _, result = overlap(
        work.cast.engine,
        lambda s: extend_audit(acts(s, work.cast, KAI, SUBMITTED_AT), case["id"], later, "Moved"),
        lambda s: run_audits(work.context, s, ATTESTING, now),
    )
    assert not isinstance(result, Exception)
    assert result.report == {"audit reminders": 4}
    [extended] = work.cast.rows("audit_case", id=case["id"])
    assert (extended["due_on"], extended["reminded_at"]) == (later, None)


def test_an_accepted_renewal_is_announced_once(work: LongWork) -> None:
    def announce_all(session: Session) -> int:
        renewals = list_unannounced(session, ATTESTING)
        return announce(work.context, session, renewals, SUBMITTED_AT)

    later = SUBMITTED_AT + timedelta(hours=1)
    count, result = overlap(
        work.cast.engine, announce_all, lambda s: run_renewals(work.context, s, ATTESTING, later)
    )
    assert count == 5
    assert not isinstance(result, Exception)
    assert result.report == {}


def test_nobody_is_removed_who_asks_meanwhile(cast: Cast) -> None:
    with writing(cast.engine) as session:
        add_lapsed(session, cast)
    settings = cast.settings.model_copy(update={"config_dir": CONFIG})
    rulebook = BOOKS.associations[REMOVING]
    removals = tuple(rule.model_copy(update={"by_itself": True}) for rule in rulebook.removals)
    rulebook = rulebook.model_copy(update={"removals": removals})
    books = replace(BOOKS, associations={**BOOKS.associations, REMOVING: rulebook})
    context = open_context(settings, books, cast.engine)
    asked: dict[str, Any] = {"kind": "leave", "starts_on": TOMORROW, "reason": "Ill"}

    def ask(session: Session) -> None:
        lock_person(session, cast.people[UMA])
        held = cast.endorsements[UMA]
        session.add(TimeRequest(endorsement_id=held, form_key="1", asked_at=NOW, **asked))

    _, result = overlap(cast.engine, ask, lambda s: run_removals(context, s, REMOVING, NOW))
    assert not isinstance(result, Exception)
    assert result.failures == []
    assert cast.rows("endorsement", id=cast.endorsements[UMA])[0]["ended_as"] is None
