"""The page of one entry: whether it counts for each endorsement, and why."""

from datetime import date

from sqlalchemy import insert

from tests.support.cast import ALICE, BOB, ERIN
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA


def entry(web: WebClient, key: str) -> str:
    return text_of(web.visit(ALICE).get(f"/entries/{web.cast.entries[key]}"))


def test_an_entry_shows_verdict_and_rule(web: WebClient) -> None:
    page = entry(web, "rsc")
    assert "November 14, 2026 RSC 1 hour · with Dana Ruiz" in page
    assert "Counts toward RSC: vetted by NCIMHA on that day" in page
    assert "“Continuing endorsement: Reflective Supervision/Consultation”" in page
    assert "Dana Ruiz was vetted by NCIMHA starting January 1, 2020." in page


def test_an_earlier_entry_counts_for_its_cycle(sqlite_web: WebClient) -> None:
    page = entry(sqlite_web, "old")
    assert "Counts toward training and DEIA for 2025" in page
    assert "Log again" in page


def add(web: WebClient, table: str, **values: object) -> None:
    with writing(web.cast.engine) as session:
        session.connection().execute(insert(METADATA.tables[table]).values(**values))


def test_waived_hours_show_as_logged(web: WebClient) -> None:
    number = web.cast.endorsements[ALICE]
    plan = web.rulebooks.plan("NCIMHA", "IFS", date(2024, 3, 1), date(2026, 11, 14))
    assert plan is not None
    waived = next(
        requirement.id for requirement in plan.requirements if requirement.counts == "rsc"
    )
    add(web, "waiver", endorsement_id=number, cycle_starts_on=date(2026, 1, 1),
        requirement=waived, reason="Illness")  # fmt: skip
    alice = web.visit(ALICE)
    for path in ("/my-year", f"/entries/{web.cast.entries['rsc']}"):
        page = text_of(alice.get(path))
        assert "Logged as RSC: waived by the association" in page
        assert "“Reflective supervision”: waived by the association" in page
        assert "Counts toward RSC" not in page
    assert "1 hour toward “Reflective supervision”" not in text_of(alice.get("/my-year"))


def test_first_cycle_verdicts_agree_on_every_page(
    sqlite_web: WebClient,
) -> None:
    cast = sqlite_web.cast
    add(sqlite_web, "entry", person_id=cast.people[ERIN], activity="training", minutes=60,
        held_on=date(2026, 6, 1), title="A day")  # fmt: skip
    [new] = cast.rows("entry", title="A day")
    erin = sqlite_web.visit(ERIN)
    for path in ("/my-year", f"/entries/{new['id']}", f"/log/saved/{new['id']}"):
        page = text_of(erin.get(path))
        assert "Logged as training: no hours are required in the cycle of endorsement" in page
        assert "Counts toward" not in page


def test_each_endorsement_has_its_own_reasons(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["endorsement"]).values(
                person_id=sqlite_web.cast.people[ALICE],
                association="CT-AIMH",
                category="IFS",
                starts_on=date(2024, 1, 1),
            )
        )
    page = entry(sqlite_web, "rsc")
    assert "NCIMHA IFS: Counts toward RSC: vetted by NCIMHA on that day" in page
    assert "CT-AIMH IFS: Does not count: Dana Ruiz was vetted by NCIMHA" in page
    assert (
        "If Dana Ruiz was IFRS or IMHM-C on November 14, 2026, it counts once that is on record. "
        "Contact your CT-AIMH coordinator: Dan Whitfield ." in page
    )


def test_a_missing_provider_links_to_the_form(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        table = METADATA.tables["entry"]
        new = (
            session.connection()
            .execute(
                insert(table)
                .values(
                    person_id=sqlite_web.cast.people[ALICE],
                    activity="rsc",
                    held_on=date(2026, 11, 3),
                    minutes=60,
                    title="RSC",
                )
                .returning(table.c.id)
            )
            .scalar_one()
        )
    page = text_of(sqlite_web.visit(ALICE).get(f"/entries/{new}"))
    assert "Does not count: no provider is named" in page
    assert "It can count once the entry names the RSC provider. Edit the entry" in page


def test_foreign_entries_act_like_absent_ones(sqlite_web: WebClient) -> None:
    bob = sqlite_web.visit(BOB)
    foreign = bob.get(f"/entries/{sqlite_web.cast.entries['rsc']}")
    assert foreign.status_code == 404
    assert foreign.content == bob.get("/entries/999999").content
