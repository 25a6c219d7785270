"""Which sessions submitted renewals keep, and which days they close, for many people."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlmodel import Session

from tests.support.auditing import CYCLE_ENDS, acts, store_submission
from tests.support.cast import ALICE, ATTESTING, BOB, KAI, NOW, Cast
from tests.support.referees import apply
from tests.support.submitting import CYCLE, FAY, SUBMITTED_AT, fill_with_fay
from tracker.db.log import Entry
from tracker.db.people import Endorsement
from tracker.rules.audit_sampling import FrameLine
from tracker.services.context import Refusal, Refused
from tracker.services.entry_reviews import remove_entry
from tracker.services.submitted_sessions import SubmittedCycle, list_frozen, read_submitted

DAY = timedelta(days=1)
PRECEDING, FOLLOWING = CYCLE - DAY, CYCLE_ENDS + DAY


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def cycle(cast: Cast, session: Session) -> SubmittedCycle:
    """Fay's cycle, whose renewal is submitted; Alice's was returned."""
    return submit(cast, session)


def submit(cast: Cast, session: Session) -> SubmittedCycle:
    fay, alice = cast.endorsements[FAY], cast.endorsements[ALICE]
    store_submission(session, FrameLine("IFS", fay, CYCLE))
    store_submission(session, FrameLine("IFS", alice, CYCLE), state="returned")
    return SubmittedCycle(fay, ATTESTING, CYCLE, CYCLE_ENDS)


def find_locks(session: Session, cast: Cast, email: str, *days: date) -> list[bool]:
    """Whether new sessions on these days are kept out."""
    submitted = read_submitted(session, cast.people.values())
    return [submitted.find_lock(cast.people[email], day) is not None for day in days]


def endorse(session: Session, person_id: int, association: str, ends_on: date | None) -> int:
    """Store a further endorsement of a person; its id."""
    held = Endorsement(
        person_id=person_id,
        association=association,
        category="IFS",
        starts_on=date(2021, 3, 1),
        ends_on=ends_on,
    )
    session.add(held)
    session.flush()
    return held.id


def test_a_submitted_cycle_takes_no_more_sessions(
    session: Session, cast: Cast, cycle: SubmittedCycle
) -> None:
    days = (PRECEDING, CYCLE, CYCLE_ENDS, FOLLOWING)
    assert find_locks(session, cast, FAY, *days) == [False, True, True, False]
    assert find_locks(session, cast, ALICE, *days) == [False] * 4
    fay, alice = cast.people[FAY], cast.people[ALICE]
    assert read_submitted(session, {fay, alice}).find_lock(fay, CYCLE) == cycle
    assert not any(read_submitted(session, {alice}))


@pytest.mark.usefixtures("cycle")
def test_another_endorsement_keeps_its_time_open(session: Session, cast: Cast) -> None:
    endorse(session, cast.people[FAY], "NCIMHA", CYCLE + DAY)
    days = (CYCLE + DAY, CYCLE + 2 * DAY)
    assert find_locks(session, cast, FAY, *days) == [False, True]
    endorse(session, cast.people[FAY], "CT-AIMH", None)
    assert find_locks(session, cast, FAY, *days) == [False, False]


def test_two_submitted_cycles_share_their_days(session: Session, cast: Cast) -> None:
    other, ends_on = endorse(session, cast.people[FAY], "NCIMHA", None), CYCLE + 2 * DAY
    store_submission(session, FrameLine("IFS", other, CYCLE + DAY), ends_on=ends_on)
    submit(cast, session)
    days = [CYCLE + number * DAY for number in range(4)]
    assert find_locks(session, cast, FAY, *days) == [False, True, True, False]
    # The first one that was submitted is named.
    lock = read_submitted(session, [cast.people[FAY]]).find_lock(cast.people[FAY], ends_on)
    assert lock == SubmittedCycle(other, "NCIMHA", CYCLE + DAY, ends_on)


@pytest.mark.usefixtures("cycle")
def test_an_undecided_application_keeps_all_days_open(session: Session, cast: Cast) -> None:
    fay, state = cast.people[FAY], "endorsed"
    apply(session, fay, association="NCIMHA", state=state, decided_on=CYCLE)
    apply(session, cast.people[BOB], association="NCIMHA")
    assert find_locks(session, cast, FAY, CYCLE) == [True]
    apply(session, fay, association="CT-AIMH")
    assert find_locks(session, cast, FAY, CYCLE) == [False]
    assert read_submitted(session, cast.people.values()).applying == {fay}


def test_sessions_logged_before_submitting_stay(session: Session, cast: Cast) -> None:
    second = timedelta(seconds=1)
    logged = [
        Entry(
            person_id=cast.people[email],
            activity="training",
            held_on=day,
            minutes=60,
            title="Talk",
            logged_at=at,
        )
        for email, day, at in [
            (FAY, CYCLE, SUBMITTED_AT),
            (FAY, CYCLE_ENDS, NOW),
            (FAY, CYCLE, SUBMITTED_AT + second),
            (FAY, PRECEDING, NOW),
            (FAY, FOLLOWING, NOW),
            (BOB, CYCLE, NOW),
            (ALICE, CYCLE, NOW),
        ]
    ]
    session.add_all(logged)
    session.flush()
    cycle = submit(cast, session)
    frozen = {cast.entries["fay"], logged[0].id, logged[1].id}
    everybody = cast.people.values()
    assert read_submitted(session, everybody).frozen == dict.fromkeys(frozen, cycle)
    expected = dict.fromkeys(frozen, (cast.endorsements[FAY], CYCLE))
    assert list_frozen(session, everybody) == expected
    assert list_frozen(session, [cast.people[BOB]]) == {}


@pytest.mark.usefixtures("cycle")
def test_a_submitted_session_is_not_removed(session: Session, cast: Cast) -> None:
    kai = acts(session, cast, KAI, SUBMITTED_AT)
    refusals = [Refusal("reason", "reason-missing"), Refusal("reason", "entry-of-submitted")]
    for reason, expected in (("", refusals), ("A mistake", refusals[1:])):
        with pytest.raises(Refused) as refused:
            remove_entry(kai, cast.entries["fay"], ATTESTING, reason)
        assert list(refused.value.refusals) == expected
