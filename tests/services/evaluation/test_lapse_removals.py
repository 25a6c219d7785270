"""Lapsed endorsements are removed when that is due, and reinstated while that can be asked for."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlmodel import Session, select

from tests.support.auditing import store_audit, store_submission
from tests.support.cast import BOOKS, REMOVING, REX, Cast
from tests.support.removing import UMA, VIC, add_training, fill_with_uma, own, rex
from tracker.db.applications import Application
from tracker.db.engine import writing
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import REMOVED, Endorsement, Person, TimeRequest
from tracker.rulebooks import with_rulebook
from tracker.rules.audit_sampling import FrameLine
from tracker.rules.standing import Outcome
from tracker.services.applications import endorse_applicant, get_application_standings
from tracker.services.attention import AttentionKind, list_attention
from tracker.services.board_report import ReportPeriod, count_movements
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan, apply_change, undo_change
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.lapse_removals import (
    LapsedEndorsement,
    find_lapsed,
    list_due_removals,
    list_lapsed,
    list_removed_by_itself,
    remove_lapsed,
)
from tracker.services.reinstatements import (
    WayBack,
    list_ways_back,
    require_in_time,
    start_reinstatement,
)
from tracker.services.row_contents import Values


def noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 17, 0, tzinfo=UTC)


KEPT, DUE, LATER = noon(2026, 2, 28), noon(2026, 3, 1), noon(2026, 3, 2)
ASKED = noon(2026, 6, 1)
# Of a cycle of one year, its days of grace, and the months after them.
UMAS_DAYS = (date(2025, 1, 1), date(2025, 12, 31), date(2026, 1, 31), date(2026, 3, 1))
BOOK = BOOKS.associations[REMOVING]
[RULE] = BOOK.removals
BY_ITSELF = with_rulebook(
    BOOKS,
    BOOK.model_copy(update={"removals": (RULE.model_copy(update={"by_itself": True}),)}),
)


@pytest.fixture
def cast(database_url: str) -> Iterator[Cast]:
    filled = fill_with_uma(database_url, KEPT)
    yield filled
    filled.engine.dispose()


@pytest.fixture
def session(cast: Cast) -> Iterator[Session]:
    with writing(cast.engine) as session:
        yield session


def endorse(
    session: Session, name: str, starts_on: date = date(2025, 1, 1), now: datetime = KEPT
) -> Endorsement:
    """A person whose renewals are judged: nothing is logged for them."""
    email = f"{name.lower()}@example.org"
    person = Person(email=email, name=name, highest_degree="none", provides_rsc=False)
    session.add(person)
    session.flush()
    days: Values = {"category": "IFS", "starts_on": starts_on}
    held = Endorsement(person_id=person.id, association=REMOVING, **days)
    session.add(held)
    session.flush()
    evaluate_people(session, BOOKS, {person.id}, now)
    return held


def lapsed_at(session: Session, now: datetime) -> list[LapsedEndorsement]:
    return list_lapsed(session, BOOKS, REMOVING, days_at(BOOKS, now))


def names(lapsed: list[LapsedEndorsement]) -> list[str]:
    return [one.person.name for one in lapsed]


def list_causes(session: Session, now: datetime) -> list[tuple[AttentionKind, str, date | None]]:
    causes = list_attention(session, BOOKS, REMOVING, now)
    return [(cause.kind, cause.name, cause.deadline) for cause in causes]


def test_removal_is_due_after_the_last_kept_day(session: Session) -> None:
    due = []
    for now in (KEPT, DUE, LATER):
        found = list_due_removals(session, BOOKS, REMOVING, days_at(BOOKS, now))
        due.append([one.person.name for one in found])
    assert due == [[], ["Uma Bell"], ["Uma Bell"]]


def test_today_shows_a_removal_to_decide(session: Session) -> None:
    assert list_causes(session, KEPT) == [(AttentionKind.LAPSED, "Uma Bell", date(2026, 3, 1))]
    assert list_causes(session, DUE) == [(AttentionKind.REMOVAL, "Uma Bell", None)]
    [removal] = list_attention(session, BOOKS, REMOVING, LATER)
    assert removal.since == DUE.date()


def test_a_lapsed_endorsement_has_its_days(session: Session, cast: Cast) -> None:
    [uma] = lapsed_at(session, KEPT)
    assert uma.endorsement.id == cast.endorsements[UMA]
    assert (uma.cycle_starts_on, uma.due_on, uma.grace_ends_on, uma.removal_on) == UMAS_DAYS
    assert (uma.by_itself, uma.waits) == (False, False)


def test_lapsed_endorsements_are_sorted_by_name(session: Session) -> None:
    for name in ("Zoe Ash", "Ann Lee"):
        endorse(session, name)
    assert names(lapsed_at(session, KEPT)) == ["Ann Lee", "Uma Bell", "Zoe Ash"]


def test_renewals_still_in_grace_have_not_lapsed(session: Session) -> None:
    endorse(session, "Ann Lee", date(2026, 1, 1), noon(2027, 1, 31))
    assert names(lapsed_at(session, noon(2027, 1, 31))) == ["Uma Bell"]


def test_the_renewal_that_lapsed_first_decides(session: Session, cast: Cast) -> None:
    # As if renewals were due before their cycle ends: two have lapsed at a time.
    ann, bea = endorse(session, "Ann Lee").id, endorse(session, "Bea Roy").id
    days = {
        (ann, 2025): date(2026, 11, 30),
        (ann, 2026): date(2026, 10, 31),
        (bea, 2025): date(2026, 12, 1),
        (cast.endorsements[UMA], 2026): date(2026, 10, 31),
    }
    for (held, year), due_on in days.items():
        row = session.get_one(StandingRow, (held, date(year, 1, 1)))
        row.status, row.due_on = "lapsed", due_on
    session.flush()
    lapsed = [(one.person.name, one.cycle_starts_on.year) for one in lapsed_at(session, KEPT)]
    assert lapsed == [("Uma Bell", 2025), ("Ann Lee", 2026), ("Bea Roy", 2025)]


def test_a_category_without_rules_is_left_out(session: Session, cast: Cast) -> None:
    session.get_one(Endorsement, cast.endorsements[UMA]).category = "GONE"
    session.flush()
    assert lapsed_at(session, KEPT) == []


@pytest.mark.parametrize(("ends_on", "is_listed"), [(date(2026, 3, 1), True), (KEPT.date(), False)])
def test_only_endorsements_in_force_are_removed(
    session: Session, cast: Cast, ends_on: date, *, is_listed: bool
) -> None:
    session.get_one(Endorsement, cast.endorsements[UMA]).ends_on = ends_on
    session.flush()
    assert (lapsed_at(session, DUE) != []) is is_listed


def submit(session: Session, endorsement_id: int, year: int, state: str = "submitted") -> int:
    """Store a submission of a renewal; its number."""
    line = FrameLine("IFS", endorsement_id, date(year, 1, 1))
    return store_submission(session, line, state=state).id


def test_submitted_renewals_are_decided_first(session: Session, cast: Cast) -> None:
    ann, uma = endorse(session, "Ann Lee"), cast.endorsements[UMA]
    submit(session, uma, 2024)
    submit(session, uma, 2025, "returned")
    submit(session, ann.id, 2025, "returned")
    assert names(lapsed_at(session, KEPT)) == ["Ann Lee", "Uma Bell"]
    submit(session, uma, 2025)
    assert names(lapsed_at(session, KEPT)) == ["Ann Lee"]


@pytest.mark.parametrize(("state", "expected"), [("appealed", []), ("asked", ["Uma Bell"])])
def test_an_appeal_is_decided_before_a_removal(
    session: Session, cast: Cast, state: str, expected: list[str]
) -> None:
    uma = cast.endorsements[UMA]
    number = submit(session, uma, 2025, "returned")
    store_audit(session, uma, number, state)
    assert names(lapsed_at(session, KEPT)) == expected


def test_an_association_without_a_rule_removes_nobody(session: Session) -> None:
    without = with_rulebook(BOOKS, BOOK.model_copy(update={"removals": ()}))
    assert list_lapsed(session, without, REMOVING, days_at(without, DUE)) == []


def test_a_rule_covers_only_later_lapses(session: Session) -> None:
    begun = RULE.model_copy(update={"starts_from": date(2026, 2, 1)})
    later = with_rulebook(BOOKS, BOOK.model_copy(update={"removals": (begun,)}))
    assert list_lapsed(session, later, REMOVING, days_at(later, DUE)) == []


def ask(session: Session, endorsement_id: int, **values: object) -> None:
    """Store a request for a later due date."""
    day = date(2025, 1, 1)
    asked: Values = {
        "kind": "extension",
        "starts_on": day,
        "ends_on": date(2026, 6, 30),
        "reason": "Ill",
    }
    asked |= {"form_key": "a", "asked_at": KEPT, **values}
    session.add(TimeRequest(endorsement_id=endorsement_id, **asked))
    session.flush()


def test_only_the_own_undecided_request_holds_back(session: Session, cast: Cast) -> None:
    uma = cast.endorsements[UMA]
    context = replace(rex(session, DUE), rulebooks=BY_ITSELF)
    ask(session, uma, state="declined", decided_at=KEPT)
    ask(session, endorse(session, "Ann Lee").id)
    assert names(list_removed_by_itself(context, REMOVING)) == ["Uma Bell"]
    assert list_removed_by_itself(replace(context, now=KEPT), REMOVING) == []
    ask(session, uma, form_key="b")
    assert list_removed_by_itself(context, REMOVING) == []
    assert [one.waits for one in lapsed_at(session, DUE)] == [True, True]


def test_nothing_is_removed_by_itself_without_a_rule(session: Session) -> None:
    assert list_removed_by_itself(rex(session, DUE), REMOVING) == []


def test_each_lapsed_endorsement_is_found_by_its_number(session: Session, cast: Cast) -> None:
    for held in (endorse(session, "Ann Lee").id, cast.endorsements[UMA]):
        assert find_lapsed(rex(session, KEPT), held).endorsement.id == held


@pytest.mark.parametrize("email", [VIC, "alice@example.org", None])
def test_other_endorsements_are_not_found(session: Session, cast: Cast, email: str | None) -> None:
    with pytest.raises(NotFound):
        find_lapsed(rex(session, KEPT), cast.endorsements[email] if email else 999)


def test_another_associations_coordinator_removes_nothing(session: Session, cast: Cast) -> None:
    other = replace(rex(session, LATER), actor=Actor("dan@example.org", None, ("CT-AIMH",)))
    with pytest.raises(NotFound):
        remove_lapsed(other, cast.endorsements[UMA])


def test_coordinators_do_not_remove_themselves(session: Session, cast: Cast) -> None:
    uma = replace(rex(session, LATER), actor=Actor(UMA, cast.people[UMA], (REMOVING,)))
    with pytest.raises(Refused, match="own-decision"):
        remove_lapsed(uma, cast.endorsements[UMA])


def test_nobody_is_removed_before_the_day(session: Session, cast: Cast) -> None:
    with pytest.raises(Refused) as refused:
        remove_lapsed(rex(session, KEPT), cast.endorsements[UMA])
    facts = {"removal_on": date(2026, 3, 1)}
    assert refused.value.refusals == (Refusal("", "removal-not-due", facts),)


def test_removed_endorsement_ends_and_leaves_the_desk(session: Session, cast: Cast) -> None:
    remove_lapsed(rex(session, LATER), cast.endorsements[UMA])
    held = session.get_one(Endorsement, cast.endorsements[UMA])
    assert (held.ends_on, held.ended_as) == (date(2026, 3, 1), "removed")
    event = session.exec(select(AuditEvent)).one()
    assert (event.row_id, event.who) == (held.id, REX)
    assert json.loads(event.before or "") == {"ends_on": None, "ended_as": None}
    assert json.loads(event.after or "") == {"ends_on": "2026-03-01", "ended_as": "removed"}
    assert list_causes(session, LATER) == []


def test_undoing_a_removal_brings_the_lapse_back(session: Session, cast: Cast) -> None:
    uma = cast.endorsements[UMA]
    people = frozenset({cast.people[UMA]})

    def work(context: ServiceContext) -> None:
        remove_lapsed(context, uma)

    plan = ChangePlan(REMOVING, "Remove it", people, ("endorsement",), work, "Lapsed")
    change = apply_change(rex(session, LATER), plan)
    undo_change(rex(session, LATER), change.id)
    session.expire_all()
    held = session.get_one(Endorsement, uma)
    assert (held.ends_on, held.ended_as) == (None, None)
    assert list_causes(session, LATER) == [(AttentionKind.REMOVAL, "Uma Bell", None)]


@pytest.mark.parametrize(
    ("day", "offered"),
    [(noon(2027, 2, 28), "open"), (noon(2027, 3, 1), "open"), (noon(2027, 3, 2), "closed")],
)
def test_reinstatement_is_offered_through_its_last_day(
    session: Session, cast: Cast, day: datetime, offered: str
) -> None:
    [way] = list_ways_back(session, BOOKS, days_at(BOOKS, day), cast.people[VIC])
    assert way.latest_on == date(2027, 3, 1)
    assert way.is_open(day.date()) is (offered == "open")


def test_reinstatement_is_refused_after_its_last_day(session: Session, cast: Cast) -> None:
    with pytest.raises(Refused) as refused:
        start_reinstatement(own(session, cast, VIC, noon(2027, 3, 2)), cast.endorsements[VIC])
    facts = {"latest_on": date(2027, 3, 1)}
    assert refused.value.refusals == (Refusal("", "reinstatement-too-late", facts),)


def test_reinstatement_is_submitted_by_its_last_day(session: Session, cast: Cast) -> None:
    asked = start_reinstatement(own(session, cast, VIC, noon(2027, 3, 1)), cast.endorsements[VIC])
    require_in_time(own(session, cast, VIC, noon(2027, 3, 1)), asked, date(2027, 3, 1))
    with pytest.raises(Refused):
        require_in_time(own(session, cast, VIC, noon(2027, 3, 2)), asked, date(2027, 3, 2))


def test_a_returned_reinstatement_can_be_submitted_later(session: Session, cast: Cast) -> None:
    asked = start_reinstatement(own(session, cast, VIC, noon(2027, 3, 1)), cast.endorsements[VIC])
    session.get_one(Application, asked).answer = "Please sign it"
    require_in_time(own(session, cast, VIC, noon(2027, 3, 2)), asked, date(2027, 3, 2))


def test_removed_endorsements_are_listed_by_removal(session: Session, cast: Cast) -> None:
    vic = own(session, cast, VIC, ASKED)
    first, last = date(2024, 1, 1), date(2026, 4, 30)
    later = Endorsement(
        person_id=cast.people[VIC],
        association="NCIMHA",
        category="IFS",
        starts_on=first,
        ends_on=last,
        ended_as=REMOVED,
    )
    session.add(later)
    session.flush()
    ways = list_ways_back(session, BOOKS, days_at(BOOKS, ASKED), cast.people[VIC])
    assert ways[0] == WayBack(later, date(2026, 5, 1))
    assert (ways[1].endorsement.id, ways[1].removed_on) == (
        cast.endorsements[VIC],
        date(2026, 3, 1),
    )
    with pytest.raises(Refused) as refused:
        start_reinstatement(vic, later.id)
    assert refused.value.refusals == (Refusal("", "reinstatement-not-offered"),)


def test_removal_before_the_rule_offers_no_reinstatement(session: Session, cast: Cast) -> None:
    held = session.get_one(Endorsement, cast.endorsements[VIC])
    held.starts_on, held.ends_on = date(2024, 1, 1), date(2024, 12, 30)
    session.flush()
    ways = list_ways_back(session, BOOKS, days_at(BOOKS, ASKED), cast.people[VIC])
    assert ways == [WayBack(held, date(2024, 12, 31))]


def test_no_reinstatement_once_nothing_is_required(session: Session, cast: Cast) -> None:
    rulebook = BOOKS.associations[REMOVING]
    ended = []
    for rule in rulebook.requirements:
        end = {"starts_from": ASKED.date(), "asked": False}
        values = (*rule.values, rule.values[-1].model_copy(update=end))
        ended.append(rule.model_copy(update={"values": values}))
    books = with_rulebook(BOOKS, rulebook.model_copy(update={"requirements": tuple(ended)}))
    [way] = list_ways_back(session, books, days_at(books, ASKED), cast.people[VIC])
    held = session.get_one(Endorsement, cast.endorsements[VIC])
    assert way == WayBack(held, date(2026, 3, 1))


def test_association_without_rulebook_offers_no_reinstatement(session: Session, cast: Cast) -> None:
    others = {name: book for name, book in BOOKS.associations.items() if name != REMOVING}
    books = replace(BOOKS, associations=others)
    assert list_ways_back(session, books, days_at(books, ASKED), cast.people[VIC]) == []


def test_asking_twice_is_one_reinstatement(session: Session, cast: Cast) -> None:
    vic = own(session, cast, VIC, ASKED)
    asked = start_reinstatement(vic, cast.endorsements[VIC])
    assert start_reinstatement(vic, cast.endorsements[VIC]) == asked


@pytest.mark.parametrize(
    ("held_on", "outcome"),
    [
        (date(2025, 6, 1), Outcome.SHORT),
        (date(2025, 6, 2), Outcome.MET),
        (date(2026, 6, 1), Outcome.MET),
    ],
)
def test_hours_of_the_last_year_count(
    session: Session, cast: Cast, held_on: date, outcome: Outcome
) -> None:
    asked = start_reinstatement(own(session, cast, VIC, ASKED), cast.endorsements[VIC])
    add_training(session, cast, VIC, held_on, 6)
    standings = get_application_standings(session, BOOKS, days_at(BOOKS, ASKED), [asked])
    [training] = [r for r in standings[asked].results if r.requirement.id == "back.training"]
    assert training.outcome is outcome


def test_reinstated_endorsement_runs_with_a_new_cycle(session: Session, cast: Cast) -> None:
    asked = start_reinstatement(own(session, cast, VIC, ASKED), cast.endorsements[VIC])
    begun = endorse_applicant(rex(session, ASKED), asked, ASKED.date())
    held = session.get_one(Endorsement, begun)
    assert (held.starts_on, held.ends_on, held.ended_as) == (ASKED.date(), None, None)
    assert list_ways_back(session, BOOKS, days_at(BOOKS, ASKED), cast.people[VIC]) == []
    standing = BOOKS.plan(REMOVING, "IFS", held.starts_on, ASKED.date())
    assert standing is not None
    assert standing.cycle is not None
    assert standing.cycle.due_on == date(2026, 12, 31)


def test_movements_count_the_reinstated(session: Session, cast: Cast) -> None:
    asked = start_reinstatement(own(session, cast, VIC, ASKED), cast.endorsements[VIC])
    endorse_applicant(rex(session, ASKED), asked, ASKED.date())
    evaluate_people(session, BOOKS, {cast.people[VIC]}, ASKED)
    period = ReportPeriod(REMOVING, date(2026, 5, 1), date(2026, 12, 1))
    report = count_movements(session, BOOKS, period)
    assert report.total.reinstated == 1
    assert report.total.adds_up


@pytest.mark.parametrize("email", [UMA, VIC], ids=["still held", "of someone else"])
def test_only_the_holder_of_a_removed_one_can_ask(session: Session, cast: Cast, email: str) -> None:
    with pytest.raises(NotFound):
        start_reinstatement(own(session, cast, UMA, ASKED), cast.endorsements[email])
