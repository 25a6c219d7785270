"""The calendar feed: secret, revocable, valid, and the same events whatever their day."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import delete, insert, update

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DANA, EVE, NOW
from tests.web.visiting import Visitor, WebClient
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


def events_of(house: WebClient, address: str) -> dict[str, Any]:
    """The events by their summary."""
    answer = house.visit().get(address)
    assert answer.status_code == 200
    return {str(e["summary"]): e for e in Calendar.from_ical(answer.content).events}


def change(house: WebClient, table: str, where: dict[str, object], **values: object) -> None:
    found = METADATA.tables[table]
    with writing(house.cast.engine) as session:
        session.connection().execute(update(found).filter_by(**where).values(**values))
        evaluate_people(session, BOOKS, house.cast.people.values(), house.now)


def test_it_holds_every_date_of_the_renewal(house: WebClient) -> None:
    change(house, "vetting", {"association": "NCIMHA"}, ends_on=VETTED_UNTIL)
    events = events_of(house, address_of(house.visit(ALICE)))
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


def test_the_address_opens_for_nobody_else_and_until_it_is_replaced(house: WebClient) -> None:
    alice = house.visit(ALICE)
    first = address_of(alice)
    mark = re.findall(r'name="instead" value="(\w+)"', alice.get("/takeaways").text)[0]
    house.pass_time(minutes=1)
    alice.post(MAKE, {"instead": mark})
    alice.post(MAKE, {"instead": mark})  # the form was sent twice
    second = address_of(alice)
    absent = house.visit().get("/nowhere")
    assert first != second
    assert (house.visit().get(first).status_code, house.visit().get(second).status_code) == (
        404, 200,
    )  # fmt: skip
    assert alice.get(first).content == alice.get("/nowhere").content
    assert house.visit().get(first).content == absent.content
    alice.post(OFF)
    alice.post(OFF)
    assert house.visit().get(second).content == absent.content
    assert address_of(alice) not in {first, second}
    events = house.cast.rows("audit_event", table_name="calendar_feed")
    assert [(e["before"] is None, e["after"] is None) for e in events] == [
        (True, False), (False, False), (False, True), (True, False),
    ]  # fmt: skip
    nonces = [row["nonce"] for row in house.cast.rows("calendar_feed")]
    assert all(nonce not in str(events) for nonce in nonces)


def test_a_made_up_address_opens_nothing_and_reading_writes_nothing(page_house: WebClient) -> None:
    absent = page_house.visit().get("/nowhere").content
    real = address_of(page_house.visit(ALICE))
    before = {t: page_house.cast.rows(t) for t in ("calendar_feed", "secret", "audit_event")}
    token = real.removeprefix("/calendar/").removesuffix(".ics")
    for wrong in ("x", "1.a", token[:-1], token + "A", token.swapcase(), "%ff", "a" * 5000, "%00"):
        answer = page_house.visit().get(f"/calendar/{wrong}.ics")
        assert (answer.status_code, answer.content) == (404, absent)
    page_house.visit().get(real)
    assert before == {t: page_house.cast.rows(t) for t in before}
    for who in (BOB, EVE):
        assert token not in page_house.visit(who).get("/takeaways").text
    assert page_house.visit(CAROL).post(MAKE).status_code == 404


def test_an_event_keeps_its_uid_when_its_day_moves(page_house: WebClient) -> None:
    address = address_of(page_house.visit(ALICE))
    due = "Renewal due: NCIMHA IFS"
    before = events_of(page_house, address)[due]
    with writing(page_house.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["renewal"]).values(
                endorsement_id=page_house.cast.endorsements[ALICE],
                cycle_starts_on=date(2026, 1, 1),
                extended_due_on=date(2027, 2, 15),
                reason="Illness",
            )
        )
        page_house.pass_time(days=2)
        people = page_house.cast.people.values()
        evaluate_people(session, BOOKS, people, page_house.now)
    after = events_of(page_house, address)[due]
    assert (before.start, after.start) == (date(2026, 12, 31), date(2027, 2, 15))
    assert before["uid"] == after["uid"]
    assert after["sequence"] > before["sequence"]
    assert after["dtstamp"].dt > before["dtstamp"].dt


def test_nothing_changes_by_itself_and_a_client_hears_that(page_house: WebClient) -> None:
    address = address_of(page_house.visit(ALICE))
    first = page_house.visit().get(address)
    page_house.pass_time(hours=5)
    second = page_house.visit().get(address)
    assert first.content == second.content
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        client = page_house.visit().client
        answer = client.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == first.headers["etag"]


def test_nothing_private_stands_in_it(page_house: WebClient) -> None:
    text = page_house.visit().get(address_of(page_house.visit(ALICE))).text
    for private in ("alice@", "Infant mental health week", "8.5", "16.5", "Jo Hart"):
        assert private not in text


def test_done_and_excused_ring_no_alarm(page_house: WebClient) -> None:
    address = address_of(page_house.visit(ALICE))
    done = events_of(page_house, address)["Renewal complete: NCIMHA IFS"]
    assert done.subcomponents == []
    with writing(page_house.cast.engine) as session:
        session.connection().execute(
            insert(METADATA.tables["leave"]).values(
                endorsement_id=page_house.cast.endorsements[ALICE], starts_on=date(2026, 12, 1)
            )
        )
    assert "Renewal due: NCIMHA IFS" not in events_of(page_house, address)


@pytest.mark.parametrize("email", [ALICE, BOB, EVE])
def test_a_strict_reader_finds_nothing_wrong(page_house: WebClient, email: str) -> None:
    long = "Dana \\ Ruiz; née, \N{SNOWMAN} " * 8
    with writing(page_house.cast.engine) as session:
        table = METADATA.tables["person"]
        mine = table.c.email == DANA
        session.connection().execute(update(table).where(mine).values(name=long[:200]))
        session.connection().execute(
            update(METADATA.tables["vetting"]).values(ends_on=VETTED_UNTIL)
        )
        evaluate_people(session, BOOKS, page_house.cast.people.values(), NOW)
    answer = page_house.visit().get(address_of(page_house.visit(email)))
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


def test_the_address_of_somebody_who_is_gone_opens_nothing(page_house: WebClient) -> None:
    address = address_of(page_house.visit(EVE))
    with writing(page_house.cast.engine) as session:
        session.connection().execute(delete(METADATA.tables["calendar_feed"]))
    assert page_house.visit().get(address).status_code == 404
