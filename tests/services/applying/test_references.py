"""References: whom an applicant names, the link, the one answer, and what stays secret."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update
from sqlmodel import Session

from tests.support.referees import apply, decided
from tracker.db.engine import open_engine, reading, writing
from tracker.db.statements import make_key
from tracker.db.tables import METADATA
from tracker.services.context import Author
from tracker.services.references import (
    Answer,
    Link,
    Naming,
    NamingRefused,
    count_reminder,
    decline,
    find_request,
    name_referee,
    named_referees,
    open_link,
    own_application,
    request_key,
    store_answer,
    unanswered,
    withdraw_referee,
)
from tracker.services.sign_in import hashed

NOW = datetime(2026, 11, 22, 17, tzinfo=UTC)
DAY = timedelta(days=1)
PAT = Naming("pat@example.org", "Pat Doe", "supervisor")
QUINN = Naming("quinn@example.org", "Quinn Ito", "colleague")
GIVEN = Answer(True, "I lead their programme", "REF", "IMHS", False, "Pat Doe")  # noqa: FBT003
MOST = 5


class JobHarness:
    """Alice's application, number 1, and Bob's."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = open_engine(url)
        people = METADATA.tables["person"]
        with writing(self.engine) as session:
            for number, name in ((1, "alice"), (2, "bob")):
                second = "Alice@Home.example" if number == 1 else None
                row = {"id": number, "email": f"{name}@example.org", "name": name.capitalize()}
                row |= {"highest_degree": "none", "provides_rsc": False, "second_email": second}
                session.connection().execute(insert(people).values(row))
            self.alices = apply(session, 1)
            self.bobs = apply(session, 2)
        self.author = Author(1, "alice@example.org", NOW)

    def name(self, naming: Naming, *, most: int = MOST) -> int | None:
        with writing(self.engine) as session:
            application = own_application(session, 1, self.alices, for_writing=True)
            assert application is not None
            return name_referee(session, self.author, application, naming, most)

    def ask(self, naming: Naming = PAT, at: datetime = NOW) -> Link:
        number = self.name(naming)
        assert number is not None
        with writing(self.engine) as session:
            return open_link(session, number, at)

    def withdraw(self, reference_id: int) -> str | None:
        with writing(self.engine) as session:
            application = own_application(session, 1, self.alices, for_writing=True)
            assert application is not None
            return withdraw_referee(session, self.author, application, reference_id)

    def states(self) -> list[tuple[str, str]]:
        with reading(self.engine) as session:
            return [(n.name, n.state) for n in named_referees(session, self.alices)]

    def answer(self, link: Link, given: Answer = GIVEN) -> bool:
        with writing(self.engine) as session:
            return store_answer(session, link.request, given, NOW)

    def rows(self, table: str = "reference") -> list[dict[str, Any]]:
        with reading(self.engine) as session:
            found = session.connection().execute(select(METADATA.tables[table])).mappings()
            return [dict(row) for row in found]

    def change(self, table: str, **values: object) -> None:
        with writing(self.engine) as session:
            session.connection().execute(update(METADATA.tables[table]).values(values))


@pytest.fixture
def desk(database_url: str) -> Iterator[JobHarness]:
    desk = JobHarness(database_url)
    yield desk
    desk.engine.dispose()


def refusal(desk: JobHarness, naming: Naming, *, most: int = MOST) -> tuple[str, str]:
    with pytest.raises(NamingRefused) as refused:
        desk.name(naming, most=most)
    return refused.value.field, str(refused.value)


def test_a_named_referee_waits(desk: JobHarness) -> None:
    assert desk.name(PAT) is not None
    assert desk.states() == [("Pat Doe", "waiting")]


def test_naming_the_same_again_changes_nothing(desk: JobHarness) -> None:
    desk.name(PAT)
    assert desk.name(PAT) is None
    assert len(desk.rows()) == 1


def test_an_address_stands_for_one_referee(desk: JobHarness) -> None:
    desk.name(PAT)
    field, words = refusal(desk, PAT._replace(role="colleague"))
    assert field == "email"
    assert words.startswith("Pat Doe is named with this address")


@pytest.mark.parametrize("own", ["alice@example.org", "alice@home.example"])
def test_nobody_is_their_own_referee(desk: JobHarness, own: str) -> None:
    assert "your own" in refusal(desk, PAT._replace(email=own))[1]


def test_only_so_many_are_named_at_a_time_and_who_declined_is_none_of_them(
    desk: JobHarness,
) -> None:
    link = desk.ask(PAT)
    assert refusal(desk, QUINN, most=1)[1].startswith("Several people have not answered")
    with writing(desk.engine) as session:
        decline(session, link.request, NOW)
    assert desk.name(QUINN, most=1) is not None
    assert desk.states() == [("Pat Doe", "declined"), ("Quinn Ito", "waiting")]


def test_received_references_leave_room_for_the_spare_ones_whatever_they_say(
    desk: JobHarness,
) -> None:
    denied = GIVEN._replace(role_confirmed=False)
    for number, given in enumerate((GIVEN, denied, denied, GIVEN, denied)):
        desk.answer(desk.ask(PAT._replace(email=f"p{number}@example.org")), given)
    waiting = [desk.name(QUINN._replace(email=f"q{number}@example.org")) for number in range(2)]
    assert None not in waiting
    assert refusal(desk, QUINN)[1].startswith("Several people have not answered")


def test_who_declined_is_refused_with_the_same_words_whatever_else_is_typed(
    desk: JobHarness,
) -> None:
    link = desk.ask(PAT)
    with writing(desk.engine) as session:
        decline(session, link.request, NOW)
    words = "You have named Pat Doe with this address, and they declined: name somebody else"
    assert refusal(desk, PAT) == refusal(desk, PAT._replace(name="P. Doe")) == ("email", words)


def test_whose_reference_has_come_is_not_named_again(desk: JobHarness) -> None:
    desk.answer(desk.ask(PAT))
    assert "their reference has come" in refusal(desk, PAT)[1]


def test_only_so_many_are_named_within_a_day_though_they_be_removed(desk: JobHarness) -> None:
    for number in range(10):
        reference_id = desk.name(PAT._replace(email=f"p{number}@example.org"))
        assert reference_id is not None
        desk.withdraw(reference_id)
    assert refusal(desk, PAT)[1].endswith("name the next one tomorrow")
    desk.author = replace(desk.author, at=NOW + DAY)
    assert desk.name(PAT) is not None


def test_nobody_is_named_for_a_decided_application(desk: JobHarness) -> None:
    desk.change("application", **decided(NOW))
    assert "endorsed" in refusal(desk, PAT)[1]


def test_one_who_has_not_answered_is_withdrawn_and_the_link_opens_nothing(desk: JobHarness) -> None:
    link = desk.ask()
    assert desk.withdraw(link.request.id) == "Pat Doe"
    assert desk.states() == []
    with reading(desk.engine) as session:
        assert find_request(session, link.token) is None


def test_one_who_has_answered_or_belongs_to_another_is_not_withdrawn(desk: JobHarness) -> None:
    link = desk.ask()
    desk.answer(link)
    assert desk.withdraw(link.request.id) is None
    assert desk.withdraw(999) is None
    desk.change("reference", application_id=desk.bobs, received_at=None)
    assert desk.withdraw(link.request.id) is None


def test_an_application_of_anothers_is_not_there(desk: JobHarness) -> None:
    with reading(desk.engine) as session:
        assert own_application(session, 1, desk.bobs) is None
        assert own_application(session, 1, 999) is None


def test_the_database_holds_only_the_tokens_hash(desk: JobHarness) -> None:
    link = desk.ask()
    [row] = desk.rows()
    assert row["token_hash"] == hashed(link.token)
    assert len(link.token) == 43
    assert all(link.token not in str(row) for t in METADATA.tables for row in desk.rows(t))


def test_each_reference_has_a_link_of_its_own_also_where_an_id_comes_again(
    desk: JobHarness,
) -> None:
    first = desk.ask(PAT)
    desk.withdraw(first.request.id)
    second = desk.ask(QUINN)
    with writing(desk.engine) as session:
        session.connection().execute(
            update(METADATA.tables["reference"]).values(id=first.request.id)
        )
        again = open_link(session, first.request.id, NOW)
    assert len({first.token, second.token, again.token}) >= 2
    assert first.token != again.token
    assert request_key(1, first.request.token_hash or "", 0) != request_key(
        1, again.request.token_hash or "", 0
    )


def test_a_reminder_has_the_same_link(desk: JobHarness) -> None:
    link = desk.ask()
    with writing(desk.engine) as session:
        [request] = unanswered(session, "REF", NOW + DAY)
        reminded = count_reminder(session, request, NOW + DAY)
    assert reminded is not None
    assert (reminded.token, reminded.request.reminders) == (link.token, 1)


def test_with_a_new_key_a_reminder_has_a_link_that_opens(desk: JobHarness) -> None:
    desk.ask()
    desk.change("secret", value="ab" * 32)
    with writing(desk.engine) as session:
        [request] = unanswered(session, "REF", NOW + DAY)
        reminded = count_reminder(session, request, NOW + DAY)
        assert reminded is not None
        assert find_request(session, reminded.token) is not None


def test_a_reminder_is_counted_once(desk: JobHarness) -> None:
    desk.ask()
    with writing(desk.engine) as session:
        [request] = unanswered(session, "REF", NOW + DAY)
        assert count_reminder(session, request, NOW + DAY) is not None
        assert count_reminder(session, request, NOW + DAY) is None


def unanswered_now(session: Session) -> list[str]:
    return [r.name for r in unanswered(session, "REF", NOW + DAY)]


def test_answered_declined_and_decided_ones_are_not_unanswered(desk: JobHarness) -> None:
    pat, quinn = desk.ask(PAT), desk.ask(QUINN)
    with writing(desk.engine) as session:
        assert unanswered_now(session) == ["Pat Doe", "Quinn Ito"]
        store_answer(session, pat.request, GIVEN, NOW)
        assert unanswered_now(session) == ["Quinn Ito"]
        decline(session, quinn.request, NOW)
        assert unanswered_now(session) == []
    desk.ask(PAT._replace(email="third@example.org"))
    desk.change("application", **decided(NOW))
    with reading(desk.engine) as session:
        assert unanswered_now(session) == []


def test_an_answer_is_stored_whole_and_once(desk: JobHarness) -> None:
    link = desk.ask()
    assert desk.answer(link)
    assert not desk.answer(link, GIVEN._replace(relationship="Something else"))
    with writing(desk.engine) as session:
        assert not decline(session, link.request, NOW)
    [row] = desk.rows()
    assert {name: row[name] for name in Answer._fields} == GIVEN._asdict()
    assert (row["received_at"], row["declined_at"]) == (NOW, None)
    assert desk.states() == [("Pat Doe", "received")]


def test_who_has_declined_does_not_answer(desk: JobHarness) -> None:
    link = desk.ask()
    with writing(desk.engine) as session:
        assert decline(session, link.request, NOW)
    assert not desk.answer(link)
    assert desk.states() == [("Pat Doe", "declined")]


def test_what_the_applicant_reads_holds_nothing_of_the_answer(desk: JobHarness) -> None:
    desk.answer(desk.ask())
    with reading(desk.engine) as session:
        [named] = named_referees(session, desk.alices)
    assert GIVEN.relationship not in str(named)
    assert "IMHS" not in str(named)


def test_each_change_leaves_an_audit_event(desk: JobHarness) -> None:
    link = desk.ask(PAT)
    other = desk.ask(QUINN)
    desk.withdraw(other.request.id)
    desk.answer(link)
    events = [(e["who"], bool(e["before"]), bool(e["after"])) for e in desk.rows("audit_event")]
    alice, pat = "alice@example.org", "pat@example.org"
    named, withdrawn, answered = (alice, False, True), (alice, True, False), (pat, True, True)
    assert events == [named, named, withdrawn, answered]
    assert json.loads(desk.rows("audit_event")[-1]["after"])["signed_as"] == "Pat Doe"


def test_a_mail_that_came_back_is_told(desk: JobHarness) -> None:
    link = desk.ask()
    row = {"dedupe_key": request_key(link.request.id, link.request.token_hash or "", 0),
           "message_id": "<1@x>", "kind": "reference", "recipient": PAT.email, "subject": "?",
           "body": b"", "state": "failed", "attempts": 1, "created_at": NOW,
           "next_attempt_at": NOW, "fence": 0, "finished_at": NOW}  # fmt: skip
    with writing(desk.engine) as session:
        session.connection().execute(insert(METADATA.tables["outbox"]).values(row))
        [named] = named_referees(session, desk.alices)
    assert named.came_back


def test_a_link_needs_an_instant_at_which_it_was_asked_for(desk: JobHarness) -> None:
    link = desk.ask()
    with writing(desk.engine) as session, pytest.raises(ValueError, match="not been asked"):
        count_reminder(session, link.request._replace(asked_at=None), NOW)


def test_a_key_is_made_once(desk: JobHarness) -> None:
    with writing(desk.engine) as session:
        assert make_key(session, "x") == make_key(session, "x") != make_key(session, "y")
