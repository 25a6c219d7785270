"""Whom a run reminds of a submission window, of the end of leave, and of the end of a term."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import Session

from tests.jobs.test_way_reminders import WINDOW, books
from tests.rules.case_data import IMAGINED, CasePeople
from tests.support.cast import ATTESTING
from tracker.db.ledgers import EndorsementEnd, StandingRow
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.notice_config import MembershipSteps, NoticeConfig, RenewalSteps
from tracker.rules.standing import Facts, Standing, Status
from tracker.services.rule_ends import refresh_rule_ends
from tracker.services.way_reminders import list_ending_terms, list_people_by_way

DAY = timedelta(days=1)
CYCLE, DUE = date(2025, 1, 1), date(2027, 12, 31)
OPENS, CLOSES, GRACE_ENDS = date(2027, 10, 1), date(2027, 11, 30), date(2028, 1, 31)
STEPS = NoticeConfig(renewal=RenewalSteps(before=(7,)), membership=MembershipSteps(before=(30, 7)))
STANDING = METADATA.tables["standing"]


@pytest.fixture
def session(empty_session: Session) -> Session:
    return empty_session


def with_windows(**window: str) -> Rulebooks:
    """The rulebook whose renewals are submitted; supervisors only log training."""
    rulebook = books(ATTESTING, **window).associations[ATTESTING]
    [training, *others] = rulebook.requirements
    training = training.model_copy(update={"categories": ("IFS", "IFRS")})
    requirements = (training, *others)
    return with_rulebook(IMAGINED, rulebook.model_copy(update={"requirements": requirements}))


def add(people: CasePeople, name: str, held: str, first: date = CYCLE) -> None:
    """Store somebody with an endorsement and a standing that is open."""
    people.add(name, [held])
    association, category, _ = held.split()
    row = StandingRow(
        endorsement_id=people.endorsements[f"{name}: {association} {category}"],
        cycle_starts_on=first,
        association=association,
        due_on=DUE,
        status=Status.OPEN.value,
        status_since=first,
        requirements="[]",
        judged_on=first,
        rules_digest="",
    )
    people.session.add(row)
    people.session.flush()


def reminded(people: CasePeople, rulebooks: Rulebooks, as_of: date) -> set[str]:
    """Whom a run reminds if the night before was missed, by name."""
    found = list_people_by_way(people.session, rulebooks, STEPS, ATTESTING, as_of - 2 * DAY, as_of)
    return {name for name, number in people.ids.items() if number in found}


def test_a_window_concerns_those_who_can_still_submit(session: Session) -> None:
    rulebooks = with_windows(**WINDOW)
    people = CasePeople(session)
    # Nothing of these is submitted.
    add(people, "Kai", f"{ATTESTING} IFRS 2020-05-01")
    add(people, "Lea", f"{ATTESTING} IFS 2010-05-01", first=date(2015, 1, 1))
    add(people, "Max", "PAYING IFS 2020-05-01")
    add(people, "Fay", f"{ATTESTING} IFS 2020-05-01")
    for day in (OPENS, CLOSES - 7 * DAY):
        shown = [reminded(people, rulebooks, day + number * DAY) for number in range(-1, 3)]
        assert shown == [set(), {"Fay"}, {"Fay"}, set()]
    # An extension moves the last day.
    session.connection().execute(update(STANDING).values(due_on=DUE + 40 * DAY))
    assert reminded(people, rulebooks, DUE + 33 * DAY) == set()
    assert reminded(people, rulebooks, CLOSES - 7 * DAY) == set()
    for status, names in ((Status.OVERDUE, {"Fay"}), (Status.MET, set()), (Status.LAPSED, set())):
        session.connection().execute(update(STANDING).values(status=status.value))
        assert reminded(people, rulebooks, OPENS) == names
    people.leave(f"Kai: {ATTESTING} IFRS 2027-09-01..{OPENS + 7 * DAY}")
    session.connection().execute(update(STANDING).values(status=Status.OPEN.value))
    assert reminded(people, rulebooks, OPENS) == {"Fay", "Kai"}


def test_a_window_without_a_last_day_only_opens(session: Session) -> None:
    people = CasePeople(session)
    add(people, "Fay", f"{ATTESTING} IFS 2020-05-01")
    rulebooks = with_windows(submission_opens=WINDOW["submission_opens"])
    assert reminded(people, rulebooks, OPENS) == {"Fay"}
    assert reminded(people, rulebooks, GRACE_ENDS - 7 * DAY) == set()
    # By these rules a renewal can be submitted from its first day on.
    assert reminded(people, with_windows(), CYCLE) == set()


@pytest.mark.parametrize("is_leave", [True, False])
def test_an_end_is_announced_on_its_days(session: Session, *, is_leave: bool) -> None:
    people = CasePeople(session)
    ends_on = date(2026, 6, 30)
    for name, association in (("Fay", ATTESTING), ("Max", "PAYING")):
        people.add(name, [f"{association} IFS 2020-05-01"])
        if is_leave:
            people.leave(f"{name}: {association} IFS 2026-01-01..{ends_on}")
        else:
            number = people.endorsements[f"{name}: {association} IFS"]
            session.add(EndorsementEnd(endorsement_id=number, ends_on=ends_on))
    session.flush()
    for step in (30, 7):
        day = ends_on - step * DAY
        shown = [reminded(people, IMAGINED, day + number * DAY) for number in range(-1, 3)]
        assert shown == [set(), {"Fay"}, {"Fay"}, set()]
    none = NoticeConfig()
    first, day = ends_on - 40 * DAY, ends_on
    assert list_people_by_way(session, IMAGINED, none, ATTESTING, first, day) == set()


def test_limited_terms_are_renewals_that_end_before_they_are_due(session: Session) -> None:
    people = CasePeople(session)
    add_on = "ADDING ERS 2025-03-01"
    people.add("Kai", ["ADDING IFS 2025-03-01..2027-01-31", add_on])
    people.add("Lea", ["ADDING EIFS 2025-03-01"])
    people.add("Fay", ["ADDING EIFS 2025-03-01"])
    refresh_rule_ends(session, IMAGINED)
    ids = {name: people.endorsements[f"{name}: ADDING EIFS"] for name in ("Lea", "Fay")}
    chosen = [people.endorsements["Kai: ADDING ERS"], ids["Fay"]]
    today = dict.fromkeys(IMAGINED.associations, date(2020, 1, 1)) | {"ADDING": date(2027, 1, 29)}
    starts_on, ends_on = date(2025, 3, 1), date(2027, 2, 28)
    plan = IMAGINED.plan("ADDING", "EIFS", starts_on, ends_on)
    assert plan is not None
    facts = Facts(
        subject_id=ids["Fay"],
        person_id=people.ids["Fay"],
        email="fay@example.org",
        name="Fay",
        starts_on=starts_on,
        ends_on=ends_on,
        provides_rsc=False,
        minutes={},
    )
    assert list(list_ending_terms(session, IMAGINED, today.__getitem__, chosen)) == [
        Standing(facts, plan, Status.OPEN, date(2027, 12, 31), (), None)
    ]
    assert list(list_ending_terms(session, IMAGINED, lambda _: starts_on, chosen)) == []
