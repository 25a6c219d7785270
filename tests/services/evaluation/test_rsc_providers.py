"""The stored days on which providers qualify, on both engines."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, text, update
from sqlmodel import Session

from tests.rules.case_data import ENDORSEE, IMAGINED, REAL, CasePeople, insert_row, populate
from tests.rules.strategies import cases, holdings
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import qualified_spans
from tracker.services.rsc_providers import (
    Horizon,
    ProviderChoice,
    ProviderUse,
    check_provider,
    credentials_of,
    find_cutoffs,
    list_providers_of,
    list_spans_by_rules,
    list_supervised_people,
    load_providers,
    names_used,
    people_with_cutoffs,
    provider_choices,
    provides_rsc,
    refresh_provider_spans,
)

PERSON, SPAN = METADATA.tables["person"], METADATA.tables["provider_span"]
BOOKS = [pytest.param(REAL, id="real"), pytest.param(IMAGINED, id="imagined")]


def stored(session: Session, person_id: int) -> list[tuple[str, str, str]]:
    query = select(SPAN.c.rule, SPAN.c.starts_on, SPAN.c.ends_on)
    rows = session.connection().execute(query.where(SPAN.c.provider_id == person_id))
    return sorted((rule, str(starts_on), str(ends_on)) for rule, starts_on, ends_on in rows)


@pytest.mark.parametrize("rulebooks", BOOKS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_stored_spans_are_those_of_the_rules(
    engine: Engine, rulebooks: Rulebooks, data: st.DataObject
) -> None:
    case = data.draw(cases(rulebooks))
    with Session(engine) as connection:
        populate(connection, rulebooks, case)
        wanted = {
            (name, provider_id, *span)
            for name, (association, rule) in rulebooks.provider_rules.items()
            for provider_id, provider in load_providers(connection).items()
            for span in qualified_spans(association, rule, provider)
        }
        assert {tuple(row) for row in connection.execute(select(SPAN))} == wanted
        connection.rollback()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_refreshing_twice_finds_nobody_changed(engine: Engine, data: st.DataObject) -> None:
    with Session(engine) as connection:
        people = CasePeople(connection)
        people.add("Bob", data.draw(holdings(REAL)), provides_rsc=True)
        refresh_provider_spans(connection, REAL)
        assert refresh_provider_spans(connection, REAL) == set()
        connection.rollback()


def test_an_open_endorsement_is_stored_to_the_end_of_time(session: Session) -> None:
    people = CasePeople(session)
    people.add("Bob", ["CT-AIMH IFRS 2010-01-01"], provides_rsc=True)
    assert refresh_provider_spans(session, REAL) == {people.ids["Bob"]}
    assert stored(session, people.ids["Bob"]) == [
        ("CT-AIMH/ecfs-rsc", "2010-01-01", "9999-12-31"),
        ("CT-AIMH/ifs-rsc", "2010-01-01", "9999-12-31"),
        ("VAIMH/rsc", "2010-01-01", "9999-12-31"),
    ]


def test_an_ended_endorsement_shortens_the_span(session: Session) -> None:
    people = CasePeople(session)
    held = ["vetted NCIMHA 2005-01-01..2005-12-31", "vetted NCIMHA 2010-01-01"]
    people.add("Vera", [*held, "MI-AIMH IMHS 2010-01-01"], provides_rsc=True)
    people.add("Ada", ["vetted NCIMHA 2010-01-01"], provides_rsc=True)
    refresh_provider_spans(session, REAL)
    vera, ada = people.ids.values()
    vetting = METADATA.tables["vetting"]
    open_ones = update(vetting).where(vetting.c.person_id == vera, vetting.c.ends_on.is_(None))
    session.connection().execute(open_ones.values(ends_on=date(2026, 6, 30)))
    assert refresh_provider_spans(session, REAL) == {vera}
    assert [span for span in stored(session, vera) if not span[0].startswith("CT-AIMH")] == [
        ("MI-AIMH/imhs-rsc", "2010-01-01", "9999-12-31"),
        ("NCIMHA/ifs-rsc", "2005-01-01", "2005-12-31"),
        ("NCIMHA/ifs-rsc", "2010-01-01", "2026-06-30"),
    ]
    assert stored(session, ada) == [("NCIMHA/ifs-rsc", "2010-01-01", "2027-12-21")]


def test_many_new_spans_are_stored_at_once(session: Session) -> None:
    people = CasePeople(session)
    days = [f"{year}-01-01..{year}-06-30" for year in range(1950, 2001)]
    people.add("Vera", [f"vetted NCIMHA {each}" for each in days], provides_rsc=True)
    assert refresh_provider_spans(session, REAL) == {people.ids["Vera"]}
    assert len(stored(session, people.ids["Vera"])) == 51


def test_closing_a_gap_in_what_was_held_moves_the_first_day(session: Session) -> None:
    people = CasePeople(session)
    held = ["JUNE IFRS 2018-03-01..2020-02-28", "JUNE IFRS 2020-03-01"]
    people.add("Bob", held, provides_rsc=True)
    refresh_provider_spans(session, IMAGINED)
    bob, rule = people.ids["Bob"], "PROVIDING/rsc"
    # February 29, 2020, is missing, so that the years began anew on the day after it.
    assert [span for span in stored(session, bob) if span[0] == rule] == [
        (rule, "2023-03-01", "9999-12-31")
    ]
    session.connection().execute(
        text("UPDATE endorsement SET ends_on = '2020-02-29' WHERE ends_on IS NOT NULL")
    )
    assert refresh_provider_spans(session, IMAGINED, person_ids={bob}) == {bob}
    assert [span for span in stored(session, bob) if span[0] == rule] == [
        (rule, "2021-03-01", "9999-12-31")
    ]


def test_who_provides_no_rsc_and_is_named_by_no_session_has_no_span(
    session: Session,
) -> None:
    people = CasePeople(session)
    people.add("Bob", ["CT-AIMH IFRS 2010-01-01"], provides_rsc=False)
    assert refresh_provider_spans(session, REAL) == set()


def test_whom_a_session_names_is_a_provider(session: Session) -> None:
    people = CasePeople(session)
    people.add("Bob", ["CT-AIMH IFRS 2010-01-01"], provides_rsc=False)
    people.add(ENDORSEE)
    people.log("rsc 1h 2026-01-05 with Bob")
    assert refresh_provider_spans(session, REAL) == {people.ids["Bob"]}


def test_the_supervised_are_those_who_ever_logged_a_session(session: Session) -> None:
    people = CasePeople(session)
    for name in ("Bob", "Carol", ENDORSEE, "Dora"):
        people.add(name)
    people.log("rsc 1h 2016-01-05 with Bob")
    people.log("Dora: rsc 1h 2026-01-05 with Carol")
    people.log("rsc 1h 2026-02-05 with Stranger")
    ids = people.ids
    assert list_supervised_people(session, [ids["Bob"]]) == {ids[ENDORSEE]}
    assert list_supervised_people(session, [ids["Bob"], ids["Carol"]]) == {
        ids[ENDORSEE],
        ids["Dora"],
    }
    assert list_providers_of(session, [ids[ENDORSEE]]) == {ids["Bob"]}
    assert list_providers_of(session, [ids[ENDORSEE], ids["Dora"]]) == {ids["Bob"], ids["Carol"]}


def test_what_a_provider_holds_is_loaded_with_the_degree(session: Session) -> None:
    people = CasePeople(session)
    held = ["vetted NCIMHA 2020-01-01", "CT-AIMH IFS 2010-01-01..2026-06-30", "degree master"]
    people.add("Martin", held, provides_rsc=True)
    martin = load_providers(session)[people.ids["Martin"]]
    assert (martin.name, martin.degree) == ("Martin", "master")
    assert martin.credentials == (
        ("CT-AIMH", "IFS", date(2010, 1, 1), date(2026, 6, 30), None),
        ("NCIMHA", None, date(2020, 1, 1), None, None),
    )


def test_people_asked_for_are_loaded_with_credentials_elsewhere(session: Session) -> None:
    """Even those who provide no RSC, and those who hold nothing."""
    people = CasePeople(session)
    for name in ("Bob", "Carol", "Dora"):
        people.add(name, ["degree doctorate"])
    bob, carol, _ = people.ids.values()
    for category in ("IFS", ""):
        insert_row(
            session,
            "outside_endorsement",
            person_id=bob,
            association="Ohio",
            category=category,
            known_to="NCIMHA",
            starts_on=date(2020, 1, 1),
            recorded_by="carol@example.org",
        )
    assert load_providers(session) == {}
    held = [("Ohio", category, date(2020, 1, 1), None, "NCIMHA") for category in ("IFS", None)]
    expected = {bob: ("Bob", "doctorate", tuple(held)), carol: ("Carol", "doctorate", ())}
    # With so many who do not exist, they are read in two steps.
    assert load_providers(session, {bob, carol, *range(10_000, 11_000)}) == expected
    these = update(PERSON).where(PERSON.c.id.in_([bob, carol]))
    session.connection().execute(these.values(provides_rsc=True))
    assert load_providers(session) == expected


VETTED = ["vetted NCIMHA 2015-01-01"]
RULES = ["NCIMHA/ifs-rsc"]


def test_providers_to_choose_begin_with_the_last_logged(session: Session) -> None:
    people = CasePeople(session)
    for name in ("zoe", "Ada", "Bob"):
        people.add(name, VETTED, provides_rsc=True)
    for name in ("Cora", "Named"):
        people.add(name, VETTED)
    people.add("Vera", ["vetted CT-AIMH 2015-01-01"], provides_rsc=True)
    for name in ("Used", "Newest", "Older"):
        people.add(name)
    people.add(ENDORSEE, VETTED, provides_rsc=True)
    people.add("Erin")
    for line in (
        "rsc 1h 2026-03-01 with Used",
        "rsc 1h 2026-01-05 with Used",
        "rsc 1h 2025-01-06 with Older",
        "rsc 1h 2025-01-05 with Newest",
        "rsc 1h 2025-01-05 with Stranger",
        f"rsc 1h 2025-01-04 with {ENDORSEE}",
        "Erin: rsc 1h 2025-01-04 with Named",
    ):
        people.log(line)
    ids = people.ids
    refresh_provider_spans(session, REAL, person_ids=ids.values())
    assert provider_choices(session, ids[ENDORSEE], RULES) == [
        ProviderChoice(ids["Newest"], "Newest", date(2025, 1, 5)),
        ProviderChoice(ids["Older"], "Older", date(2025, 1, 6)),
        ProviderChoice(ids["Used"], "Used", date(2026, 3, 1)),
        ProviderChoice(ids["Ada"], "Ada", None),
        ProviderChoice(ids["Bob"], "Bob", None),
        ProviderChoice(ids["Named"], "Named", None),
        ProviderChoice(ids["zoe"], "zoe", None),
    ]


def test_choices_of_one_name_are_in_order(session: Session) -> None:
    people = CasePeople(session)
    people.add("Ada", VETTED, provides_rsc=True)
    first = people.ids["Ada"]
    second = insert_row(
        session,
        "person",
        email="ada@elsewhere.example",
        name="ADA",
        highest_degree="none",
        provides_rsc=True,
    )
    insert_row(
        session, "vetting", person_id=second, association="NCIMHA", starts_on=date(2015, 1, 1)
    )
    people.add(ENDORSEE)
    refresh_provider_spans(session, REAL)
    choices = provider_choices(session, people.ids[ENDORSEE], RULES)
    assert [choice.id for choice in choices] == [first, second]


@pytest.mark.parametrize(
    ("provider", "day", "use"),
    [
        ("Ada", "2015-01-01", ProviderUse(may_be_named=True, counts=True)),
        ("Ada", "2014-12-31", ProviderUse(may_be_named=True, counts=False)),
        ("Ada", "2026-06-30", ProviderUse(may_be_named=True, counts=True)),
        ("Ada", "2026-07-01", ProviderUse(may_be_named=True, counts=False)),
        ("Used", "2026-01-01", ProviderUse(may_be_named=True, counts=False)),
        ("Others", "2026-01-01", ProviderUse(may_be_named=False, counts=False)),
        (ENDORSEE, "2026-01-01", ProviderUse(may_be_named=False, counts=True)),
    ],
)
def test_providers_can_be_named_before_they_count(
    session: Session, provider: str, day: str, use: ProviderUse
) -> None:
    people = CasePeople(session)
    vetted = ["vetted NCIMHA 2015-01-01..2026-06-30"]
    for name in ("Ada", ENDORSEE):
        people.add(name, vetted, provides_rsc=True)
    for name in ("Used", "Others", "Bob"):
        people.add(name)
    people.log("rsc 1h 2026-01-05 with Used")
    people.log("Bob: rsc 1h 2026-01-05 with Others")
    refresh_provider_spans(session, REAL)
    own, named = people.ids[ENDORSEE], people.ids[provider]
    found = check_provider(session, own, RULES, named, date.fromisoformat(day))
    assert found == use


def test_names_used_are_distinct_and_newest_first(session: Session) -> None:
    people = CasePeople(session)
    for name in (ENDORSEE, "Bob", "Dora"):
        people.add(name)
    for number in range(20):
        people.log(f"rsc 1h 2026-01-05 with Name {number}")
    people.log("rsc 1h 2020-01-05 with Name 0")
    people.log("rsc 1h 2020-01-05 with Bob")
    people.log("Dora: rsc 1h 2020-01-05 with Name 21")
    used = [f"Name {number}" for number in (0, *range(19, 0, -1))]
    assert names_used(session, people.ids[ENDORSEE]) == used
    people.log("rsc 1h 2020-01-05 with Name 20")
    assert names_used(session, people.ids[ENDORSEE]) == ["Name 20", *used[:-1]]


def test_the_latest_endorsement_tells_people_apart(session: Session) -> None:
    people = CasePeople(session)
    people.add("Ada", ["NCIMHA IFS 2020-01-01", "NCIMHA IMHS 2018-01-01", *VETTED])
    people.add("Bob", ["vetted CT-AIMH 2020-01-01", *VETTED, "VAIMH IFS 2025-01-01"])
    people.add("Cora", ["vetted VAIMH 2020-01-01"])
    people.add("Dora", [*VETTED, "NCIMHA IFS 2020-01-01"])
    ada, bob, cora, _ = people.ids.values()
    assert credentials_of(session, [ada, bob, cora], {"NCIMHA", "CT-AIMH"}) == {
        ada: "NCIMHA IFS",
        bob: "vetted by CT-AIMH",
    }


@pytest.mark.parametrize(
    ("days", "provides"),
    [
        ("2015-01-01", True),
        ("2026-06-01", True),
        ("2026-06-02", False),
        ("2015-01-01..2025-06-01", True),
        ("2015-01-01..2025-05-31", False),
    ],
)
def test_known_providers_provide_rsc_while_they_count(
    session: Session, days: str, *, provides: bool
) -> None:
    """By their own word or because an entry names them; Cora qualifies on no day."""
    people = CasePeople(session)
    people.add("Bob", [f"vetted NCIMHA {days}"], provides_rsc=True)
    people.add("Cora", provides_rsc=True)
    people.add(ENDORSEE)
    refresh_provider_spans(session, REAL)

    def list_providers() -> list[str]:
        found = provides_rsc(PERSON.c.id, date(2026, 6, 1))
        return sorted(session.connection().scalars(select(PERSON.c.name).where(found)))

    assert list_providers() == ["Bob"] * provides
    session.connection().execute(update(PERSON).values(provides_rsc=PERSON.c.name == "Cora"))
    people.log("rsc 1h 2026-01-05 with Cora")
    assert list_providers() == []
    people.log("rsc 1h 2026-01-05 with Bob")
    assert list_providers() == ["Bob"] * provides


def test_a_group_session_makes_a_person_a_provider(session: Session) -> None:
    people = CasePeople(session)
    for name in ("Bob", "Cora"):
        people.add(name)
    insert_row(
        session,
        "group_session",
        provider_id=people.ids["Bob"],
        held_on=date(2026, 1, 5),
        minutes=60,
        title="RSC",
        form_key="form",
        logged_at=datetime(2026, 1, 5, tzinfo=UTC),
    )
    found = select(PERSON.c.name).where(provides_rsc(PERSON.c.id, date(2026, 6, 1)))
    assert session.connection().scalars(found).all() == ["Bob"]


HORIZON = Horizon(date(2024, 1, 1), date(2024, 6, 1), date(2024, 7, 31))


def test_cutoffs_add_up_the_minutes_with_each_provider(session: Session) -> None:
    people = CasePeople(session)
    people.add("Late", ["VAIMH IFRS 2015-01-01..2024-07-31"], provides_rsc=True)
    for name, last_day in (
        ("Bob", "2024-06-30"),
        ("Ada", "2024-06-30"),
        ("Gone", "2024-05-31"),
        ("Stays", "2024-08-01"),
    ):
        people.add(name, [f"vetted NCIMHA 2015-01-01..{last_day}"], provides_rsc=True)
    elsewhere = {
        "known_to": "NCIMHA",
        "association": "Ohio",
        "category": "IMHM-C",
        "starts_on": date(2015, 1, 1),
        "ends_on": date(2024, 7, 31),
        "recorded_by": "carol@example.org",
    }
    insert_row(session, "outside_endorsement", person_id=people.ids["Late"], **elsewhere)
    for name in (ENDORSEE, "Cora", "Dora"):
        people.add(name)
    for line in (
        "rsc 1h 2024-02-01 with Bob",
        "rsc 1h 2024-01-01 with Late",
        "rsc 2h 2024-03-01 with Bob",
        "rsc 4h 2023-12-31 with Bob",
        "training 8h 2024-03-01 with Bob",
        "rsc 1h 2024-02-01 with Ada",
        "rsc 1h 2024-02-01 with Gone",
        "rsc 1h 2024-02-01 with Stays",
        "Cora: rsc 5h 2024-02-01 with Bob",
        "Dora: rsc 1h 2024-02-01 with Stays",
    ):
        people.log(line)
    refresh_provider_spans(session, REAL)
    gone = {"rule": "GONE/rsc", "starts_on": date(2015, 1, 1), "ends_on": HORIZON.first}
    session.connection().execute(insert(SPAN).values(provider_id=people.ids["Bob"], **gone))
    alice, cora, dora = (people.ids[name] for name in (ENDORSEE, "Cora", "Dora"))
    assert people_with_cutoffs(session, [HORIZON]) == {alice, cora}
    later = HORIZON._replace(last=date(2024, 8, 1))
    assert people_with_cutoffs(session, [HORIZON, later]) == {alice, cora, dora}
    assert find_cutoffs(session, REAL, [dora], HORIZON) == {}
    # With so many who do not exist, they are read in two steps.
    found = find_cutoffs(session, REAL, [cora, alice, *range(10_000, 11_000)], HORIZON)
    assert {
        key: [(each.provider_id, each.provider_name, each.minutes) for each in cutoffs]
        for key, cutoffs in found.items()
        if not key[1].startswith("CT-AIMH")
    } == {
        (alice, "NCIMHA/ifs-rsc"): [
            (people.ids["Bob"], "Bob", 180),
            (people.ids["Ada"], "Ada", 60),
            (people.ids["Late"], "Late", 60),
        ],
        (alice, "VAIMH/rsc"): [(people.ids["Late"], "Late", 60)],
        (cora, "NCIMHA/ifs-rsc"): [(people.ids["Bob"], "Bob", 300)],
    }
    endings = [each.ending for each in found[alice, "NCIMHA/ifs-rsc"]]
    assert [(each.last_day, each.credential and each.credential.status) for each in endings] == [
        (date(2024, 6, 30), "vetted by NCIMHA"),
        (date(2024, 6, 30), "vetted by NCIMHA"),
        (date(2024, 7, 31), "IMHM-C"),
    ]


def test_spans_of_rules_are_listed_without_being_stored(session: Session) -> None:
    people = CasePeople(session)
    people.add("Ada", ["vetted NCIMHA 2015-01-01..2024-06-30"], provides_rsc=True)
    ada = people.ids["Ada"]
    spans = [("NCIMHA/ifs-rsc", ada, date(2015, 1, 1), date(2024, 6, 30))]
    assert list_spans_by_rules(session, REAL) == spans
    assert stored(session, ada) == []


def test_refreshing_one_provider_leaves_others_alone(session: Session) -> None:
    people = CasePeople(session)
    for name in ("Ada", "Bob", "Cora"):
        people.add(name, VETTED, provides_rsc=True)
    ada, bob, cora = people.ids.values()
    assert refresh_provider_spans(session, REAL, person_ids={ada, bob}) == {ada, bob}
    assert stored(session, cora) == []
    people.hold("Ada", "vetted CT-AIMH 2015-01-01")
    session.connection().execute(text("DELETE FROM vetting"))
    assert refresh_provider_spans(session, REAL, person_ids={ada}) == {ada}
    assert (stored(session, ada), len(stored(session, bob))) == ([], 1)
    people.add("Dora", VETTED)
    refresh_provider_spans(session, REAL)
    dora = people.ids["Dora"]
    assert refresh_provider_spans(session, REAL, person_ids={dora}) == {dora}
    people.hold("Bob", "MI-AIMH IMHS 2010-01-01")
    many = range(bob, bob + 1_001)
    # So many are refreshed with everyone, and Dora does not provide RSC.
    assert refresh_provider_spans(session, REAL, person_ids=many) == {bob, dora}
