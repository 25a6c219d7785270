"""Audits of accepted renewals, for tests: who submitted, and draws of them."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from sqlmodel import Session, func, select

from tests.support.cast import ATTESTING, BOOKS, KAI, NOW, Cast
from tests.support.submitting import ALL_SIGNED, CYCLE, FAY, GIL, SUBMITTED_AT, add_endorsee
from tracker.db.audits import AuditCase, AuditDraw
from tracker.db.engine import writing
from tracker.db.people import Endorsement, Person
from tracker.db.submissions import Submission
from tracker.rules.audit_sampling import FrameLine, Quota
from tracker.services.audit_decisions import ask_for_documents
from tracker.services.audit_draws import DrawInput, draw_renewals, freeze_frame
from tracker.services.audits import get_case, list_cases
from tracker.services.context import Actor, ServiceContext
from tracker.services.evaluation import evaluate_people
from tracker.services.submissions import SubmissionInput, submit_renewal

HAL, MAY = "hal@example.org", "may@example.org"
CYCLE_ENDS = date(2027, 12, 31)
SEED = "4 2 6 1 5"


def acts(session: Session, cast: Cast, email: str, now: datetime) -> ServiceContext:
    """The context in which a person, or the association's coordinator, acts."""
    person_id = cast.people.get(email)
    return ServiceContext(
        session, BOOKS, Actor(email, person_id, () if person_id else (ATTESTING,)), now
    )


def open_accepted(cast: Cast) -> Iterator[Session]:
    """Yield a session in which Fay and Gil have submitted, and were accepted by themselves.

    `cast` is that of `fill_with_fay`.
    """
    with writing(cast.engine) as session:
        add_endorsee(session, cast, GIL, "Gil Mahoe")
        for email in (FAY, GIL):
            evaluate_people(session, BOOKS, {cast.people[email]}, SUBMITTED_AT)
            submit(session, cast, email, SUBMITTED_AT)
        yield session


def submit(session: Session, cast: Cast, email: str, now: datetime) -> int:
    """Submit a renewal that attests to everything; the id of the submission."""
    name = session.get_one(Person, cast.people[email]).name
    signed = SubmissionInput(cast.endorsements[email], CYCLE, name, ALL_SIGNED, "a" * 32)
    return submit_renewal(acts(session, cast, email, now), signed).id


def freeze(session: Session, cast: Cast, now: datetime, *, amount: int = 100) -> AuditDraw:
    """Fix a draw of a share of the accepted renewals."""
    wanted = DrawInput(ATTESTING, CYCLE_ENDS, CYCLE_ENDS, Quota.SHARE, amount, SEED)
    return freeze_frame(acts(session, cast, KAI, now), wanted)


def ask_everyone(session: Session, cast: Cast, now: datetime, due_on: date) -> list[int]:
    """Draw all accepted renewals, and ask for documents; the ids of the cases."""
    kai, fixed = acts(session, cast, KAI, now), freeze(session, cast, now)
    draw_renewals(kai, fixed.id)
    ask_for_documents(kai, fixed.id, due_on)
    return [one.case.id for one in list_cases(session, fixed.id)]


def audit_hal(session: Session, cast: Cast, now: datetime) -> dict[str, int]:
    """Store Hal, whose accepted renewal is audited, and May, whose is drawn and nobody asked yet.

    Returns the ids of Hal's draw and case, and of May's draw ("drawn").
    """
    accept(session, cast, HAL, "Hal Keawe", now)
    [case_id] = ask_everyone(session, cast, now, now.date() + timedelta(days=20))
    accept(session, cast, MAY, "May Nalu", now)
    drawn = freeze(session, cast, now)
    draw_renewals(acts(session, cast, KAI, now), drawn.id)
    draw_id = get_case(session, case_id, {ATTESTING}).case.draw_id
    return {"case": case_id, "draw": draw_id, "drawn": drawn.id}


def accept(session: Session, cast: Cast, email: str, name: str, now: datetime) -> None:
    """Store an endorsee whose renewal is accepted by itself."""
    add_endorsee(session, cast, email, name)
    evaluate_people(session, BOOKS, {cast.people[email]}, now)
    submit(session, cast, email, now)


def store_submitted(
    session: Session,
    name: str,
    *,
    association: str = ATTESTING,
    category: str = "IFS",
    starts_on: date = CYCLE,
    ends_on: date = CYCLE_ENDS,
    state: str = "accepted",
) -> FrameLine:
    """Store an endorsee and a submitted renewal, without evaluating it."""
    person = Person(
        email=f"{name.lower()}@example.org", name=name, highest_degree="none", provides_rsc=False
    )
    session.add(person)
    session.flush()
    held = Endorsement(
        person_id=person.id, association=association, category=category, starts_on=CYCLE
    )
    session.add(held)
    session.flush()
    line = FrameLine(category, held.id, starts_on)
    store_submission(session, line, ends_on=ends_on, state=state)
    return line


def store_submission(
    session: Session, line: FrameLine, *, ends_on: date = CYCLE_ENDS, state: str = "accepted"
) -> Submission:
    """Store a submission of a renewal; a later one has a key that is sorted before."""
    number = session.exec(select(func.count()).select_from(Submission)).one()
    submission = Submission(
        endorsement_id=line.endorsement_id,
        cycle_starts_on=line.cycle_starts_on,
        cycle_ends_on=ends_on,
        form_key=f"form {1000 - number:04}",
        state=state,
        submitted_at=SUBMITTED_AT,
        signed_name="A name",
        statements="{}",
        content="{}",
        accepted_at=SUBMITTED_AT,
        returned_at=SUBMITTED_AT if state == "returned" else None,
    )
    session.add(submission)
    session.flush()
    return submission


def store_audit(session: Session, endorsement_id: int, submission_id: int, state: str) -> int:
    """Store the audit of a submission, whose documents are due on December 31, 2027; its number."""
    draw = AuditDraw(
        association=ATTESTING,
        ends_from=CYCLE_ENDS,
        ends_through=CYCLE_ENDS,
        quota="number",
        amount=1,
        strata="",
        frame="",
        frame_hash="",
        seed="",
        frozen_at=NOW,
        frozen_by=KAI,
    )
    session.add(draw)
    session.flush()
    case = AuditCase(
        draw_id=draw.id,
        endorsement_id=endorsement_id,
        submission_id=submission_id,
        position=1,
        state=state,
        due_on=CYCLE_ENDS,
        decided_at=NOW,
    )
    session.add(case)
    session.flush()
    return case.id
