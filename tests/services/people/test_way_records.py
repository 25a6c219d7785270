"""What is stored about the way of renewals, and the stages that follow from it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import Session

from tests.services.people.test_stages import RULEBOOKS
from tests.support.auditing import store_audit, store_submission
from tests.support.cast import ALICE, ATTESTING, BOOKS, ERIN, NOW, Cast
from tests.support.submitting import (
    CYCLE,
    FAY,
    GIL,
    SUBMITTED_AT,
    add_endorsee,
    fill_with_fay,
)
from tracker.db.applications import Application
from tracker.db.engine import writing
from tracker.db.ledgers import StandingRow
from tracker.db.people import REMOVED, Endorsement, Leave
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.audit_sampling import FrameLine
from tracker.rules.model import Rulebook
from tracker.rules.stages import Stage
from tracker.rules.standing import Absence, Status
from tracker.services import stages
from tracker.services.evaluation import days_at, evaluate_people, judge_all
from tracker.services.row_contents import Values
from tracker.services.stages import (
    LastSubmission,
    StoredRenewal,
    WayRecords,
    find_last_day,
    read_ways,
)

DAY = timedelta(days=1)
DUE, LAST = date(2027, 12, 31), date(2028, 1, 31)
TODAY = date(2027, 11, 15)
FAYS = StoredRenewal(1, (ATTESTING, "IFS", date(2020, 5, 1)), CYCLE, DUE, DUE, "open", None)
# Nobody submits a renewal there.
ALICES = FAYS._replace(triple=("NCIMHA", "IFS", date(2024, 3, 1)), cycle_starts_on=date(2026, 1, 1))


def stage_of(
    renewal: StoredRenewal,
    today: date = TODAY,
    *,
    absence: Absence | None = None,
    removal: Stage | None = None,
    submission: LastSubmission | None = None,
) -> Stage | None:
    """The stage of a renewal about which these things are stored, and others about others."""
    ways = WayRecords(
        BOOKS,
        {(1, CYCLE): submission} if submission else {},
        {1: (absence,)} if absence else {},
        {1: removal} if removal else {},
    )
    return ways.find_stored_stage(renewal, today)


@pytest.mark.parametrize(
    ("ends_on", "removal", "stage"),
    [
        (TODAY, Stage.REMOVED, Stage.OPEN),
        (TODAY - DAY, Stage.REMOVED, Stage.REMOVED),
        (TODAY - DAY, None, Stage.ENDED),
    ],
)
def test_an_endorsement_is_open_through_its_last_day(
    ends_on: date, removal: Stage | None, stage: Stage
) -> None:
    assert stage_of(FAYS._replace(ends_on=ends_on), removal=removal) is stage


@pytest.mark.parametrize(
    ("status", "day", "stage"),
    [
        (Status.OPEN, TODAY, Stage.INACTIVE),
        (Status.OPEN, DUE, Stage.OPEN),
        (Status.EXCUSED, DUE, Stage.INACTIVE),
        (Status.EXCUSED, DUE + DAY, Stage.ON_LEAVE),
    ],
)
def test_days_away_matter_today_or_excuse_the_renewal(
    status: Status, day: date, stage: Stage
) -> None:
    absence = Absence(day, day, "inactive")
    assert stage_of(FAYS._replace(status=status), absence=absence) is stage


def test_excused_renewals_need_no_due_date() -> None:
    renewal = FAYS._replace(status=Status.EXCUSED, due_on=None)
    assert stage_of(renewal, absence=Absence(DUE, DUE, "inactive")) is Stage.ON_LEAVE


@pytest.mark.parametrize(
    ("renewal", "today", "stage"),
    [
        (FAYS, CYCLE - DAY, Stage.EARLY),
        (FAYS, LAST, Stage.OPEN),
        (FAYS, LAST + DAY, Stage.CLOSED),
        (FAYS._replace(due_on=None), LAST + DAY, Stage.OPEN),
        (ALICES, LAST + DAY, Stage.OPEN),
    ],
)
def test_only_submitted_renewals_have_a_window(
    renewal: StoredRenewal, today: date, stage: Stage
) -> None:
    assert stage_of(renewal, today) is stage


def test_the_stage_follows_from_the_submission() -> None:
    met = FAYS._replace(status=Status.MET)
    assert stage_of(met, submission=LastSubmission("submitted")) is Stage.SUBMITTED
    failed = LastSubmission("submitted", failed_audit=True)
    assert stage_of(met, submission=failed) is Stage.NEEDS_ATTENTION
    assert stage_of(met, submission=LastSubmission("accepted", "passed")) is Stage.PASSED
    over = DUE + DAY
    assert stage_of(met, over, submission=LastSubmission("accepted")) is Stage.RENEWED


@pytest.mark.parametrize(
    ("triple", "starts_on", "is_submitted"),
    [
        ((ATTESTING, "IFS", date(2020, 5, 1)), CYCLE, True),
        ((ATTESTING, "IFRS", date(2020, 5, 1)), CYCLE, False),
        ((ATTESTING, "IFS", date(2020, 5, 1)), date(2010, 1, 1), False),
        (("NCIMHA", "IFS", date(2024, 3, 1)), date(2026, 1, 1), False),
        (("GONE", "IFS", date(2024, 3, 1)), date(2026, 1, 1), False),
    ],
)
def test_only_submitted_renewals_have_a_cycle(
    triple: tuple[str, str, date], starts_on: date, *, is_submitted: bool
) -> None:
    ways = WayRecords(BOOKS, {}, {}, {})
    cycle = ways.find_cycle(FAYS._replace(triple=triple, cycle_starts_on=starts_on))
    assert (cycle is not None) is is_submitted
    assert cycle is None or cycle.starts_on == starts_on


def test_a_late_endorsement_has_its_first_cycle() -> None:
    late = FAYS._replace(triple=(ATTESTING, "IFS", date(2026, 5, 1)))
    cycle = WayRecords(BOOKS, {}, {}, {}).find_cycle(late)
    assert cycle is not None
    assert cycle.is_first


def without_submission_of_the_experienced() -> Rulebooks:
    """Rules by which endorsees of three years or more submit nothing, and others in October."""
    data = BOOKS.associations[ATTESTING].model_dump(by_alias=True, exclude_unset=True)
    data["cycles"][0]["submission_opens"] = "10-01"
    for requirement in data["requirements"]:
        if requirement["counts"] == "submitted":
            value = requirement["values"][0]
            exempt = {**value, "held_years": 3, "asked": False}
            requirement["values"] = [*requirement["values"], exempt]
    return with_rulebook(BOOKS, Rulebook.model_validate(data))


def test_years_held_decide_who_submits() -> None:
    ways = WayRecords(without_submission_of_the_experienced(), {}, {}, {})
    newer = FAYS._replace(triple=(ATTESTING, "IFS", date(2023, 5, 1)))
    assert [ways.find_cycle(each) is not None for each in (newer, FAYS, newer)] == [
        True,
        False,
        True,
    ]


def test_the_reinstated_are_told_from_the_removed() -> None:
    removals = {1: Stage.REMOVED, 2: Stage.REINSTATED, 3: Stage.REINSTATED}
    assert WayRecords(BOOKS, {}, {}, removals).list_reinstated() == {2, 3}


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    with writing(filled.engine) as session:
        add_endorsee(session, filled, GIL, "Gil Mahoe")
    yield filled
    filled.engine.dispose()


def submit(
    session: Session, endorsement_id: int, starts_on: date = CYCLE, state: str = "submitted"
) -> int:
    """Store a submission of a renewal; its number."""
    return store_submission(session, FrameLine("IFS", endorsement_id, starts_on), state=state).id


def test_the_last_submission_of_each_renewal_is_read(session: Session, cast: Cast) -> None:
    fay, gil = cast.endorsements[FAY], cast.endorsements[GIL]
    submit(session, fay, state="returned")
    submit(session, fay)
    submit(session, fay, date(2022, 1, 1))
    audited = submit(session, gil, state="returned")
    case_id = store_audit(session, gil, audited, "asked")
    assert read_ways(session, BOOKS, endorsement_ids=[fay, gil]).submissions == {
        (fay, CYCLE): LastSubmission("submitted"),
        (fay, date(2022, 1, 1)): LastSubmission("submitted"),
        (gil, CYCLE): LastSubmission("returned", "asked", DUE, case_id),
    }


@pytest.mark.parametrize(
    ("state", "has_failed"), [("not passed", True), ("appealed", True), ("passed", False)]
)
def test_a_failed_audit_is_known_after_another_submission(
    session: Session, cast: Cast, state: str, *, has_failed: bool
) -> None:
    fay, gil = cast.endorsements[FAY], cast.endorsements[GIL]
    case_id = store_audit(session, fay, submit(session, fay, state="returned"), state)
    first = read_ways(session, BOOKS).submissions
    failed = LastSubmission("returned", state, DUE, case_id, has_failed)
    assert first == {(fay, CYCLE): failed}
    submit(session, fay)
    submit(session, fay, date(2022, 1, 1))
    submit(session, gil)
    assert read_ways(session, BOOKS).submissions == {
        (fay, CYCLE): LastSubmission("submitted", failed_audit=has_failed),
        (fay, date(2022, 1, 1)): LastSubmission("submitted"),
        (gil, CYCLE): LastSubmission("submitted"),
    }


def test_all_days_away_are_read(session: Session, cast: Cast) -> None:
    fay, gil = cast.endorsements[FAY], cast.endorsements[GIL]
    first, second = date(2026, 1, 1), date(2027, 1, 1)
    session.add(Leave(endorsement_id=fay, starts_on=first, ends_on=date(2026, 6, 30)))
    session.add(Leave(endorsement_id=fay, starts_on=second, kind="emeritus"))
    session.add(Leave(endorsement_id=gil, starts_on=first, kind="inactive"))
    session.flush()
    absences = read_ways(session, BOOKS).absences
    assert set(absences) == {fay, gil}
    assert sorted(absences[fay]) == [
        Absence(first, date(2026, 6, 30), "leave"),
        Absence(second, date.max, "emeritus"),
    ]
    assert absences[gil] == (Absence(first, date.max, "inactive"),)


def store_one_of_each(session: Session, endorsement_ids: list[int]) -> None:
    """A submission, days away, and a removal of each endorsement."""
    for held in endorsement_ids:
        submit(session, held)
        session.add(Leave(endorsement_id=held, starts_on=CYCLE))
        ended = session.get_one(Endorsement, held)
        ended.ends_on, ended.ended_as = DUE, REMOVED
    session.flush()


def read_ids(ways: WayRecords) -> set[int]:
    """The endorsements of which something was read: the same ones of each kind."""
    by_kind = [{number for number, _ in ways.submissions}, set(ways.absences), set(ways.removals)]
    assert by_kind[0] == by_kind[1] == by_kind[2]
    return by_kind[0]


def test_records_are_read_of_the_wanted_endorsements(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "_BATCH", 1)
    fay, gil, alice = (cast.endorsements[email] for email in (FAY, GIL, ALICE))
    store_one_of_each(session, [fay, gil, alice])
    assert read_ids(read_ways(session, BOOKS)) == {fay, gil, alice}
    assert read_ids(read_ways(session, BOOKS, association=ATTESTING)) == {fay, gil}
    assert read_ids(read_ways(session, BOOKS, endorsement_ids=[alice, fay])) == {alice, fay}
    assert read_ids(read_ways(session, BOOKS, endorsement_ids=[])) == set()


def test_no_statement_names_too_many_endorsements(
    session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []

    def note(*arguments: Any) -> None:  # noqa: ANN401 - a connection, a cursor, a statement, ...
        statements.append(arguments[2])

    event.listen(cast.engine, "before_cursor_execute", note)
    ids = list(cast.endorsements.values())
    read_ways(session, BOOKS, endorsement_ids=ids)
    at_once = len(statements)
    monkeypatch.setattr(stages, "_BATCH", 1)
    read_ways(session, BOOKS, endorsement_ids=ids)
    assert len(statements) - at_once == len(ids) * at_once


ENDED = date(2026, 2, 28)


@pytest.mark.parametrize(
    ("begun", "granted", "stage"),
    [
        ({}, {}, Stage.REINSTATED),
        ({"starts_on": ENDED}, {}, Stage.REMOVED),
        ({"person": GIL}, {}, Stage.REMOVED),
        ({"association": "NCIMHA"}, {}, Stage.REMOVED),
        ({"category": "IFRS"}, {}, Stage.REMOVED),
        ({}, {"opened_on": ENDED}, Stage.REMOVED),
        ({}, {"person": GIL}, Stage.REMOVED),
        ({}, {"association": "NCIMHA"}, Stage.REMOVED),
        ({}, {"category": "IFRS"}, Stage.REMOVED),
        ({}, {"purpose": "application"}, Stage.REMOVED),
        ({}, {"state": "declined"}, Stage.REMOVED),
    ],
)
def test_a_granted_reinstatement_begins_a_new_endorsement(
    session: Session,
    cast: Cast,
    begun: Values,
    granted: Values,
    stage: Stage,
) -> None:
    fay, day = session.get_one(Endorsement, cast.endorsements[FAY]), ENDED + DAY
    fay.ends_on, fay.ended_as = ENDED, REMOVED
    same: Values = {"person": FAY, "association": ATTESTING, "category": "IFS"}
    later = {**same, "starts_on": day, **begun}
    asked = {**same, "purpose": "reinstatement", "state": "endorsed", "opened_on": day, **granted}
    for values in (later, asked):
        values["person_id"] = cast.people[str(values.pop("person"))]
    session.add(Endorsement(**later))
    session.add(Application(**asked, decided_on=day))
    session.flush()
    assert read_ways(session, RULEBOOKS).removals == {fay.id: stage}


def test_what_ended_otherwise_was_not_removed(session: Session, cast: Cast) -> None:
    session.get_one(Endorsement, cast.endorsements[FAY]).ends_on = ENDED
    session.flush()
    assert read_ways(session, RULEBOOKS).removals == {}


def judged_stage(
    session: Session,
    cast: Cast,
    email: str,
    now: datetime,
    cycle_day: date | None = None,
    books: Rulebooks = RULEBOOKS,
) -> Stage | None:
    """The stage of a renewal that is judged now."""
    day_of = days_at(books, now)
    held = cast.endorsements[email]
    [standing] = judge_all(session, books, day_of, cycle_day=cycle_day, endorsement_ids=[held])
    ways = read_ways(session, books, endorsement_ids=[held])
    return ways.find_stage(standing, day_of(standing.plan.association))


def test_only_submitted_renewals_wait_for_their_window(session: Session, cast: Cast) -> None:
    books = without_submission_of_the_experienced()
    assert judged_stage(session, cast, FAY, NOW, books=books) is Stage.OPEN
    session.get_one(Endorsement, cast.endorsements[FAY]).starts_on = date(2023, 5, 1)
    session.flush()
    assert judged_stage(session, cast, FAY, NOW, books=books) is Stage.EARLY


def test_an_endorsement_without_renewals_has_no_stage(session: Session, cast: Cast) -> None:
    session.get_one(Endorsement, cast.endorsements[ERIN]).category = "IECMHA"
    session.flush()
    assert judged_stage(session, cast, ERIN, NOW) is None


def test_what_emeritus_status_excused_stays_emeritus(session: Session, cast: Cast) -> None:
    days: Values = {"starts_on": DUE - 20 * DAY, "ends_on": DUE, "kind": "emeritus"}
    session.add(Leave(endorsement_id=cast.endorsements[FAY], **days))
    session.flush()
    in_grace = datetime(2028, 1, 15, 22, 0, tzinfo=UTC)
    assert judged_stage(session, cast, FAY, in_grace, CYCLE) is Stage.EMERITUS


def last_day(session: Session, held: Endorsement, starts_on: date = CYCLE) -> date | None:
    return find_last_day(session, BOOKS, held, starts_on)


def test_the_last_day_follows_the_due_date(session: Session, cast: Cast) -> None:
    fay = session.get_one(Endorsement, cast.endorsements[FAY])
    evaluate_people(session, BOOKS, {fay.person_id}, SUBMITTED_AT)
    assert last_day(session, fay) == LAST
    session.get_one(StandingRow, (fay.id, CYCLE)).due_on = DUE + 10 * DAY
    session.flush()
    assert last_day(session, fay) == LAST + 10 * DAY


def test_the_last_day_is_known_before_any_evaluation(session: Session, cast: Cast) -> None:
    gil = session.get_one(Endorsement, cast.endorsements[GIL])
    assert last_day(session, gil) == LAST
    gil.starts_on = date(2026, 5, 1)
    assert last_day(session, gil) == LAST


@pytest.mark.parametrize(
    ("association", "category", "starts_on"),
    [
        ("GONE", "IFS", CYCLE),
        ("NCIMHA", "IFS", CYCLE),
        (ATTESTING, "IFRS", CYCLE),
        (ATTESTING, "IFS", date(2010, 1, 1)),
    ],
)
def test_what_nobody_submits_has_no_last_day(
    session: Session, association: str, category: str, starts_on: date
) -> None:
    held = Endorsement(
        id=999,
        person_id=1,
        association=association,
        category=category,
        starts_on=date(2010, 1, 1),
    )
    assert last_day(session, held, starts_on) is None
