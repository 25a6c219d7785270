"""Nobody reaches what is not theirs: every route, for every role, on foreign and absent ids.

The routes are read from the site itself: one that this file does not know fails it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import insert, select
from sqlmodel import Session
from starlette.routing import Mount, Route

from tests.support.auditing import HAL, audit_hal
from tests.support.cast import (
    ALICE,
    BOB,
    BOOKS,
    CAROL,
    DAN,
    DANA,
    ERIN,
    EVE,
    NOW,
    Cast,
    acting,
    fill,
)
from tests.support.databases import copy_sqlite
from tests.support.held import hold_session, name_supervisee
from tests.support.paying import IVY, add_payers, pay_for_both
from tests.support.questions import ask
from tests.support.referees import apply
from tests.support.submitting import GIL, submit_for_gil
from tests.web.client import RSC, TRAINING, Visitor, WebClient, settle_all
from tests.web.known_routes import ANYBODY, KNOWN
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.context import Actor, ServiceContext
from tracker.services.evidence import ReceivedFile, keep_files
from tracker.services.evidence_storage import EvidenceFolder
from tracker.services.people_list import list_people
from tracker.services.selections import create_selection

CLOSED = sorted(route for route, who in KNOWN.items() if who != ANYBODY)
WITH_ID = [route for route in CLOSED if "{" in route[1]]
EVERYBODY = (ALICE, BOB, ERIN, EVE, CAROL, DAN)
# What being signed in changes in any case.
OF_VISITS = {"web_session"}
# Of whom each may see names and entries.
SEES = {
    ALICE: {ALICE},
    BOB: {BOB},
    ERIN: {ERIN},
    EVE: {EVE},
    CAROL: {ALICE, BOB},
    DAN: {ERIN},
}
MARKS = {ALICE: ["Alice Moreno", "Infant mental health week"], BOB: ["Bob Osei"],
         ERIN: ["Erin Vance", "secret training"]}  # fmt: skip


def routes(web: WebClient) -> Iterator[tuple[str, str]]:
    for route in web.app.routes:
        if isinstance(route, Mount):
            assert route.path == "/api/v1"  # by token: tests/web/api
            continue
        inner = getattr(getattr(route, "original_router", None), "routes", [route])
        for each in inner:
            assert isinstance(each, Route), each
            # HEAD is answered as GET before any route is looked for.
            yield from ((method, each.path) for method in (each.methods or set()) - {"HEAD"})


def send(visitor: Visitor, route: tuple[str, str], number: int = 1) -> tuple[int, bytes]:
    method, path = route
    path = path.replace("{cycle_starts_on}", "2026-01-01").replace("{decision}", "endorse")
    path = path.replace("{change}", "submit").replace("{action}", "waive")
    path = path.replace("{change}", "submit")
    path = path.replace("{kind}", "endorsement").replace("{fact}", "name")
    path = re.sub(r"\{\w+\}", str(number), path)
    answer = (
        visitor.get(path)
        if method == "GET"
        else visitor.post(path, {**TRAINING, "answer": "confirm"})
    )
    return answer.status_code, answer.content


def owners_of(cast: Cast) -> dict[str, dict[int, str]]:
    """Whose each id is, by the name that routes give it."""
    with writing(cast.engine) as session:
        applications = {
            apply(session, cast.people[who], association=association): who
            for who, association in ((ALICE, "NCIMHA"), (BOB, "NCIMHA"), (ERIN, "CT-AIMH"))
        }
        files = {
            prove(session, cast, who, f"{who} {name}"): who
            for who, name in ((ALICE, "training"), (ALICE, "old"), (ERIN, "erin"))
        }
        sessions = {hold_session(session, cast, who): who for who in (DANA, EVE)}
        asked = {
            name_supervisee(session, cast, session_id, who): who
            for session_id in sessions
            for who in (ALICE, BOB, ERIN)
        }
    entries = {"bob": BOB, "erin": ERIN}
    terms, requests = own_terms_and_requests(cast)
    return {
        "change_id": changes_about(cast),
        "mailing_id": mailings_about(cast),
        "filter_id": filters_of(cast),
        "selection_id": selections_of(cast),
        "person_id": {cast.people[who]: who for who in (ALICE, BOB, ERIN)},
        "question_id": questions_about(cast),
        "plan_id": imports_of(cast),
        "task_id": tasks_of(cast),
        "outside_id": endorsed_elsewhere(cast),
        "membership_id": terms,
        "request_id": requests,
        "entry_id": {number: entries.get(key, ALICE) for key, number in cast.entries.items()},
        "endorsement_id": {number: owner for owner, number in cast.endorsements.items()},
        "application_id": applications,
        "file_id": files,
        "session_id": sessions,
        "member_id": asked,
        "submission_id": submissions_of(cast),
        "payment_id": payments_of(cast),
        **audits_of(cast),
        "certificate_id": certificates_of(cast),
    }


def changes_about(cast: Cast) -> dict[int, str]:
    """A change on each association's desk, and the person whom it names; by id."""
    table = METADATA.tables["desk_change"]
    changes: dict[int, str] = {}
    with writing(cast.engine) as session:
        for who, association in ((ALICE, "NCIMHA"), (ERIN, "CT-AIMH")):
            values = {"association": association, "title": f"Waive DEIA for {MARKS[who][0]}"}
            more = {"reason": "", "made_at": NOW, "made_by": CAROL}
            new = insert(table).values(**values, **more).returning(table.c.id)
            changes[session.connection().execute(new).scalar_one()] = who
    return changes


def mailings_about(cast: Cast) -> dict[int, str]:
    """A draft and a mailing of each association, and the person whom they name; by id."""
    table, recipient = METADATA.tables["mailing"], METADATA.tables["mailing_recipient"]
    mailings: dict[int, str] = {}
    with writing(cast.engine) as session:
        for who, association in ((ALICE, "NCIMHA"), (ERIN, "CT-AIMH")):
            for state in ("draft", "sent"):
                values = {"association": association, "state": state, "template": "free"}
                words = {"subject": f"About {MARKS[who][0]}", "text": "Hello", "audience": "One"}
                more = {"person_ids": str(cast.people[who]), "form_key": f"{who} {state}"}
                made = {"created_at": NOW, "created_by": CAROL, "sender_name": "Carol Reyes"}
                sent = {"sent_at": NOW, "sent_on": NOW.date()} if state == "sent" else {}
                new = insert(table).values(**values, **words, **more, **made, **sent)
                number = session.connection().execute(new.returning(table.c.id)).scalar_one()
                mailings[number] = who
                if state == "sent":
                    # One number fits both ids in an address.
                    of = {"id": number, "mailing_id": number, "person_id": cast.people[who]}
                    skipped = {"outcome": "skipped", "reason": "bounced"}
                    session.connection().execute(insert(recipient).values(**of, **skipped))
    return mailings


def filters_of(cast: Cast) -> dict[int, str]:
    """A filter that each coordinator saved, and the person whom it finds; by id."""
    table = METADATA.tables["saved_filter"]
    filters: dict[int, str] = {}
    with writing(cast.engine) as session:
        for owner, association, who in ((CAROL, "NCIMHA", ALICE), (DAN, "CT-AIMH", ERIN)):
            values = {"owner": owner, "association": association, "name": MARKS[who][0]}
            new = insert(table).values(**values, query="sort=name", saved_at=NOW)
            filters[session.connection().execute(new.returning(table.c.id)).scalar_one()] = who
    return filters


def selections_of(cast: Cast) -> dict[int, str]:
    """What each coordinator chose, and the person who is in it; by id."""
    selections: dict[int, str] = {}
    with writing(cast.engine) as session:
        for owner, association, who in ((CAROL, "NCIMHA", ALICE), (DAN, "CT-AIMH", ERIN)):
            context = ServiceContext(session, BOOKS, Actor(owner, None, (association,)), NOW)
            people = list_people(session, association, NOW, NOW.date())
            rows = [row for row in people.rows if row.email == who]
            selections[create_selection(context, association, rows)] = who
    return selections


def questions_about(cast: Cast) -> dict[int, str]:
    """A question about an entry of each; whose, by id."""
    questions: dict[int, str] = {}
    with writing(cast.engine) as session:
        for who, key, association in ((ALICE, "old", "NCIMHA"), (ERIN, "erin", "CT-AIMH")):
            number = ask(session, cast.entries[key], MARKS[who][0], association)
            questions[number] = who
    return questions


def imports_of(cast: Cast) -> dict[int, str]:
    """An import on each association's desk, and a person at that association; by id."""
    table = METADATA.tables["import_plan"]
    imports: dict[int, str] = {}
    with writing(cast.engine) as session:
        for who, association in ((ALICE, "NCIMHA"), (ERIN, "CT-AIMH")):
            stamps = {
                "created_at": NOW,
                "created_by": CAROL,
                "changed_at": NOW,
                "changed_by": CAROL,
            }
            files = json.dumps([{"name": f"{MARKS[who][0]}.csv"}])
            values = {"association": association, "files": files, "state": "planned", **stamps}
            more = {"mapping": "", "summary": "", "problem": ""}
            new = insert(table).values(**values, **more).returning(table.c.id)
            imports[session.connection().execute(new).scalar_one()] = who
    return imports


def tasks_of(cast: Cast) -> dict[int, str]:
    """A prepared file on each association's desk, and the person whom it names; by id."""
    task, piece = METADATA.tables["desk_task"], METADATA.tables["desk_task_piece"]
    tasks: dict[int, str] = {}
    with writing(cast.engine) as session:
        for who, association in ((ALICE, "NCIMHA"), (ERIN, "CT-AIMH")):
            values = {"association": association, "kind": "certificates", "about_id": 0}
            asked = {"arguments": "[1]", "asked_at": NOW, "asked_by": CAROL, "state": "done"}
            more = {"done": 1, "total": 1, "left_out": 0, "file_name": f"{MARKS[who][0]}.zip"}
            new = insert(task).values(**values, **asked, **more, problem="", ended_at=NOW)
            number = session.connection().execute(new.returning(task.c.id)).scalar_one()
            member = {"name": f"{MARKS[who][0]}.pdf", "number": 0, "content": b"x"}
            session.connection().execute(insert(piece).values(task_id=number, **member))
            tasks[number] = who
    return tasks


def submissions_of(cast: Cast) -> dict[int, str]:
    """A renewal that was submitted at an association of which none of them is; whose, by id."""
    copy = replace(cast, people={}, endorsements={}, entries={})
    with writing(cast.engine) as session:
        return {submit_for_gil(session, copy): GIL}


def payments_of(cast: Cast) -> dict[int, str]:
    """A payment at an association of which none of them is; whose, by id."""
    copy = replace(cast, people={}, endorsements={}, entries={})
    with writing(cast.engine) as session:
        add_payers(session, copy)
        return {pay_for_both(session, copy): IVY}


def certificates_of(cast: Cast) -> dict[int, str]:
    """Every certificate, which are of an association of which none of them is; whose, by id."""
    return {row["id"]: HAL for row in cast.rows("certificate")}


def audits_of(cast: Cast) -> dict[str, dict[int, str]]:
    """An audit, and its draw, at an association of which none of them is; whose, by id."""
    copy = replace(cast, people={}, endorsements={}, entries={})
    with writing(cast.engine) as session:
        audit = audit_hal(session, copy, NOW)
    return {"case_id": {audit["case"]: HAL}, "draw_id": {audit["draw"]: HAL}}


def endorsed_elsewhere(cast: Cast) -> dict[int, str]:
    """An endorsement elsewhere of one person of each association, as it knows of it; by id."""
    table = METADATA.tables["outside_endorsement"]
    endorsed: dict[int, str] = {}
    with writing(cast.engine) as session:
        for who, association in ((BOB, "NCIMHA"), (ERIN, "CT-AIMH")):
            values = {"person_id": cast.people[who], "known_to": association, "recorded_by": CAROL}
            more = {"association": "MI-AIMH", "category": "IMHM-C", "starts_on": date(2020, 1, 1)}
            new = insert(table).values(**values, **more).returning(table.c.id)
            endorsed[session.connection().execute(new).scalar_one()] = who
    return endorsed


def own_terms_and_requests(cast: Cast) -> tuple[dict[int, str], dict[int, str]]:
    """A membership term and an open request for leave of each; whose, by id."""
    day = {"starts_on": date(2030, 1, 1), "ends_on": date(2030, 12, 31)}
    term, asked = METADATA.tables["membership"], METADATA.tables["time_request"]
    terms: dict[int, str] = {}
    requests: dict[int, str] = {}
    with writing(cast.engine) as session:
        for who, endorsement in cast.endorsements.items():
            values = {"person_id": cast.people[who], "organization": "NCIMHA", "recorded_by": who}
            new = insert(term).values(**values, **day).returning(term.c.id)
            terms[session.connection().execute(new).scalar_one()] = who
            of = {"endorsement_id": endorsement, "kind": "leave", "reason": MARKS[who][0]}
            more = {"form_key": "", "asked_at": NOW, "state": "asked"}
            new = insert(asked).values(**of, **day, **more).returning(asked.c.id)
            requests[session.connection().execute(new).scalar_one()] = who
    return terms, requests


def prove(session: Session, cast: Cast, who: str, name: str) -> int:
    """A file of somebody's that proves an entry of theirs."""
    content = f"%PDF-1.4 {MARKS[who][0]}".encode()
    folder = cast.settings.evidence_folder
    assert folder is not None
    stored_as = EvidenceFolder(folder).write(content)
    file = ReceivedFile(f"{name}.pdf", "application/pdf", len(content), name, stored_as)
    keep_files(acting(session, cast, who), name, [file], cast.entries[name.split()[1]])
    table = METADATA.tables["evidence"]
    return int(
        session.connection().execute(select(table.c.id).filter_by(stored_as=stored_as)).scalar_one()
    )


class Tried(NamedTuple):
    """A site in which everything belongs to somebody: see `owners_of`.

    Each browser stays signed in, which takes as long as what it asks for.
    """

    web: WebClient
    owners: dict[str, dict[int, str]]
    visitors: dict[str, Visitor]

    def read_rows(self) -> dict[str, Sequence[Any]]:
        """The rows of every table but those of visits."""
        with self.web.cast.engine.connect() as connection:
            return {
                name: connection.exec_driver_sql(f'SELECT * FROM "{name}"').all()  # noqa: S608
                for name in METADATA.tables.keys() - OF_VISITS
            }


@pytest.fixture(scope="module")
def tried(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """One for all who come to what is not theirs, as none of them may change anything."""
    cast = fill(copy_sqlite(migrated_sqlite, tmp_path_factory.mktemp("tried")))
    web = WebClient(cast)
    yield Tried(web, owners_of(cast), {email: web.visit(email) for email in EVERYBODY})
    settle_all()
    cast.engine.dispose()


def kind_of(route: tuple[str, str]) -> str:
    """What the first id in a path is one of."""
    return str(re.findall(r"\{(\w+)\}", route[1])[0])


def test_every_route_is_classified(sqlite_web: WebClient) -> None:
    assert sorted(routes(sqlite_web)) == sorted(KNOWN)


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_private_pages_need_sign_in(tried: Tried, route: tuple[str, str]) -> None:
    for logged_session in ("", "no-such-session", "\xff"):
        visitor = tried.web.visit("")
        path = re.sub(r"\{\w+\}", "1", route[1])
        cookie = {
            "Cookie": f"session={logged_session}".encode("latin-1"),
            "Origin": "http://testserver",
        }
        answer = visitor.client.request(route[0], path, headers=cookie)  # type: ignore[arg-type]
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("email", EVERYBODY)
@pytest.mark.parametrize("route", WITH_ID, ids=" ".join)
def test_foreign_ids_answer_like_absent_ids(
    tried: Tried, route: tuple[str, str], email: str
) -> None:
    owners, visitor = tried.owners[kind_of(route)], tried.visitors[email]
    coordinating = route[1].startswith("/coordinator")
    before = tried.read_rows()
    absent = [send(visitor, route, number) for number in (999_999, 2**31)]
    for number, owner in owners.items():
        own = owner in SEES[email] if coordinating else owner == email
        if coordinating == (email in {CAROL, DAN}) and own:
            continue
        # Coordinators open evidence from the same address as its owner.
        if "file_id" in route[1] and owner in SEES[email]:
            continue
        assert send(visitor, route, number) == absent[0]
    assert absent[0] == absent[1]
    assert absent[0][0] == 404
    assert tried.read_rows() == before


@pytest.mark.parametrize("email", EVERYBODY)
def test_pages_show_only_own_data(sqlite_web: WebClient, email: str) -> None:
    hidden = [mark for owner, marks in MARKS.items() if owner not in SEES[email] for mark in marks]
    owners = owners_of(sqlite_web.cast)
    for route in CLOSED:
        # Beyond the last one that is somebody's, none is there: see the test above.
        last = max(owners[kind_of(route)]) if "{" in route[1] else 1
        for number in range(1, last + 1):
            _, body = send(sqlite_web.visit(email), route, number)
            assert [mark for mark in hidden if mark.encode() in body] == [], route


@pytest.mark.parametrize("number", ["0", "-1", "1e3", "x", "%00", "9" * 40, "\u0661"])
def test_impossible_ids_are_absent(sqlite_web: WebClient, number: str) -> None:
    for path in ("/entries/{}", "/entries/{}/edit", "/log/saved/{}", "/my-year/{}/2026-01-01",
                 "/coordinator/people/{}", "/coordinator/people/{}/2026-01-01",
                 "/application/{}", "/application/{}/references", "/application/{}/education",
                 "/application/{}/work", "/application/{}/statements", "/application/{}/exam",
                 "/application/{}/status/submit", "/coordinator/applicants/{}/send-back",
                 "/coordinator/applicants/{}", "/coordinator/applicants/{}/endorse",
                 "/membership/{}", "/coordinator/requests/{}",
                 "/coordinator/providers/{}",
                 "/coordinator/mail/{}", "/coordinator/work/{}", "/coordinator/work/{}.zip",
                 "/coordinator/mail/{}/people/1", "/coordinator/mail/1/people/{}",
                 "/coordinator/person/{}", "/coordinator/person/{}/merge",
                 "/coordinator/person/{}/change/name",
                 "/coordinator/person/{}/add/vetting",
                 "/coordinator/providers/{}", "/coordinator/providers/{}/credential",
                 "/coordinator/providers/elsewhere/{}"):  # fmt: skip
        who = CAROL if "coordinator" in path else ALICE
        assert sqlite_web.visit(who).get(path.format(number)).status_code == 404


def test_coordinators_see_only_their_association(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    for path in ("/coordinator", "/coordinator/applicants", "/coordinator/requests",
                 "/coordinator/providers", "/coordinator/providers/names",
                 "/coordinator/mail", "/coordinator/mail/new", "/coordinator/work",
                 "/coordinator/people", "/coordinator/filters"):  # fmt: skip
        foreign = carol.get(f"{path}?association=CT-AIMH")
        absent = carol.get(f"{path}?association=NOWHERE")
        assert foreign.status_code == absent.status_code == 404
        assert foreign.content == absent.content


def test_endorsees_have_no_coordinator_pages(sqlite_web: WebClient) -> None:
    alice = sqlite_web.visit(ALICE)
    assert alice.get("/coordinator").content == alice.get("/nowhere").content


def test_coordinators_cannot_log_for_others(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    assert carol.post("/log", RSC).status_code == 404
    assert carol.get("/log").status_code == 404


def test_endorsee_and_coordinator_roles_stay_apart(sqlite_web: WebClient) -> None:
    both = sqlite_web.visit(DAN)
    page = both.get(f"/coordinator/people/{sqlite_web.cast.endorsements[ERIN]}").text
    assert "Erin Vance" in page
    assert "/edit" not in page
