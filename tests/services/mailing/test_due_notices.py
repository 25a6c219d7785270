"""Which notices are due to people, from what is stored."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlmodel import Session

from tests.rules.applicants import populate as populate_applicant
from tests.rules.case_data import IMAGINED, REAL, CasePeople, insert_row
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import (
    CutoffSteps,
    LapseSteps,
    MembershipSteps,
    NoticeConfig,
    NoticeConfigs,
    ReferenceSteps,
    RenewalSteps,
)
from tracker.rules.notices import Decision, Key, Kind
from tracker.rules.notification_preferences import SWITCHED_OFF
from tracker.services.due_notices import (
    NoticeDay,
    decide_applications,
    decide_for_people,
    list_cutoffs,
)
from tracker.services.rsc_providers import refresh_provider_spans
from tracker.services.rule_ends import refresh_rule_ends

DAY = timedelta(days=1)
TODAY, CYCLE, DUE = date(2026, 12, 1), date(2026, 1, 1), date(2026, 12, 31)
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
QUIET = NoticeConfig(lapse=LapseSteps(notify=False), membership=MembershipSteps(on_lapse=False))
# Elsewhere nothing is ever due.
REMINDERS = QUIET.model_copy(update={"renewal": RenewalSteps(before=(30,), optional_before=10)})
RENEWAL = Key(Kind.RENEWAL, CYCLE.isoformat(), DUE, -30)


@pytest.fixture
def session(empty_session: Session) -> Session:
    return empty_session


def on(
    session: Session, configs: NoticeConfigs, as_of: date = TODAY, rulebooks: Rulebooks = REAL
) -> NoticeDay:
    """A day that the associations with settings of their own have begun, and others have not."""
    days = dict.fromkeys(rulebooks.associations, as_of - DAY) | dict.fromkeys(configs.own, as_of)
    return NoticeDay(session, rulebooks, configs, days.__getitem__, as_of)


def record(session: Session, key: Key, **about: object) -> None:
    """Record that a decision was sent with the email `<a>`."""
    row = {**key._asdict(), "decided_on": TODAY, "outcome": "sent", "message_id": "<a>"}
    insert_row(session, "notice", cycle_starts_on=CYCLE, **row, **about)


def keys(decisions: list[Decision]) -> list[tuple[int, Key, str | None]]:
    return [(each.standing.facts.subject_id, each.key, each.skipped) for each in decisions]


def test_each_person_has_the_decisions_not_on_record(session: Session) -> None:
    people = CasePeople(session)
    for name in ("Alice", "Bob", "Carol"):
        people.add(name, ["NCIMHA IFS 2020-05-01", "CT-AIMH IFS 2020-05-01"])
    alice, bob, _ = people.ids.values()
    held = {name: people.endorsements[f"{name}: NCIMHA IFS"] for name in people.ids}
    day = on(session, NoticeConfigs(QUIET, {"NCIMHA": REMINDERS}))

    def decided(day: NoticeDay) -> dict[int, list[tuple[int, Key, str | None]]]:
        found = decide_for_people(day, [alice, bob])
        # Of the renewal before, the day has passed.
        own = {n: [each for each in found[n] if each.key.due_on == DUE] for n in found}
        return {person_id: keys(decisions) for person_id, decisions in own.items() if decisions}

    assert decided(day._replace(day_of=lambda _: TODAY - DAY)) == {}
    insert_row(session, "mail_off", person_id=bob, kind="early reminders", at=NOON)
    bobs = [(held["Bob"], RENEWAL, SWITCHED_OFF)]
    assert decided(day) == {alice: [(held["Alice"], RENEWAL, None)], bob: bobs}
    record(session, RENEWAL, endorsement_id=held["Alice"])
    assert decided(day) == {bob: bobs}
    record(session, RENEWAL, endorsement_id=held["Bob"])
    waiting = day._replace(undelivered=frozenset({"<a>"}))
    assert decided(waiting) == {alice: [(held["Alice"], RENEWAL, None)], bob: bobs}
    assert decided(day._replace(undelivered=frozenset({"<b>"}))) == {}


def test_nobody_hears_of_what_was_removed(session: Session) -> None:
    people = CasePeople(session)
    people.add("Alice", ["NCIMHA IFS 2020-05-01..2026-02-01"])
    config = QUIET.model_copy(update={"lapse": LapseSteps()})
    day = on(session, NoticeConfigs(QUIET, {"NCIMHA": config}), date(2026, 2, 1))
    [lapse] = decide_for_people(day, [people.ids["Alice"]])[people.ids["Alice"]]
    assert lapse.key.kind is Kind.LAPSE
    endorsement = METADATA.tables["endorsement"]
    session.connection().execute(update(endorsement).values(ended_as="removed"))
    assert decide_for_people(day, [people.ids["Alice"]]) == {}


def test_a_membership_of_two_cycles_is_decided_once(session: Session) -> None:
    people = CasePeople(session)
    people.add("Alice", ["NCIMHA IFS 2020-05-01"])
    people.join("NCIMHA 2026-01-01..2026-12-31")
    config = QUIET.model_copy(update={"membership": MembershipSteps(before=(30,))})
    day = on(session, NoticeConfigs(QUIET, {"NCIMHA": config}))
    [decision] = decide_for_people(day, list(people.ids.values()))[people.ids["Alice"]]
    assert decision.key == Key(Kind.MEMBERSHIP, "", DUE, -30)


def test_the_end_of_each_limited_term_is_decided(session: Session) -> None:
    people = CasePeople(session)
    for name in ("Alice", "Bob", "Carol"):
        people.add(name, ["ADDING EIFS 2025-03-01"])
    refresh_rule_ends(session, IMAGINED)
    config = QUIET.model_copy(update={"membership": MembershipSteps(before=(30,))})
    ends_on = date(2027, 2, 28)
    day = on(session, NoticeConfigs(QUIET, {"ADDING": config}), ends_on - 30 * DAY, IMAGINED)
    key = Key(Kind.TERM_ENDS, "", ends_on, -30)
    alice, bob, _ = people.ids.values()
    held = list(people.endorsements.values())
    found = decide_for_people(day, [alice, bob])
    assert {person: keys(decisions) for person, decisions in found.items()} == {
        alice: [(held[0], key, None)],
        bob: [(held[1], key, None)],
    }
    record(session, key, endorsement_id=held[0])
    assert list(decide_for_people(day, [alice, bob])) == [bob]
    again = day._replace(undelivered=frozenset({"<a>"}))
    assert list(decide_for_people(again, [alice, bob])) == [alice, bob]
    assert decide_for_people(day._replace(day_of=lambda _: ends_on - 31 * DAY), [bob]) == {}


def test_references_are_counted_from_the_last_request(session: Session) -> None:
    case = {"applies": "VAIMH IMHS 2026-11-01", "references": ["trainer waiting"]}
    people = populate_applicant(session, REAL, case)
    alice, number = people.ids["Alice"], 1
    config = QUIET.model_copy(
        update={"references": ReferenceSteps(tell_applicant_after_days=(14,))}
    )
    configs = NoticeConfigs(QUIET, {"VAIMH": config})
    people.add("Bob")
    bobs = {"association": "VAIMH", "category": "IMHS", "opened_on": date(2026, 11, 1)}
    insert_row(session, "application", person_id=people.ids["Bob"], **bobs)
    reference = METADATA.tables["reference"]
    opened, asked = date(2026, 11, 1), date(2026, 11, 17)

    def decided(day: NoticeDay) -> list[tuple[int, Key, str | None]]:
        found = keys(list(decide_applications(day, [number], {})))
        assert keys(decide_for_people(day, [alice]).get(alice, [])) == found
        return found

    session.connection().execute(update(reference).values(asked_at=None))
    first = Key(Kind.REFERENCES, "", opened, 14)
    assert decided(on(session, configs, opened + 13 * DAY)) == []
    assert decided(on(session, configs, opened + 14 * DAY)) == [(number, first, None)]
    # 03:00 UTC on November 18 is November 17 in Virginia.
    late = datetime(2026, 11, 18, 3, tzinfo=UTC)
    session.connection().execute(update(reference).values(asked_at=late))
    second = Key(Kind.REFERENCES, "", asked, 14)
    day = on(session, configs, asked + 14 * DAY)
    assert decided(on(session, configs, asked + 13 * DAY)) == []
    assert decided(day) == [(number, second, None)]
    record(session, second, application_id=number)
    assert decided(day) == []
    assert decided(day._replace(undelivered=frozenset({"<a>"}))) == [(number, second, None)]
    assert list(decide_applications(day, [], {})) == []


def test_cutoffs_are_those_of_each_associations_steps(session: Session) -> None:
    people = CasePeople(session)
    ends_on = TODAY + 90 * DAY
    bob = [f"NCIMHA IMHM-C 2015-01-01..{ends_on}", f"CT-AIMH IMHM-C 2015-01-01..{ends_on}"]
    people.add("Bob", bob, provides_rsc=True)
    people.add("Alice", ["NCIMHA IFS 2020-05-01", "CT-AIMH IFS 2020-05-01"])
    people.add("Carol", ["NCIMHA IFS 2020-05-01"])
    for name in ("Alice", "Carol"):
        people.log(f"{name}: rsc 5h 2026-06-01 with Bob")
    refresh_provider_spans(session, REAL)
    alice = people.ids["Alice"]

    def cutting(before: int, months: int = 6) -> NoticeConfig:
        steps = CutoffSteps(before=(1, before), used_within_months=months)
        return QUIET.model_copy(update={"provider_cutoff": steps})

    def listed(**own: NoticeConfig) -> set[str]:
        configs = {name.replace("_", "-"): config for name, config in own.items()}
        found = list_cutoffs(on(session, NoticeConfigs(QUIET, configs)), [alice])
        assert {person_id for person_id, _ in found} <= {alice}
        return {str(rule).partition("/")[0] for _, rule in found}

    assert listed(NCIMHA=cutting(90), CT_AIMH=cutting(90)) == {"NCIMHA", "CT-AIMH"}
    assert listed(NCIMHA=cutting(90), CT_AIMH=cutting(89)) == {"NCIMHA"}
    assert listed(NCIMHA=cutting(90, months=5), CT_AIMH=cutting(91)) == {"CT-AIMH"}
    assert listed(CT_AIMH=cutting(90)) == {"CT-AIMH"}
    assert listed() == set()
    day = on(session, NoticeConfigs(QUIET, {"NCIMHA": cutting(90)}))
    found = decide_for_people(day, [alice])
    key = Key(Kind.CUTOFF, str(people.ids["Bob"]), ends_on, -90)
    assert [each.key for each in found[alice]] == [key]


def test_applicants_hear_of_a_provider_who_ends(session: Session) -> None:
    ends_on = TODAY + 90 * DAY
    case = {
        "applies": "VAIMH IMHS 2026-11-01",
        "providers": {"Bob": [f"VAIMH IMHM-C 2015-01-01..{ends_on}"]},
        "entries": ["rsc 5h 2026-11-15 with Bob"],
    }
    people = populate_applicant(session, REAL, case)
    config = QUIET.model_copy(update={"provider_cutoff": CutoffSteps(before=(90,))})
    day = on(session, NoticeConfigs(QUIET, {"VAIMH": config}))
    [decision] = decide_for_people(day, [people.ids["Alice"]])[people.ids["Alice"]]
    assert decision.key == Key(Kind.CUTOFF, str(people.ids["Bob"]), ends_on, -90)
    assert decision.is_about_application
