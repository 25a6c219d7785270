"""The calendar feed: secret, revocable, valid, and the same events whatever their day."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import delete, insert, update

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, EVE, NOW
from tests.web.client import Visitor, WebClient
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people

MAKE, OFF = "/takeaways/calendar", "/takeaways/calendar/off"
ADDRESS = re.compile(r'id="calendar-address">http://testserver(/calendar/[\w.-]+\.ics)<')
VETTED_UNTIL = date(2026, 12, 10)


def address_of(visitor: Visitor) -> str:
    """The address on the page, made on the first call."""
    found = ADDRESS.search(visitor.get("/takeaways").text)
    if found is None:
        assert visitor.post(MAKE).headers["location"] == "/takeaways#calendar"
        found = ADDRESS.search(visitor.get("/takeaways").text)
    assert found
    return found[1]


def events_of(web: WebClient, address: str) -> dict[str, Any]:
    """The events by their summary."""
    answer = web.visit().get(address)
    assert answer.status_code == 200
    return {str(e["summary"]): e for e in Calendar.from_ical(answer.content).events}


def change(web: WebClient, table: str, where: dict[str, object], **values: object) -> None:
    found = METADATA.tables[table]
    with writing(web.cast.engine) as session:
        session.connection().execute(update(found).filter_by(**where).values(**values))
        evaluate_people(session, BOOKS, web.cast.people.values(), web.now)


def test_it_holds_every_date_of_the_renewal(web: WebClient) -> None:
    change(web, "vetting", {"association": "NCIMHA"}, ends_on=VETTED_UNTIL)
    events = events_of(web, address_of(web.visit(ALICE)))
    days = {summary: event.start for summary, event in events.items()}
    assert days["Renewal due: NCIMHA IFS"] == date(2026, 12, 31)
    assert days["Grace period ends: NCIMHA IFS"] == date(2027, 1, 31)
    assert days["Membership ends: NCIMHA IFS"] == date(2026, 12, 31)
    assert days["Last day that Dana Ruiz's RSC counts: NCIMHA IFS"] == VETTED_UNTIL
    assert days["Renewal complete: NCIMHA IFS"] == date(2025, 12, 31)
    for event in events.values():
        assert event.end == event.start + timedelta(days=1)
    alarms = events["Renewal due: NCIMHA IFS"].walk("VALARM")
    mornings = [timedelta(hours=9) - timedelta(days=days) for days in (30, 7)]
    assert [alarm["trigger"].dt for alarm in alarms] == mornings


def test_the_address_works_until_it_is_replaced(web: WebClient) -> None:
    alice = web.visit(ALICE)
    first = address_of(alice)
    mark = re.findall(r'name="instead" value="(\w+)"', alice.get("/takeaways").text)[0]
    web.pass_time(minutes=1)
    alice.post(MAKE, {"instead": mark})
    alice.post(MAKE, {"instead": mark})  # the form was sent twice
    second = address_of(alice)
    absent = web.visit().get("/nowhere")
    assert first != second
    assert (web.visit().get(first).status_code, web.visit().get(second).status_code) == (
        404, 200,
    )  # fmt: skip
    assert alice.get(first).content == alice.get("/nowhere").content
    assert web.visit().get(first).content == absent.content
    alice.post(OFF)
    alice.post(OFF)
    assert web.visit().get(second).content == absent.content
    assert address_of(alice) not in {first, second}
    events = web.cast.rows("audit_event", table_name="calendar_feed")
    assert [(e["before"] is None, e["after"] is None) for e in events] == [
        (True, False), (False, False), (False, True), (True, False),
    ]  # fmt: skip
    nonces = [row["nonce"] for row in web.cast.rows("calendar_feed")]
    assert all(nonce not in str(events) for nonce in nonces)


def test_a_made_up_address_opens_nothing(sqlite_web: WebClient) -> None:
    absent = sqlite_web.visit().get("/nowhere").content
    real = address_of(sqlite_web.visit(ALICE))
    before = {t: sqlite_web.cast.rows(t) for t in ("calendar_feed", "secret", "audit_event")}
    token = real.removeprefix("/calendar/").removesuffix(".ics")
    for wrong in ("x", "1.a", token[:-1], token + "A", token.swapcase(), "%ff", "a" * 5000, "%00"):
        answer = sqlite_web.visit().get(f"/calendar/{wrong}.ics")
        assert (answer.status_code, answer.content) == (404, absent)
    sqlite_web.visit().get(real)
    assert before == {t: sqlite_web.cast.rows(t) for t in before}
    for who in (BOB, EVE):
        assert token not in sqlite_web.visit(who).get("/takeaways").text
    assert sqlite_web.visit(CAROL).post(MAKE).status_code == 404


def test_a_moved_event_keeps_its_uid(sqlite_web: WebClient) -> None:
    address = address_of(sqlite_web.visit(ALICE))
    due = "Renewal due: NCIMHA IFS"
    before = events_of(sqlite_web, address)[due]
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["renewal"]).values(
                endorsement_id=sqlite_web.cast.endorsements[ALICE],
                cycle_starts_on=date(2026, 1, 1),
                extended_due_on=date(2027, 2, 15),
                reason="Illness",
            )
        )
        sqlite_web.pass_time(days=2)
        people = sqlite_web.cast.people.values()
        evaluate_people(session, BOOKS, people, sqlite_web.now)
    after = events_of(sqlite_web, address)[due]
    assert (before.start, after.start) == (date(2026, 12, 31), date(2027, 2, 15))
    assert before["uid"] == after["uid"]
    assert after["sequence"] > before["sequence"]
    assert after["dtstamp"].dt > before["dtstamp"].dt


def test_an_unchanged_calendar_answers_304(sqlite_web: WebClient) -> None:
    address = address_of(sqlite_web.visit(ALICE))
    first = sqlite_web.visit().get(address)
    sqlite_web.pass_time(hours=5)
    second = sqlite_web.visit().get(address)
    assert first.content == second.content
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        client = sqlite_web.visit().client
        answer = client.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == first.headers["etag"]


def test_the_calendar_contains_nothing_private(sqlite_web: WebClient) -> None:
    text = sqlite_web.visit().get(address_of(sqlite_web.visit(ALICE))).text
    for private in ("alice@", "Infant mental health week", "8.5", "16.5", "Jo Hart"):
        assert private not in text


def test_completed_renewals_have_no_alarm(sqlite_web: WebClient) -> None:
    address = address_of(sqlite_web.visit(ALICE))
    done = events_of(sqlite_web, address)["Renewal complete: NCIMHA IFS"]
    assert done.subcomponents == []
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["leave"]).values(
                endorsement_id=sqlite_web.cast.endorsements[ALICE], starts_on=date(2026, 12, 1)
            )
        )
    assert "Renewal due: NCIMHA IFS" not in events_of(sqlite_web, address)


@pytest.mark.parametrize("email", [ALICE, BOB, EVE])
def test_the_calendar_passes_a_strict_reader(sqlite_web: WebClient, email: str) -> None:
    long = "Dana \\ Ruiz; née, \N{SNOWMAN} " * 8
    with writing(sqlite_web.cast.engine) as session:
        table = METADATA.tables["person"]
        mine = table.c.email == DANA
        session.connection().execute(update(table).where(mine).values(name=long[:200]))
        session.connection().execute(
            update(METADATA.tables["vetting"]).values(ends_on=VETTED_UNTIL)
        )
        evaluate_people(session, BOOKS, sqlite_web.cast.people.values(), NOW)
    answer = sqlite_web.visit().get(address_of(sqlite_web.visit(email)))
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    check_strictly(answer.content)
    if email == ALICE:
        names = [str(e["summary"]) for e in Calendar.from_ical(answer.content).events]
        assert [n for n in names if long[:200].strip() in n] != []


def check_strictly(data: bytes) -> None:
    """What RFC 5545 asks of every line and component, read without the library that wrote it."""
    assert data.endswith(b"\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(len(line) for line in data.split(b"\r\n")) <= 75
    lines = data.decode().replace("\r\n ", "").split("\r\n")[:-1]
    stack: list[tuple[str, list[str]]] = []
    kinds = []
    for line in lines:
        name, _, value = line.partition(":")
        name = name.partition(";")[0]
        assert re.fullmatch(r"[A-Z-]+", name), line
        if name == "BEGIN":
            stack.append((value, []))
        elif name == "END":
            kind, names = stack.pop()
            assert kind == value
            kinds.append(kind)
            check_component(kind, names)
        else:
            stack[-1][1].append(name)
    assert stack == []
    assert kinds[-1] == "VCALENDAR"
    assert {"VEVENT", "VTIMEZONE"} & set(kinds)
    calendar = Calendar.from_ical(data)
    assert calendar.errors == []
    assert len({e["uid"] for e in calendar.events}) == len(calendar.events)
    for component in calendar.walk():
        assert component.errors == []


def check_component(kind: str, names: list[str]) -> None:
    needed = {
        "VCALENDAR": ["PRODID", "VERSION"],
        "VEVENT": ["UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "SEQUENCE"],
        "VALARM": ["ACTION", "TRIGGER", "DESCRIPTION"],
        "VTIMEZONE": ["TZID"],
        "STANDARD": ["DTSTART", "TZOFFSETFROM", "TZOFFSETTO"],
    }[kind]
    assert [n for n in needed if names.count(n) != 1] == []
    assert len(set(names)) == len(names)


def test_a_deleted_feed_opens_nothing(sqlite_web: WebClient) -> None:
    address = address_of(sqlite_web.visit(EVE))
    with writing(sqlite_web.cast.engine) as session:
        session.connection().execute(delete(METADATA.tables["calendar_feed"]))
    assert sqlite_web.visit().get(address).status_code == 404
