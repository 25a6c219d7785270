"""Promise 21: the digest, the coordinator's page, and the CLI name the same people and reasons."""

import csv
import hashlib
import json
import os
import re
from collections.abc import Sequence
from datetime import date, timedelta
from io import StringIO
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlmodel import Session
from typer.testing import CliRunner

from tests.support.cast import BASE_URL, BOOKS, CAROL, NOW, fill
from tests.web.client import WebClient
from tracker import clock
from tracker.cli.main import app
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.notifications.digest_mail import write_digest
from tracker.services.attention import AttentionKind, list_attention
from tracker.services.week import count_week

TODAY = NOW.date()
DAY = timedelta(days=1)


class Endorsee(NamedTuple):
    """One generated endorsee of NCIMHA, with a renewal of this cycle or the one before."""

    status: str
    is_behind: bool
    is_previous: bool
    is_refused: bool
    has_second: bool
    short_hours: int
    providers: tuple[str, ...]
    has_request: bool
    question: str


NOBODY = Endorsee(
    status="met",
    is_behind=False,
    is_previous=False,
    is_refused=False,
    has_second=False,
    short_hours=1,
    providers=(),
    has_request=False,
    question="",
)
ENDORSEES = st.lists(
    st.builds(
        Endorsee,
        st.sampled_from(["lapsed", "overdue", "open", "excused", "met"]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.integers(1, 5),
        st.lists(st.sampled_from(["Jo Hart", "jo  HART", "Kim Lee"]), max_size=2).map(tuple),
        st.booleans(),
        st.sampled_from(["", "open", "answered", "settled"]),
    ),
    max_size=7,
)


def store(session: Session, endorsees: Sequence[Endorsee]) -> None:
    """Replace everyone by these endorsees."""
    for table in reversed(METADATA.sorted_tables):
        if table.name not in ("secret", "browser_session"):
            session.connection().execute(table.delete())
    for number, endorsee in enumerate(endorsees, 1):
        add = _adder(session)
        add(
            "person",
            id=number,
            email=f"p{number}@example.org",
            name=f"Person {number % 3}",
            highest_degree="none",
            provides_rsc=False,
            second_email=f"p{number}@home.example" if endorsee.has_second else None,
            email_refused_at=NOW if endorsee.is_refused else None,
        )
        add(
            "endorsement",
            id=number,
            person_id=number,
            association="NCIMHA",
            category="IFS",
            starts_on=date(2024, 1, 1),
        )
        year = TODAY.year - endorsee.is_previous
        add(
            "standing",
            endorsement_id=number,
            cycle_starts_on=date(year, 1, 1),
            association="NCIMHA",
            cycle_ends_on=date(year, 12, 31),
            due_on=date(year, 12, 31),
            status=endorsee.status,
            status_since=TODAY,
            falls_behind_on=TODAY if endorsee.is_behind else None,
            short_minutes=60 * endorsee.short_hours,
            requirements="[]",
            judged_on=TODAY,
            rules_digest="",
        )
        for provider in endorsee.providers:
            add(
                "entry",
                person_id=number,
                activity="rsc",
                held_on=date(year, 5, 1),
                minutes=60,
                title="RSC",
                provider_name=provider,
            )
        if endorsee.has_request:
            add(
                "time_request",
                id=number,
                endorsement_id=number,
                kind="leave",
                starts_on=TODAY,
                reason="",
                form_key=str(number),
                asked_at=NOW - number * DAY,
                state="asked",
            )
    for number, endorsee in enumerate(endorsees, 1):
        if endorsee.question:
            _add_question(_adder(session), number, endorsee.question)


def _add_question(add: Any, number: int, state: str) -> None:  # noqa: ANN401 - as above
    entry_id = add(
        "entry",
        person_id=number,
        activity="training",
        held_on=TODAY,
        minutes=60,
        title="Attachment",
    )
    add(
        "entry_question",
        id=number,
        entry_id=entry_id,
        association="NCIMHA",
        asked_at=NOW,
        asked_by=CAROL,
        state=state,
        settled_at=NOW if state == "settled" else None,
    )
    add(
        "entry_message",
        question_id=number,
        entry_id=entry_id,
        written_at=NOW,
        written_by="",
        is_answer=state == "answered",
        text="Where was it?",
    )


def _adder(session: Session) -> Any:  # noqa: ANN401 - a function of any columns
    def add(table: str, **values: object) -> int:
        result = session.connection().execute(insert(METADATA.tables[table]).values(**values))
        key: Any = result.inserted_primary_key
        return int(key[0])

    return add


def rows_on_page(house: WebClient) -> list[str]:
    """The causes that the start page lists, on all pages of the queue."""
    carol, keys, number = house.visit(CAROL), list[str](), 1
    while True:
        page = carol.get(f"/coordinator?page={number}")
        found = re.findall(r'<tr id="([^"]*)" data-cause', page.text)
        keys += found
        if f"page={number + 1}" not in page.text:
            break
        number += 1
    headline = re.search(r"<h1>(.*?)</h1>", page.text)
    assert headline
    if keys:
        assert headline[1].startswith(f"{len(keys)} item")
    else:
        assert headline[1].startswith(("Nothing needs your attention", "No endorsements yet."))
    return keys


def test_page_digest_cli_and_export_agree(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = WebClient(fill(sqlite_url))
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("TRACKER_BASE_URL", BASE_URL)
    monkeypatch.setattr(clock, "now", lambda: NOW)

    @settings(
        max_examples=int(os.environ.get("TRACKER_TEST_EXAMPLES", "12")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(ENDORSEES)
    def agree(endorsees: list[Endorsee]) -> None:
        with writing(house.cast.engine) as session:
            store(session, endorsees)
        with reading(house.cast.engine) as session:
            week = count_week(session, BOOKS, "NCIMHA", TODAY, NOW, recent_months=12)
            attention = list_attention(session, BOOKS, "NCIMHA", NOW)
        digest = write_digest(week, BASE_URL, "", most=100)
        keys = [need.url.partition("#")[2] for need in digest.needs]
        assert len(keys) == len(set(keys)) == len(attention)
        if keys:
            assert digest.headline.startswith(f"{len(keys)} item")
        assert rows_on_page(house) == keys
        printed = CliRunner().invoke(app, ["attention", "--association", "NCIMHA", "--json"])
        urls = [need.url for need in digest.needs]
        assert [row["row_url"] for row in json.loads(printed.stdout)] == urls
        sheet = house.visit(CAROL).get("/coordinator/attention.csv").content.decode("utf-8-sig")
        rows = list(csv.DictReader(StringIO(sheet, newline="")))
        assert [row["row_url"] for row in rows] == urls
        assert [(row["name"], row["todo"]) for row in rows] == [
            (need.name, need.todo) for need in digest.needs
        ]
        assert set(keys) == expected_keys(endorsees)

    agree()
    house.cast.engine.dispose()


def expected_keys(endorsees: Sequence[Endorsee]) -> set[str]:
    """The causes, worked out without any of the tracker's code."""
    keys, providers = set[str](), set[str]()
    for number, endorsee in enumerate(endorsees, 1):
        year = TODAY.year - endorsee.is_previous
        is_late = endorsee.status in ("lapsed", "overdue")
        is_behind = endorsee.status == "open" and endorsee.is_behind
        is_listed = not endorsee.is_previous or endorsee.status in ("lapsed", "overdue", "open")
        if endorsee.has_request:
            keys.add(f"request-{number}")
        if endorsee.question == "answered":
            keys.add(f"answer-{number}")
        if not is_listed:
            continue
        if is_late or is_behind:
            keys.add(f"renewal-{number}-{year}-01-01")
        if endorsee.is_refused:
            keys.add(f"address-{number}")
        providers.update(" ".join(name.casefold().split()) for name in endorsee.providers)
    for name in providers:
        keys.add(f"provider-{hashlib.sha256(name.encode()).hexdigest()[:12]}")
    return keys


def test_a_lapse_comes_before_this_years_few_hours(sqlite_url: str) -> None:
    cast = fill(sqlite_url)
    otto = NOBODY._replace(status="open", is_behind=True, short_hours=20)
    lena = NOBODY._replace(status="lapsed", is_behind=True, is_previous=True)
    with writing(cast.engine) as session:
        store(session, [otto, lena])
        add = _adder(session)
        add(
            "standing",
            endorsement_id=2,
            cycle_starts_on=date(TODAY.year, 1, 1),
            association="NCIMHA",
            cycle_ends_on=date(TODAY.year, 12, 31),
            due_on=date(TODAY.year, 12, 31),
            status="open",
            status_since=TODAY,
            falls_behind_on=TODAY,
            short_minutes=120,
            requirements="[]",
            judged_on=TODAY,
            rules_digest="",
        )
    with reading(cast.engine) as session:
        attention = list_attention(session, BOOKS, "NCIMHA", NOW)
    cast.engine.dispose()
    assert [(item.endorsement_id, item.kind) for item in attention] == [
        (2, AttentionKind.LAPSED),
        (1, AttentionKind.BEHIND),
    ]
