"""Whom a mailing can reach, and what it knows of them."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from tests.rules.case_data import CasePeople
from tests.support.cast import NOW
from tests.support.waiting_mail import add_mail
from tracker.db.applications import Application
from tracker.db.ledgers import EndorsementEnd, StandingRow
from tracker.db.log import Evidence
from tracker.db.people import MailOff, Person
from tracker.services import mailing_recipients
from tracker.services.evaluation import StoredResult
from tracker.services.mailing_recipients import (
    AudienceFilter,
    FilterOption,
    list_audience,
    list_recipients,
    list_trainings,
    missing_key,
)
from tracker.services.mailing_rules import Recipient, RecipientRenewal, Training

DAY = timedelta(days=1)
TODAY, CYCLE, DUE = date(2026, 11, 22), date(2026, 1, 1), date(2026, 12, 31)
YESTERDAY = TODAY - DAY
RSC = StoredResult("rsc", "RSC", "rsc", None, 720, 0, 720, "short")
DEIA = StoredResult("deia", "DEIA", "training", "DEIA", 60, 0, 60, "short")
DONE = StoredResult("all", "All", "training", None, 900, 900, 0, "met")


def add_standing(
    people: CasePeople,
    held: str,
    *results: StoredResult,
    first: date = CYCLE,
    **values: object,
) -> None:
    """Store the standing of a renewal, open and due this year, or with other values."""
    fixed: dict[str, Any] = {
        "cycle_ends_on": DUE,
        "due_on": DUE,
        "status": "open",
        "status_since": first,
        "judged_on": TODAY,
        "rules_digest": "",
    }
    row = StandingRow(
        endorsement_id=people.endorsements[held],
        cycle_starts_on=first,
        association=held.split()[1],
        requirements=json.dumps([result._asdict() for result in results]),
        **{**fixed, **values},
    )
    people.session.add(row)
    people.session.flush()


def add(people: CasePeople, name: str, held: str, *results: StoredResult, **values: Any) -> None:  # noqa: ANN401
    """Store a person with an endorsement and its standing."""
    people.add(name, [held])
    association, category, _ = held.split()
    add_standing(people, f"{name}: {association} {category}", *results, **values)


def find(people: CasePeople, *names: str, documents: bool = False) -> dict[str, Recipient]:
    """What a mailing of North Carolina knows of people, by name in its order."""
    ids = [people.ids[name] for name in names]
    found = list_recipients(people.session, "NCIMHA", ids, TODAY, with_documents=documents)
    return {each.name: each for each in found}


def audience(people: CasePeople, **chosen: str) -> list[str]:
    """The names of the people whom a filter leaves."""
    found = list_audience(people.session, "NCIMHA", TODAY, AudienceFilter(**chosen))
    names = {number: name for name, number in people.ids.items()}
    return [names[number] for number in found.person_ids]


@pytest.mark.parametrize(
    ("result", "key"),
    [
        (RSC, "rsc"),
        (DEIA, "training:DEIA"),
        (RSC._replace(unit="months"), "rsc:months"),
        (DEIA._replace(formats="group,peer", year=2), "training:DEIA:group,peer:2"),
    ],
)
def test_a_requirement_has_a_name_in_a_filter(result: StoredResult, key: str) -> None:
    assert missing_key(result) == key


def test_a_filter_leaves_people_and_counts_its_options(people: CasePeople) -> None:
    add(people, "Abe", "NCIMHA IFS 2020-01-01", RSC, DEIA, DONE)
    add(people, "Bea", "NCIMHA IFS 2020-01-01", RSC._replace(label="Other"), status="overdue")
    add(people, "Cy", f"NCIMHA ECFS 2020-01-01..{TODAY}", DONE, status="met")
    people.hold("Cy", "NCIMHA IFS 2020-01-01")
    add_standing(people, "Cy: NCIMHA IFS", RSC, falls_behind_on=TODAY)
    # Of these none is a renewal of the association that is in force.
    add(people, "Dee", "CT-AIMH IFS 2020-01-01", RSC)
    add(people, "Eli", f"NCIMHA IFS 2020-01-01..{YESTERDAY}", RSC)
    add(people, "Fay", "NCIMHA IFS 2020-01-01", RSC)
    end = EndorsementEnd(endorsement_id=people.endorsements["Fay: NCIMHA IFS"], ends_on=YESTERDAY)
    people.session.add(end)
    # It is over, and settled.
    add(people, "Gus", "NCIMHA IFS 2020-01-01", status="met", cycle_ends_on=YESTERDAY)
    people.session.flush()

    assert audience(people) == ["Abe", "Bea", "Cy"]
    assert audience(people, state="open") == ["Abe"]
    assert audience(people, missing="rsc") == ["Abe", "Bea", "Cy"]
    assert audience(people, missing="training:DEIA") == ["Abe"]
    assert audience(people, category="IFS", missing="rsc", state="behind") == ["Cy"]
    # All parts are about one renewal.
    assert audience(people, category="ECFS", missing="rsc") == []
    chosen = AudienceFilter(state="open", category="IFS")
    found = list_audience(people.session, "NCIMHA", TODAY, chosen)
    assert found.options == {
        "state": [
            FilterOption("behind", "behind", 1),
            FilterOption("open", "open", 1),
            FilterOption("overdue", "overdue", 1),
        ],
        "missing": [FilterOption("rsc", "RSC", 1), FilterOption("training:DEIA", "DEIA", 1)],
        "category": [FilterOption("IFS", "IFS", 1)],
    }
    options = list_audience(people.session, "NCIMHA", TODAY, AudienceFilter()).options
    assert options["category"] == [FilterOption("ECFS", "ECFS", 1), FilterOption("IFS", "IFS", 3)]
    assert options["missing"][0].people == 3


def test_a_mailing_knows_each_recipient(people: CasePeople) -> None:
    add(
        people,
        "Abe",
        "NCIMHA IFS 2020-01-01",
        RSC,
        DONE,
        membership_until=TODAY,
        falls_behind_on=TODAY,
    )
    people.add("bea", ["NCIMHA IFS 2020-01-01"])
    people.add("Cy", ["vetted NCIMHA 2020-01-01"])
    people.session.get_one(Person, people.ids["Abe"]).second_email = "Abe@Home.example"
    bea = people.session.get_one(Person, people.ids["bea"])
    bea.email_refused_at = NOW
    bea.second_email = bea.dead_second_email = "bea@home.example"
    for name, kind in (("Abe", "messages"), ("Abe", "session"), ("Cy", "membership")):
        people.session.add(MailOff(person_id=people.ids[name], kind=kind, at=NOW))
    add_mail(people.session, f"day:{people.ids['bea']}:{TODAY}")
    add_mail(people.session, f"day:{people.ids['Cy']}:{YESTERDAY}")
    renewal = RecipientRenewal(
        people.endorsements["Abe: NCIMHA IFS"],
        "IFS",
        CYCLE,
        "behind",
        DUE,
        TODAY,
        (RSC, DONE),
        (RSC,),
    )
    assert list(find(people, "Cy", "bea", "Abe").values()) == [
        Recipient(
            person_id=people.ids["Abe"],
            name="Abe",
            email="abe@example.org",
            second_email="Abe@Home.example",
            is_refused=False,
            belongs=True,
            was_mailed_today=False,
            switched_off=frozenset({"messages", "session"}),
            renewals=(renewal,),
        ),
        Recipient(
            person_id=people.ids["bea"],
            name="bea",
            email="bea@example.org",
            second_email="",
            is_refused=True,
            belongs=True,
            was_mailed_today=True,
        ),
        Recipient(
            person_id=people.ids["Cy"],
            name="Cy",
            email="cy@example.org",
            second_email="",
            is_refused=False,
            belongs=True,
            was_mailed_today=False,
            switched_off=frozenset({"membership"}),
        ),
    ]


def test_people_of_one_name_are_in_order_of_their_ids(people: CasePeople) -> None:
    for name in ("Abe", "Bea"):
        people.add(name, ["NCIMHA IFS 2020-01-01"])
    ids = [*people.ids.values()]
    for number in ids:
        people.session.get_one(Person, number).name = "Kim"
    people.session.flush()
    found = list_recipients(people.session, "NCIMHA", ids[::-1], TODAY)
    assert [each.person_id for each in found] == ids


@pytest.mark.parametrize(
    ("falls_behind_on", "status", "state"),
    [
        (None, "open", "open"),
        (TODAY + DAY, "open", "open"),
        (TODAY, "open", "behind"),
        (YESTERDAY, "overdue", "overdue"),
    ],
)
def test_an_open_renewal_falls_behind_on_its_day(
    people: CasePeople, falls_behind_on: date | None, status: str, state: str
) -> None:
    standing = {"status": status, "falls_behind_on": falls_behind_on}
    add(people, "Abe", "NCIMHA IFS 2020-01-01", RSC, **standing)
    [renewal] = find(people, "Abe")["Abe"].renewals
    assert renewal.state == state


def test_the_most_urgent_renewal_comes_first(people: CasePeople) -> None:
    categories = ("IFS", "IFA", "ECFS", "ECFA", "IMHS")
    people.add("Abe", [f"NCIMHA {category} 2020-01-01" for category in categories])
    rules: dict[str, dict[str, Any]] = {
        "IFS": {"due_on": None, "status": "no rules"},
        "IFA": {"status": "lapsed"},
        "ECFS": {},
        "ECFA": {"due_on": DUE - DAY},
        "IMHS": {},
    }
    for category, values in rules.items():
        add_standing(people, f"Abe: NCIMHA {category}", RSC, **values)
    renewals = find(people, "Abe")["Abe"].renewals
    assert [each.category for each in renewals] == ["ECFA", "ECFS", "IMHS", "IFA", "IFS"]


def add_ties(people: CasePeople) -> dict[str, bool]:
    """Store people who have, had, or never had to do with an association; who belongs to it."""
    for name, held in (
        ("Abe", f"NCIMHA IFS 2020-01-01..{TODAY}"),
        ("Bea", f"NCIMHA IFS 2020-01-01..{YESTERDAY}"),
        ("Cy", f"vetted NCIMHA 2020-01-01..{TODAY}"),
        ("Dee", f"vetted NCIMHA 2020-01-01..{YESTERDAY}"),
        ("Hal", "CT-AIMH IFS 2020-01-01"),
        ("Ida", "vetted CT-AIMH 2020-01-01"),
    ):
        people.add(name, [held])
    for name, association, state in (
        ("Eli", "NCIMHA", "open"),
        ("Fay", "NCIMHA", "declined"),
        ("Gus", "CT-AIMH", "open"),
    ):
        people.add(name)
        application = Application(
            person_id=people.ids[name],
            association=association,
            category="IFS",
            opened_on=CYCLE,
            state=state,
            decided_on=TODAY if state == "declined" else None,
        )
        people.session.add(application)
    people.session.flush()
    return {"Abe": True, "Bea": False, "Cy": True, "Dee": False, "Eli": True, "Fay": False}


@pytest.mark.parametrize("few", [1, 9, 1_000])
def test_only_people_of_the_association_are_reached(
    people: CasePeople, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Of many, everybody of the association is read, with the same result."""
    monkeypatch.setattr(mailing_recipients, "_IDS_PER_QUERY", few)
    belongs = add_ties(people)
    for name in ("Abe", "Fay"):
        people.session.add(MailOff(person_id=people.ids[name], kind="messages", at=NOW))
    for name in ("Bea", "Cy"):
        add_mail(people.session, f"day:{people.ids[name]}:{TODAY}")
    for name in ("Abe", "Bea"):
        add_standing(people, f"{name}: NCIMHA IFS", RSC)
    found = find(people, *people.ids)
    assert {name: each.belongs for name, each in found.items()} == belongs
    assert [name for name, each in found.items() if each.switched_off] == ["Abe", "Fay"]
    assert [name for name, each in found.items() if each.was_mailed_today] == ["Bea", "Cy"]
    assert [name for name, each in found.items() if each.renewals] == ["Abe"]
    assert list(find(people, "Abe", "Fay", "Hal")) == ["Abe", "Fay"]


def add_training(
    people: CasePeople, name: str, day: date, activity: str = "training", hours: int = 2
) -> int:
    return people.log(f"{name}: {activity} {hours}h {day} with Jo")


def test_trainings_without_a_document_are_found(
    people: CasePeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_on = TODAY + 5 * DAY
    for name in ("Abe", "Bea", "Cy", "Dee", "Eli", "Fay"):
        add(people, name, "NCIMHA IFS 2020-01-01", cycle_ends_on=ends_on)
    # Another renewal of the same days.
    people.hold("Abe", "NCIMHA ECFS 2020-01-01")
    add_standing(people, "Abe: NCIMHA ECFS", cycle_ends_on=ends_on)
    add(people, "Gus", "CT-AIMH IFS 2020-01-01")
    # At another association this renewal began earlier.
    add(people, "Hal", "CT-AIMH IFS 2020-01-01", first=CYCLE - 9 * DAY)
    people.hold("Hal", "NCIMHA IFS 2020-01-01")
    add_standing(people, "Hal: NCIMHA IFS")
    for name, day in (
        ("Abe", TODAY),
        ("Bea", CYCLE - DAY),
        ("Cy", TODAY + DAY),
        ("Gus", TODAY),
        ("Fay", YESTERDAY),
        ("Hal", CYCLE - DAY),
    ):
        add_training(people, name, day)
    for hours in (5, 1, 3, 1):
        add_training(people, "Abe", CYCLE, hours=hours)
    add_training(people, "Dee", TODAY, "rsc")
    proven = add_training(people, "Eli", TODAY)
    file = Evidence(
        person_id=people.ids["Eli"],
        entry_id=proven,
        form_key="",
        name="proof.pdf",
        media_type="application/pdf",
        size=1,
        sha256="",
        stored_as="1",
        added_at=NOW,
    )
    people.session.add(file)
    people.session.flush()
    found = find(people, *people.ids, documents=True)
    assert [name for name, each in found.items() if each.lacks_documents] == ["Abe", "Fay"]
    unread = list_recipients(people.session, "NCIMHA", people.ids.values(), TODAY)
    assert not any(each.lacks_documents for each in unread)
    monkeypatch.setattr(mailing_recipients, "_IDS_PER_QUERY", 1)
    trainings = list_trainings(people.session, "NCIMHA", TODAY, people.ids.values())
    days = [*((CYCLE, hours) for hours in (5, 1, 3, 1)), (TODAY, 2)]
    own = [Training(day, f"training {hours}h {day} with Jo", hours * 60) for day, hours in days]
    assert trainings.pop(people.ids["Abe"]) == own
    assert {key: [each.held_on for each in own] for key, own in trainings.items()} == {
        people.ids["Fay"]: [YESTERDAY]
    }
    fay = [people.ids["Fay"]]
    assert list(list_trainings(people.session, "NCIMHA", TODAY, fay)) == fay
    assert list_trainings(people.session, "NCIMHA", TODAY, []) == {}


def test_only_trainings_of_the_renewals_days_need_one(people: CasePeople) -> None:
    add(people, "Abe", "NCIMHA IFS 2020-01-01", status="overdue", cycle_ends_on=YESTERDAY)
    for day in (YESTERDAY, TODAY):
        add_training(people, "Abe", day)
    trainings = list_trainings(people.session, "NCIMHA", TODAY, people.ids.values())
    assert [each.held_on for own in trainings.values() for each in own] == [YESTERDAY]
