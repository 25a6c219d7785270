"""Renewals that endorsees submit: accepted by themselves, by a coordinator, or returned."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from tests.services.conftest import Act
from tests.support.auditing import HAL, accept
from tests.support.cast import ALICE, ATTESTING, BOOKS, KAI, Cast
from tests.support.nights import evaluate_due
from tests.support.submitting import (
    ALL_SIGNED,
    CYCLE,
    FAY,
    GIL,
    SUBMITTED_AT,
    fill_with_fay,
    submit_for_gil,
)
from tracker.db.ledgers import SettledCycle, StandingRow
from tracker.db.log import AuditEvent, Entry
from tracker.db.people import Endorsement, Membership, Renewal, Waiver
from tracker.db.submissions import Submission
from tracker.rulebooks import with_rulebook
from tracker.rules.standing import Status
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.entries import EntrySource, create_entry, delete_entry
from tracker.services.entry_rules import EntryInput
from tracker.services.evaluation import evaluate_people, parse_results
from tracker.services.facts import parse_settlement
from tracker.services.memberships import MembershipTerm, create_membership
from tracker.services.submissions import (
    SubmissionInput,
    SubmissionNeedsConfirmation,
    accept_renewal,
    claim_decision_mail,
    find_renewed_through,
    get_submission,
    list_last_submissions,
    list_unaccepted,
    list_unannounced,
    restore_renewal,
    return_renewal,
    submit_renewal,
)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_fay(database_url)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def act(cast: Cast, session: Session) -> Act:
    """Returns the context in which a person, or the association's coordinator, acts."""

    def context_of(email: str) -> ServiceContext:
        person_id = cast.people.get(email)
        coordinates = () if person_id else (ATTESTING,)
        actor = Actor(email, person_id, coordinates)
        return ServiceContext(session, BOOKS, actor, SUBMITTED_AT)

    return context_of


def submit(context: ServiceContext, cast: Cast, **changes: object) -> Submission:
    renewal = SubmissionInput(cast.endorsements[FAY], CYCLE, "Fay Lani", ALL_SIGNED, "a" * 32)
    return submit_renewal(context, replace(renewal, **changes))  # type: ignore[arg-type]


def status(session: Session, cast: Cast) -> str:
    query = select(StandingRow.status).filter_by(
        endorsement_id=cast.endorsements[FAY], cycle_starts_on=CYCLE
    )
    return session.exec(query).one()


def list_short(session: Session, cast: Cast) -> set[str]:
    query = select(StandingRow.requirements).filter_by(
        endorsement_id=cast.endorsements[FAY], cycle_starts_on=CYCLE
    )
    results = parse_results(session.exec(query).one())
    return {each.id for each in results if each.outcome == "short"}


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [refusal.code for refusal in refused.value.refusals]


def reasons(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [(each.field, each.code, each.facts) for each in refused.value.refusals]


def at(context: ServiceContext, now: datetime) -> ServiceContext:
    return replace(context, now=now)


def test_a_complete_renewal_is_accepted_by_itself(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    submission = submit(fay, cast)
    assert submission.accepted_at == SUBMITTED_AT
    assert submission.accepted_by is None
    assert submission.accepted_because == "It meets every requirement."
    assert status(fay.session, cast) == "met"
    settled = fay.session.exec(select(SettledCycle)).one()
    assert settled.settled_on == date(2027, 11, 15)
    outcomes = {r.requirement_id: r.outcome for r in parse_settlement(settled.content).results}
    assert outcomes == {
        "training": "attested",
        "rsc": "attested",
        "membership": "met",
        "ethics": "met",
        "submission": "met",
    }
    events = fay.session.exec(select(AuditEvent).filter_by(table_name="submission")).all()
    assert [event.who for event in events] == [FAY, "evaluation"]
    about = {"endorsement_id": cast.endorsements[FAY]}
    nobody = dict.fromkeys(("accepted_by", "accepted_because", "returned_by", "returned_because"))
    days = {"cycle_starts_on": "2025-01-01", "cycle_ends_on": "2027-12-31"}
    assert json.loads(events[0].after or "") == {
        **about,
        **days,
        **nobody,
        "signed_name": "Fay Lani",
        "state": "submitted",
    }
    assert json.loads(events[1].before or "") == {
        **about,
        "state": "submitted",
        "accepted_because": None,
    }
    assert json.loads(events[1].after or "") == {
        **about,
        "state": "accepted",
        "accepted_because": "It meets every requirement.",
    }


def test_acceptance_names_the_rules_of_the_association(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    books = replace(BOOKS, digests={ATTESTING: "rules of 2027"})
    submission = submit(replace(fay, rulebooks=books), cast)
    settled = fay.session.exec(select(SettledCycle)).one()
    for content in (settled.content, submission.content):
        assert parse_settlement(content).rules_digest == "rules of 2027"


def test_the_words_that_were_signed_are_kept(act: Act, cast: Cast) -> None:
    submission = submit(act(FAY), cast)
    words = BOOKS.associations[ATTESTING].attestations
    assert json.loads(submission.statements) == words
    assert submission.signed_name == "Fay Lani"
    snapshot = parse_settlement(submission.content)
    assert snapshot.settled_on == date(2027, 11, 15)
    results = snapshot.results
    assert [result.label for result in results if result.short] == [
        "Training",
        "Reflective supervision",
        "Code of Ethics",
        "Submission",
    ]


def test_a_renewal_that_lacks_something_waits(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    submission = submit(fay, cast, signed=frozenset({"ethics"}))
    assert submission.accepted_at is None
    assert status(fay.session, cast) == "open"
    [waiting] = list_unaccepted(fay.session, ATTESTING)
    assert (waiting.person.name, waiting.submission.id) == ("Fay Lani", submission.id)
    assert (waiting.endorsement.id, waiting.failed_case_id) == (cast.endorsements[FAY], None)
    assert waiting.statements == {"ethics": BOOKS.associations[ATTESTING].attestations["ethics"]}
    short = {each.id for each in parse_results(waiting.requirements) if each.outcome == "short"}
    assert short == {"training", "rsc"}
    assert list_unaccepted(fay.session, "NCIMHA") == []
    submit_for_gil(fay.session, cast)
    assert [each.person.email for each in list_unaccepted(fay.session, ATTESTING)] == [FAY, GIL]


@pytest.mark.parametrize(
    ("signed", "missing"),
    [
        (frozenset({"ethics"}), "training rsc membership"),
        (ALL_SIGNED, "membership"),
    ],
)
def test_what_will_be_missing_is_confirmed_first(
    act: Act, cast: Cast, signed: frozenset[str], missing: str
) -> None:
    fay = act(FAY)
    fay.session.exec(delete(Membership).where(col(Membership.person_id) == cast.people[FAY]))
    with pytest.raises(SubmissionNeedsConfirmation) as needed:
        submit(fay, cast, signed=signed, is_confirmed=False)
    assert str(needed.value) == missing
    assert [each.requirement.id for each in needed.value.missing] == missing.split()
    assert fay.session.exec(select(Submission)).all() == []


def test_nothing_is_confirmed_if_nothing_is_missing(act: Act, cast: Cast) -> None:
    assert submit(act(FAY), cast, is_confirmed=False).state == "accepted"


def test_renewal_signed_by_another_waits_and_holds_up_nobody(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    by_another = submit(fay, cast, signed_name="Kai Lani")
    [waiting] = list_unaccepted(fay.session, ATTESTING)
    assert (waiting.other_name, waiting.lacks_only_fee) == ("Kai Lani", False)
    by_gil = fay.session.get(Submission, submit_for_gil(fay.session, cast))
    assert by_gil is not None
    gil = cast.endorsements[GIL]
    for name in ("training", "rsc"):
        waiver = Waiver(endorsement_id=gil, cycle_starts_on=CYCLE, requirement=name, reason="Fire")
        fay.session.add(waiver)
    fay.session.flush()
    assert (by_another.accepted_at, by_gil.accepted_at) == (None, None)
    evaluate_people(fay.session, BOOKS, {cast.people[FAY], cast.people[GIL]}, SUBMITTED_AT)
    assert (by_another.accepted_at, by_gil.accepted_at) == (None, SUBMITTED_AT)


def test_what_is_learned_later_completes_a_renewal(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    fay.session.exec(
        update(Membership)
        .where(col(Membership.person_id) == cast.people[FAY])
        .values(ends_on=date(2027, 10, 31))
    )
    submission = submit(fay, cast)
    assert submission.accepted_at is None
    term = MembershipTerm(ATTESTING, date(2027, 11, 1), date(2027, 12, 31))
    create_membership(at(fay, SUBMITTED_AT + timedelta(hours=1)), term)
    fay.session.refresh(submission)
    assert submission.accepted_at == SUBMITTED_AT + timedelta(hours=1)


def test_a_coordinator_accepts_what_is_missing(act: Act, cast: Cast) -> None:
    kai = act(KAI)
    submission = submit(act(FAY), cast, signed=frozenset({"ethics"}))
    accept_renewal(kai, submission.id, "The log was lost in a fire")
    assert status(kai.session, cast) == "met"
    assert (submission.accepted_by, submission.accepted_because) == (
        KAI,
        "The log was lost in a fire",
    )
    assert submission.accepted_at == SUBMITTED_AT
    waivers = kai.session.exec(select(Waiver.requirement, Waiver.reason)).all()
    reason = "The log was lost in a fire"
    assert sorted(waivers) == [("rsc", reason), ("training", reason)]
    with pytest.raises(Refused) as refused:
        accept_renewal(kai, submission.id, "")
    assert reasons(refused) == [
        ("reason", "reason-missing", {}),
        ("reason", "renewal-accepted-already", {}),
    ]


@pytest.mark.parametrize("decide", [accept_renewal, return_renewal])
def test_nobody_decides_about_their_own_renewal(
    act: Act, cast: Cast, decide: Callable[[ServiceContext, int, str], None]
) -> None:
    submission = submit(act(FAY), cast, signed=frozenset({"ethics"}))
    own = replace(act(FAY), actor=Actor(FAY, cast.people[FAY], (ATTESTING,)))
    with pytest.raises(Refused) as refused:
        decide(own, submission.id, "Mine")
    assert codes(refused) == ["own-decision"]
    assert submission.state == "submitted"


def test_what_was_submitted_is_accepted_after_the_endorsement(act: Act, cast: Cast) -> None:
    kai = act(KAI)
    submission = submit(act(FAY), cast, signed=frozenset({"ethics"}))
    held = kai.session.get_one(Endorsement, cast.endorsements[FAY])
    held.ends_on = date(2028, 1, 10)
    kai.session.flush()
    later = at(kai, datetime.fromisoformat("2028-01-15T12:00:00-10:00"))
    accept_renewal(later, submission.id, "The log was lost in a fire")
    assert submission.state == "accepted"


def test_a_returned_renewal_is_open_again(act: Act, cast: Cast) -> None:
    fay, kai = act(FAY), act(KAI)
    submission = submit(fay, cast)
    return_renewal(kai, submission.id, "A date is wrong")
    assert status(fay.session, cast) == "open"
    settled = fay.session.exec(select(SettledCycle)).one()
    reopened = (settled.reopened_at, settled.reopened_by, settled.reopening_reason)
    assert reopened == (SUBMITTED_AT, KAI, "A date is wrong")
    returned = (submission.returned_at, submission.returned_by, submission.returned_because)
    assert returned == reopened
    events = kai.session.exec(select(AuditEvent).where(AuditEvent.who == KAI)).all()
    assert [event.table_name for event in events] == ["submission", "settled_cycle"]
    after = [json.loads(event.after or "") for event in events]
    assert (after[0]["state"], after[0]["returned_because"]) == ("returned", "A date is wrong")
    assert after[1]["cycle_starts_on"] == "2025-01-01"
    with pytest.raises(Refused) as refused:
        return_renewal(kai, submission.id, "x" * 501)
    assert reasons(refused) == [
        ("reason", "text-too-long", {"limit": 500}),
        ("reason", "renewal-returned-already", {}),
    ]
    with pytest.raises(Refused) as refused:
        accept_renewal(kai, submission.id, "As it is")
    assert codes(refused) == ["renewal-returned-already"]
    again = submit(fay, cast, form_key="b" * 32)
    assert again.accepted_at is not None
    fay.session.refresh(settled)
    assert settled.reopened_at is None


def test_a_returned_renewal_is_signed_anew(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    submission = submit(fay, cast, signed=frozenset({"ethics"}))
    assert "ethics" not in list_short(fay.session, cast)
    return_renewal(act(KAI), submission.id, "Log the hours first")
    assert "ethics" in list_short(fay.session, cast)
    assert fay.session.exec(select(SettledCycle)).all() == []


def test_a_form_that_is_sent_twice_is_saved_once(act: Act, cast: Cast) -> None:
    first, second = submit(act(FAY), cast), submit(act(FAY), cast)
    assert first.id == second.id
    with pytest.raises(Refused) as refused:
        submit(act(FAY), cast, form_key="b" * 32)
    already = ("", "renewal-submitted-already", {"day": date(2027, 11, 15)})
    assert reasons(refused) == [already]


def test_what_must_be_signed_is_signed_with_a_name(act: Act, cast: Cast) -> None:
    with pytest.raises(Refused) as refused:
        submit(act(FAY), cast, signed=frozenset({"hours"}), signed_name="")
    ethics = {"statement": BOOKS.associations[ATTESTING].attestations["ethics"]}
    assert reasons(refused) == [
        ("signed", "statement-not-signed", ethics),
        ("signed_name", "signature-missing", {}),
    ]


def test_a_signature_has_at_most_200_characters(act: Act, cast: Cast) -> None:
    with pytest.raises(Refused) as refused:
        submit(act(FAY), cast, signed_name="x" * 201)
    assert reasons(refused) == [("signed_name", "text-too-long", {"limit": 200})]
    assert submit(act(FAY), cast, signed_name="x" * 200).id


def test_a_settled_renewal_is_not_submitted(act: Act, cast: Cast) -> None:
    february = at(act(FAY), datetime.fromisoformat("2028-02-01T02:00:00-10:00"))
    evaluate_due(february.session, BOOKS, ATTESTING, february.now, since=date(2028, 1, 31))
    with pytest.raises(Refused) as refused:
        submit(february, cast)
    assert reasons(refused) == [("", "renewal-settled", {"settled_on": date(2028, 2, 1)})]


@pytest.mark.parametrize("day", [15, 16])
def test_the_window_opens_on_its_first_day(act: Act, cast: Cast, day: int) -> None:
    rulebook = BOOKS.associations[ATTESTING]
    [scheme] = rulebook.cycles
    late = scheme.model_copy(update={"submission_opens": f"11-{day}"})
    books = with_rulebook(BOOKS, rulebook.model_copy(update={"cycles": (late,)}))
    fay = replace(act(FAY), rulebooks=books)
    if day == 15:
        assert submit(fay, cast).id
        return
    with pytest.raises(Refused) as refused:
        submit(fay, cast)
    assert reasons(refused) == [("", "renewal-not-open", {"day": date(2027, 11, 16)})]


def test_an_extension_keeps_the_window_open(act: Act, cast: Cast) -> None:
    march = at(act(FAY), datetime.fromisoformat("2028-03-31T12:00:00-10:00"))
    extension = Renewal(
        endorsement_id=cast.endorsements[FAY],
        cycle_starts_on=CYCLE,
        extended_due_on=date(2028, 3, 31),
        reason="A flood",
    )
    march.session.add(extension)
    assert submit(march, cast).id


@pytest.mark.parametrize(
    ("zone", "now", "code"),
    [
        # The last minute of the grace period in local time, and the first one after it.
        ("Pacific/Honolulu", "2028-01-31T23:59:00-10:00", None),
        ("Pacific/Honolulu", "2028-02-01T00:00:00-10:00", "renewal-closed"),
        ("Pacific/Guam", "2028-01-31T23:59:00+10:00", None),
        ("Pacific/Guam", "2028-02-01T00:00:00+10:00", "renewal-closed"),
    ],
)
def test_the_window_closes_at_midnight_in_local_time(
    act: Act, cast: Cast, zone: str, now: str, code: str | None
) -> None:
    fay = _in_zone(at(act(FAY), datetime.fromisoformat(now)), zone)
    if code is None:
        assert submit(fay, cast).id
        return
    with pytest.raises(Refused) as refused:
        submit(fay, cast)
    assert reasons(refused) == [("", code, {"day": date(2028, 1, 31)})]


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "Pacific/Guam"])
def test_what_is_submitted_in_the_last_minute_is_in_time(act: Act, cast: Cast, zone: str) -> None:
    """By UTC, that is the afternoon of the due date in Guam, and the day after it in Honolulu."""
    last_minute = datetime(2027, 12, 31, 23, 59, tzinfo=ZoneInfo(zone))
    fay = _in_zone(at(act(FAY), last_minute), zone)
    submission = submit(fay, cast)
    assert (submission.state, status(fay.session, cast)) == ("accepted", Status.MET)
    first_minute_after = last_minute + timedelta(minutes=1)
    evaluate_due(fay.session, fay.rulebooks, ATTESTING, first_minute_after)
    assert status(fay.session, cast) == Status.MET


def _in_zone(context: ServiceContext, zone: str) -> ServiceContext:
    moved = BOOKS.associations[ATTESTING].model_copy(update={"time_zone": zone})
    books = replace(BOOKS, associations={**BOOKS.associations, ATTESTING: moved})
    return replace(context, rulebooks=books)


def test_nobody_submits_the_renewal_of_another(act: Act, cast: Cast) -> None:
    for context, changes in (
        (act(ALICE), {}),
        (act(KAI), {}),
        (act(FAY), {"cycle_starts_on": date(2025, 1, 2)}),
        # A cycle before the endorsement began.
        (act(FAY), {"cycle_starts_on": date(2016, 1, 1)}),
        (act(ALICE), {"endorsement_id": cast.endorsements[ALICE], "cycle_starts_on": CYCLE}),
    ):
        with pytest.raises(NotFound):
            submit(context, cast, **changes)
    submission = submit(act(FAY), cast)
    stranger = replace(act(KAI), actor=Actor(KAI, None, ("NCIMHA",)))
    for decide in (accept_renewal, return_renewal):
        with pytest.raises(NotFound):
            decide(stranger, submission.id, "Mine")


def test_sessions_of_a_submitted_renewal_stay_as_they_are(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    submission = submit(fay, cast)
    with pytest.raises(Refused) as refused:
        delete_entry(fay, cast.entries["fay"])
    assert codes(refused) == ["cycle-submitted"]
    session = EntryInput(activity="training", held_on=date(2027, 11, 1), minutes=60, title="Late")
    with pytest.raises(Refused) as refused:
        create_entry(fay, cast.people[FAY], session, EntrySource("c" * 32))
    assert codes(refused) == ["cycle-submitted"]
    return_renewal(act(KAI), submission.id, "Log it")
    assert create_entry(fay, cast.people[FAY], session, EntrySource("c" * 32)).id


@pytest.mark.parametrize("verb", ["insert", "move", "update", "delete"])
def test_the_database_refuses_to_change_submitted_sessions(act: Act, cast: Cast, verb: str) -> None:
    fay = act(FAY)
    new = {
        "person_id": cast.people[FAY],
        "activity": "training",
        "held_on": date(2028, 1, 2),
        "minutes": 60,
        "title": "New",
    }
    connection = fay.session.connection()
    connection.execute(insert(Entry).values(**new))
    submission = submit(fay, cast)
    own = col(Entry.id) == cast.entries["fay"]
    changes = {
        "insert": insert(Entry).values(**{**new, "held_on": date(2027, 12, 31)}),
        "move": update(Entry).where(col(Entry.title) == "New").values(held_on=date(2025, 1, 1)),
        "update": update(Entry).where(own).values(minutes=1),
        "delete": delete(Entry).where(own),
    }
    with pytest.raises(IntegrityError), connection.begin_nested():
        connection.execute(changes[verb])
    return_renewal(act(KAI), submission.id, "Correct it")
    connection.execute(changes[verb])


def test_sessions_for_another_endorsement_can_still_be_logged(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    fay.session.add(
        Endorsement(
            person_id=cast.people[FAY],
            association="NCIMHA",
            category="IFS",
            starts_on=date(2027, 1, 1),
        )
    )
    session = EntryInput(activity="training", held_on=date(2027, 11, 1), minutes=60, title="Late")
    submitted = create_entry(fay, cast.people[FAY], session, EntrySource("b" * 32))
    submit(fay, cast)
    later = at(fay, SUBMITTED_AT + timedelta(hours=1))
    saved = create_entry(later, cast.people[FAY], session, EntrySource("c" * 32))
    delete_entry(later, saved.id)
    with pytest.raises(Refused) as refused:
        delete_entry(later, submitted.id)
    assert codes(refused) == ["cycle-submitted"]


def test_an_accepted_renewal_stays_so_when_its_cycle_closes(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    submit(fay, cast)
    fay.session.exec(delete(Membership).where(col(Membership.person_id) == cast.people[FAY]))
    february = datetime.fromisoformat("2028-02-02T02:00:00-10:00")
    evaluate_due(fay.session, BOOKS, ATTESTING, february)
    assert status(fay.session, cast) == Status.MET.value
    assert fay.session.exec(select(col(SettledCycle.settled_on))).all() == [date(2027, 11, 15)]


def test_each_decision_is_mailed_once(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    submission = submit(fay, cast)
    submit_for_gil(fay.session, cast)
    accept(fay.session, cast, HAL, "Hal Keawe", SUBMITTED_AT)
    decided = [each.person.email for each in list_unannounced(fay.session, ATTESTING)]
    assert decided == [FAY, HAL]
    assert list_unannounced(fay.session, "NCIMHA") == []
    claims = [claim_decision_mail(fay.session, submission, SUBMITTED_AT) for _ in range(2)]
    assert claims == [True, False]
    fay.session.refresh(submission)
    assert submission.announced_at == SUBMITTED_AT
    assert [each.person.email for each in list_unannounced(fay.session, ATTESTING)] == [HAL]
    return_renewal(act(KAI), submission.id, "A date is wrong")
    assert len(list_unannounced(fay.session, ATTESTING)) == 2


def test_a_decision_that_is_changed_meanwhile_is_not_mailed(act: Act, cast: Cast) -> None:
    session = act(FAY).session
    submission = submit(act(FAY), cast)
    session.expunge(submission)
    return_renewal(act(KAI), submission.id, "A date is wrong")
    assert not claim_decision_mail(session, submission, SUBMITTED_AT)


def test_the_last_submission_of_each_renewal_is_listed(act: Act, cast: Cast) -> None:
    fay = act(FAY)
    first = submit(fay, cast)
    submit_for_gil(fay.session, cast)
    return_renewal(act(KAI), first.id, "A date is wrong")
    held = cast.endorsements[FAY]
    assert list_last_submissions(fay.session, [held]) == {(held, CYCLE): first}
    again = submit(fay, cast, form_key="0" * 32)
    assert list_last_submissions(fay.session, [held]) == {(held, CYCLE): again}
    assert list_last_submissions(fay.session, []) == {}


def test_a_submission_is_found_in_its_association(act: Act, cast: Cast) -> None:
    session = act(FAY).session
    submission = submit(act(FAY), cast)
    submit_for_gil(session, cast)
    found = get_submission(session, submission.id, {ATTESTING})
    assert (found.submission.id, found.person.email) == (submission.id, FAY)
    for number, association in ((submission.id, "NCIMHA"), (99, ATTESTING)):
        with pytest.raises(NotFound):
            get_submission(session, number, {association})


def test_a_restored_renewal_is_accepted_as_before(act: Act, cast: Cast) -> None:
    kai = act(KAI)
    submission = submit(act(FAY), cast)
    return_renewal(kai, submission.id, "A date is wrong")
    restore_renewal(kai, submission.id, "The appeal was right")
    returned = (submission.returned_at, submission.returned_by, submission.returned_because)
    assert (submission.state, *returned) == ("accepted", None, None, None)
    accepted = (submission.accepted_at, submission.accepted_by, submission.accepted_because)
    assert accepted == (SUBMITTED_AT, None, "It meets every requirement.")
    assert status(kai.session, cast) == "met"
    events = kai.session.exec(select(AuditEvent).filter_by(table_name="submission")).all()
    before = json.loads(events[-1].before or "")
    assert (before["state"], before["returned_because"]) == ("returned", "A date is wrong")
    assert json.loads(events[-1].after or "")["state"] == "accepted"


def test_a_renewal_lasts_through_the_next_cycle(act: Act, cast: Cast) -> None:
    held = act(FAY).session.get_one(Endorsement, cast.endorsements[FAY])
    assert find_renewed_through(BOOKS, held, CYCLE) == date(2030, 12, 31)
    assert find_renewed_through(replace(BOOKS, associations={}), held, CYCLE) is None
