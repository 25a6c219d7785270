"""All my data: what is in it, what is not, and that another place can take it in."""

import io
import json
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import Engine, insert, update
from sqlmodel import Session

from tests.support.cast import ALICE, BASE_URL, BOB, BOOKS, CAROL, DANA, ERIN, EVE, NOW
from tests.support.files import PDF
from tests.web.client import RSC, TRAINING, WebClient
from tests.web.hours.test_editing import form_of
from tracker.clock import local_day
from tracker.db.engine import open_engine, reading, writing
from tracker.db.migrate import migrate
from tracker.db.tables import METADATA
from tracker.exports.my_data import write_my_data
from tracker.importer.apply import import_paths
from tracker.importer.cells import ImportContext
from tracker.importer.store import ImportReport
from tracker.importer.vocabulary import vocabulary_of
from tracker.services.evaluation import days_at, evaluate_people, judge_current

DUE_ON = date(2027, 3, 1)
TITLE = "=1+1, “play”\tand 'songs'"


def archive_of(web: WebClient, email: str) -> ZipFile:
    answer = web.visit(email).get("/takeaways/my-data.zip")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data.zip"'
    return ZipFile(io.BytesIO(answer.content))


def everything_in(archive: ZipFile) -> str:
    return "\n".join(archive.read(name).decode("utf-8-sig") for name in archive.namelist())


def standings(engine: Engine) -> list[tuple[Any, ...]]:
    with reading(engine) as session:
        judged = judge_current(session, BOOKS, days_at(BOOKS, NOW))
        found = [
            (
                s.plan.association,
                s.plan.cycle and s.plan.cycle.starts_on,
                s.status,
                s.due_on,
                [(r.requirement.id, r.required, r.counted, r.outcome) for r in s.results],
            )
            for s in judged
            if s.facts.email == ALICE
        ]
    return sorted(found, key=str)


def test_the_archive_has_import_files_and_the_rest(web: WebClient) -> None:
    archive = archive_of(web, ALICE)
    assert archive.testzip() is None
    names = archive.namelist()
    assert names[0] == "README.txt"
    assert {"import/people.csv", "import/entries.csv", "other.json"} <= set(names)
    assert (
        "Alice Moreno (alice@example.org), as of November 22, 2026"
        in archive.read("README.txt").decode()
    )
    rest = json.loads(archive.read("other.json"))
    assert rest["person"][0]["second_email"] == "alice@home.example"
    assert len(rest["web_session"]) == 1
    assert "hash" not in archive.read("other.json").decode()
    assert archive_of(web, EVE).testzip() is None


def test_my_data_contains_nobody_else(sqlite_web: WebClient) -> None:
    with writing(sqlite_web.cast.engine) as session:
        event = {
            "at": NOW,
            "who": CAROL,
            "table_name": "entry",
            "row_id": sqlite_web.cast.entries["rsc"],
            "before": '{"title": "RSC"}',
            "after": f'{{"title": "RSC with {DANA}"}}',
        }
        session.connection().execute(insert(METADATA.tables["audit_event"]).values(event))
    text = everything_in(archive_of(sqlite_web, ALICE))
    assert "Dana Ruiz" in text
    assert '"who": "(another person)"' in text
    for email in (BOB, CAROL, DANA, ERIN):
        assert email not in text
    for mark in ("Bob Osei", "secret training"):
        assert mark not in text
    assert "Alice" not in everything_in(archive_of(sqlite_web, BOB))


def test_an_unknown_person_gets_no_archive(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    answer = carol.get("/takeaways/my-data.zip")
    assert answer.content == carol.get("/nowhere").content


def test_the_same_data_gives_the_same_bytes(sqlite_web: WebClient) -> None:
    made = [io.BytesIO(), io.BytesIO()]
    with reading(sqlite_web.cast.engine) as session:
        for each in made:
            write_my_data(session, sqlite_web.cast.people[ALICE], each, NOW)
    assert made[0].getvalue() == made[1].getvalue()


def test_evidence_has_its_own_folder(sqlite_web: WebClient, tmp_path: Path) -> None:
    made, stored = io.BytesIO(), tmp_path / "stored"
    stored.write_bytes(b"%PDF-" + b"x" * 200_000)
    with reading(sqlite_web.cast.engine) as session:
        files = [("7-certificate.pdf", stored)]
        write_my_data(session, sqlite_web.cast.people[ALICE], made, NOW, files)
    assert ZipFile(made).read("evidence/7-certificate.pdf").startswith(b"%PDF-x")


@pytest.mark.parametrize("title", [TITLE.replace("\t", " "), "'=x", "Étude d'été 王"])
def test_another_installation_reaches_the_same_standing(
    sqlite_web: WebClient, tmp_path: Path, title: str
) -> None:
    cast = sqlite_web.cast
    entry = METADATA.tables["entry"]
    with writing(cast.engine) as session:
        session.connection().execute(
            update(entry).where(entry.c.id == cast.entries["training"]).values(title=title)
        )
        set_apart(session, cast.endorsements[ALICE])
        evaluate_people(session, BOOKS, {cast.people[ALICE]}, NOW)
    archive_of(sqlite_web, ALICE).extractall(tmp_path)
    url = f"sqlite:///{tmp_path / 'other.db'}"
    migrate(url)
    engine = open_engine(url)
    import_all(engine, tmp_path)
    with writing(engine) as session:
        confirm_dana(session)
        evaluate_people(session, BOOKS, {1, 2}, NOW)
    assert standings(engine) == standings(cast.engine)
    # The extension is in force, the waived requirement has nothing short.
    assert DUE_ON in [found[3] for found in standings(engine)]
    assert "WAIVED" in str(standings(engine))
    with reading(engine) as session:
        titles = set(session.scalars(entry.select().with_only_columns(entry.c.title)))
    engine.dispose()
    assert title in titles


def test_reimporting_my_data_changes_nothing(web: WebClient, tmp_path: Path) -> None:
    cast, alice = web.cast, web.visit(ALICE)
    dana = str(cast.people[DANA])
    for form in (TRAINING, TRAINING, RSC | {"provider": dana, "day": "12", "hours": "1:20"}):
        answer = alice.log(form)
        if answer.status_code != 303:
            answer = alice.post("/log", form_of(answer))
        assert answer.status_code == 303
    of_dana = [row["id"] for row in cast.rows("entry") if row["provider_id"] == cast.people[DANA]]
    with writing(cast.engine) as session:
        entry, remembered = METADATA.tables["entry"], METADATA.tables["imported_row"]
        its = entry.c.id == of_dana[0]
        session.connection().execute(update(entry).where(its).values(reference="r1"))
        # As of a file with the provider's address.
        row = {"person_id": cast.people[ALICE], "key": "ref:r1", "digest": "0" * 64}
        session.connection().execute(insert(remembered).values(**row, entry_id=of_dana[0]))
        set_apart(session, cast.endorsements[ALICE])
        evaluate_people(session, BOOKS, {cast.people[ALICE]}, NOW)
    tables = ("entry", "entry_topic", "person", "endorsement", "membership", "waiver", "renewal")
    before = [cast.rows(table) for table in (*tables, "audit_event")]
    archive_of(web, ALICE).extractall(tmp_path)
    for _ in range(2):
        counts = import_all(cast.engine, tmp_path).counts.values()
        assert sum(each.unchanged for each in counts) > len(of_dana)
        assert [each for each in counts if each.added or each.changed] == []
    assert [cast.rows(table) for table in (*tables, "audit_event")] == before


def import_all(engine: Engine, folder: Path) -> ImportReport:
    """Take in an archive that was unpacked."""
    day = local_day(NOW, "America/New_York")
    context = ImportContext(vocabulary_of(BOOKS), day, "tests", NOW)
    return import_paths(engine, [folder / "import"], context)


def set_apart(session: Session, endorsement_id: int) -> None:
    """An extension and a waiver of the cycle at hand."""
    cycle = {"endorsement_id": endorsement_id, "cycle_starts_on": date(2026, 1, 1)}
    waiver, renewal = METADATA.tables["waiver"], METADATA.tables["renewal"]
    session.connection().execute(
        insert(waiver).values(**cycle, requirement="training", reason="A storm")
    )
    session.connection().execute(
        insert(renewal).values(**cycle, extended_due_on=DUE_ON, reason="Ill")
    )


def test_provider_credentials_are_listed_without_addresses(sqlite_web: WebClient) -> None:
    archive = archive_of(sqlite_web, ALICE)
    lines = archive.read("providers.csv").decode("utf-8-sig").splitlines()
    assert lines == [
        "provider_name,association,held,starts_on,ends_on",
        "Dana Ruiz,NCIMHA,vetted,2020-01-01,",
    ]
    with writing(sqlite_web.cast.engine) as session:
        # Not of a day of theirs.
        vetting = METADATA.tables["vetting"]
        session.connection().execute(update(vetting).values(starts_on=date(2026, 11, 20)))
    assert len(archive_of(sqlite_web, ALICE).read("providers.csv").splitlines()) == 1
    assert "providers.csv" in archive_of(sqlite_web, BOB).namelist()


def confirm_dana(session: Session) -> None:
    """What a coordinator of the other place does: say who the provider is."""
    person, entry = METADATA.tables["person"], METADATA.tables["entry"]
    session.connection().execute(
        insert(person).values(id=2, email=DANA, name="Dana Ruiz", provides_rsc=True,
                              highest_degree="master")
    )  # fmt: skip
    vetting = {"person_id": 2, "association": "NCIMHA", "starts_on": NOW.date().replace(year=2020)}
    session.connection().execute(insert(METADATA.tables["vetting"]).values(vetting))
    named = entry.c.provider_name == "Dana Ruiz"
    session.connection().execute(
        update(entry).where(named).values(provider_id=2, provider_name=None)
    )


def test_uploaded_evidence_is_exported(sqlite_web: WebClient, tmp_path: Path) -> None:
    settings = sqlite_web.cast.settings.model_copy(update={"evidence_dir": tmp_path / "evidence"})
    web = WebClient(sqlite_web.cast, settings=settings)
    alice = web.visit(ALICE)
    saved = alice.client.post(
        "/log",
        data=TRAINING | {"form_key": "d" * 32},
        files=[("files", ("Café 1.pdf", PDF))],
        headers={"Origin": BASE_URL},
    )
    entry_id = saved.headers["location"].rpartition("/")[2]
    (name,) = [n for n in archive_of(web, ALICE).namelist() if n.startswith("evidence/")]
    assert name.startswith(f"evidence/{entry_id}-")
    assert name.endswith("-Caf_ 1.pdf")
    assert archive_of(web, ALICE).read(name) == PDF
    assert [n for n in archive_of(web, BOB).namelist() if n.startswith("evidence/")] == []
