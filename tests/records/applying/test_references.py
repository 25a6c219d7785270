"""References: whom an applicant names, the link, the one answer, and what stays secret."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select, update

from tests.support.referees import apply, decided
from tracker.records.applying.reference_answers import (
    Answer,
    Link,
    count_reminder,
    decline,
    find_request,
    open_link,
    store_answer,
    unanswered,
)
from tracker.records.applying.references import (
    Naming,
    NamingRefused,
    name_referee,
    named_referees,
    own_application,
    request_key,
    withdraw_referee,
)
from tracker.records.entries.entry_writes import Author
from tracker.records.schema.tables import METADATA
from tracker.records.sign_in.sign_in import hashed
from tracker.records.store.engine import open_engine, reading, writing
from tracker.records.store.keys import make_key

NOW = datetime(2026, 11, 22, 17, tzinfo=UTC)
DAY = timedelta(days=1)
PAT = Naming("pat@example.org", "Pat Doe", "supervisor")
QUINN = Naming("quinn@example.org", "Quinn Ito", "colleague")
GIVEN = Answer(True, "I lead their programme", "REF", "IMHS", False, "Pat Doe")  # noqa: FBT003
MOST = 5


class Desk:
    """Alice's application, number 1, and Bob's."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = open_engine(url)
        people = METADATA.tables["person"]
        with writing(self.engine) as connection:
            for number, name in ((1, "alice"), (2, "bob")):
                second = "Alice@Home.example" if number == 1 else None
                row = {"id": number, "email": f"{name}@example.org", "name": name.capitalize()}
                row |= {"highest_degree": "none", "provides_rsc": False, "second_email": second}
                connection.execute(insert(people).values(row))
            self.alices = apply(connection, 1)
            self.bobs = apply(connection, 2)
        self.author = Author(1, "alice@example.org", NOW)

    def name(self, naming: Naming, *, most: int = MOST) -> int | None:
        with writing(self.engine) as connection:
            application = own_application(connection, 1, self.alices, for_writing=True)
            assert application is not None
            return name_referee(connection, self.author, application, naming, most)

    def ask(self, naming: Naming = PAT, at: datetime = NOW) -> Link:
        number = self.name(naming)
        assert number is not None
        with writing(self.engine) as connection:
            return open_link(connection, number, at)

    def withdraw(self, reference_id: int) -> str | None:
        with writing(self.engine) as connection:
            application = own_application(connection, 1, self.alices, for_writing=True)
            assert application is not None
            return withdraw_referee(connection, self.author, application, reference_id)

    def states(self) -> list[tuple[str, str]]:
        with reading(self.engine) as connection:
            return [(n.name, n.state) for n in named_referees(connection, self.alices)]

    def answer(self, link: Link, given: Answer = GIVEN) -> bool:
        with writing(self.engine) as connection:
            return store_answer(connection, link.request, given, NOW)

    def rows(self, table: str = "reference") -> list[dict[str, Any]]:
        with reading(self.engine) as connection:
            found = connection.execute(select(METADATA.tables[table])).mappings()
            return [dict(row) for row in found]

    def change(self, table: str, **values: object) -> None:
        with writing(self.engine) as connection:
            connection.execute(update(METADATA.tables[table]).values(values))


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    desk = Desk(database_url)
    yield desk
    desk.engine.dispose()


def refusal(desk: Desk, naming: Naming, *, most: int = MOST) -> tuple[str, str]:
    with pytest.raises(NamingRefused) as refused:
        desk.name(naming, most=most)
    return refused.value.field, str(refused.value)


def test_a_named_referee_waits(desk: Desk) -> None:
    assert desk.name(PAT) is not None
    assert desk.states() == [("Pat Doe", "waiting")]


def test_naming_the_same_again_changes_nothing(desk: Desk) -> None:
    desk.name(PAT)
    assert desk.name(PAT) is None
    assert len(desk.rows()) == 1


def test_an_address_stands_for_one_referee(desk: Desk) -> None:
    desk.name(PAT)
    field, words = refusal(desk, PAT._replace(role="colleague"))
    assert field == "email"
    assert words.startswith("Pat Doe is named with this address")


@pytest.mark.parametrize("own", ["alice@example.org", "alice@home.example"])
def test_nobody_is_their_own_referee(desk: Desk, own: str) -> None:
    assert "your own" in refusal(desk, PAT._replace(email=own))[1]


def test_only_so_many_are_named_at_a_time_and_who_declined_is_none_of_them(desk: Desk) -> None:
    link = desk.ask(PAT)
    assert refusal(desk, QUINN, most=1)[1].startswith("Several people have not answered")
    with writing(desk.engine) as connection:
        decline(connection, link.request, NOW)
    assert desk.name(QUINN, most=1) is not None
    assert desk.states() == [("Pat Doe", "declined"), ("Quinn Ito", "waiting")]


def test_received_references_leave_room_for_the_spare_ones_whatever_they_say(desk: Desk) -> None:
    denied = GIVEN._replace(role_confirmed=False)
    for number, given in enumerate((GIVEN, denied, denied, GIVEN, denied)):
        desk.answer(desk.ask(PAT._replace(email=f"p{number}@example.org")), given)
    waiting = [desk.name(QUINN._replace(email=f"q{number}@example.org")) for number in range(2)]
    assert None not in waiting
    assert refusal(desk, QUINN)[1].startswith("Several people have not answered")


def test_who_declined_is_refused_with_the_same_words_whatever_else_is_typed(desk: Desk) -> None:
    link = desk.ask(PAT)
    with writing(desk.engine) as connection:
        decline(connection, link.request, NOW)
    words = "You have named Pat Doe with this address, and they declined: name somebody else"
    assert refusal(desk, PAT) == refusal(desk, PAT._replace(name="P. Doe")) == ("email", words)


def test_whose_reference_has_come_is_not_named_again(desk: Desk) -> None:
    desk.answer(desk.ask(PAT))
    assert "their reference has come" in refusal(desk, PAT)[1]


def test_only_so_many_are_named_within_a_day_though_they_be_removed(desk: Desk) -> None:
    for number in range(10):
        reference_id = desk.name(PAT._replace(email=f"p{number}@example.org"))
        assert reference_id is not None
        desk.withdraw(reference_id)
    assert refusal(desk, PAT)[1].endswith("name the next one tomorrow")
    desk.author = replace(desk.author, at=NOW + DAY)
    assert desk.name(PAT) is not None


def test_nobody_is_named_for_a_decided_application(desk: Desk) -> None:
    desk.change("application", **decided(NOW))
    assert "endorsed" in refusal(desk, PAT)[1]


def test_one_who_has_not_answered_is_withdrawn_and_the_link_opens_nothing(desk: Desk) -> None:
    link = desk.ask()
    assert desk.withdraw(link.request.id) == "Pat Doe"
    assert desk.states() == []
    with reading(desk.engine) as connection:
        assert find_request(connection, link.token) is None


def test_one_who_has_answered_or_belongs_to_another_is_not_withdrawn(desk: Desk) -> None:
    link = desk.ask()
    desk.answer(link)
    assert desk.withdraw(link.request.id) is None
    assert desk.withdraw(999) is None
    desk.change("reference", application_id=desk.bobs, received_at=None)
    assert desk.withdraw(link.request.id) is None


def test_an_application_of_anothers_is_not_there(desk: Desk) -> None:
    with reading(desk.engine) as connection:
        assert own_application(connection, 1, desk.bobs) is None
        assert own_application(connection, 1, 999) is None


def test_the_database_holds_only_the_tokens_hash(desk: Desk) -> None:
    link = desk.ask()
    [row] = desk.rows()
    assert row["token_hash"] == hashed(link.token)
    assert len(link.token) == 43
    assert all(link.token not in str(row) for t in METADATA.tables for row in desk.rows(t))


def test_each_reference_has_a_link_of_its_own_also_where_an_id_comes_again(desk: Desk) -> None:
    first = desk.ask(PAT)
    desk.withdraw(first.request.id)
    second = desk.ask(QUINN)
    with writing(desk.engine) as connection:
        connection.execute(update(METADATA.tables["reference"]).values(id=first.request.id))
        again = open_link(connection, first.request.id, NOW)
    assert len({first.token, second.token, again.token}) >= 2
    assert first.token != again.token
    assert request_key(1, first.request.token_hash or "", 0) != request_key(
        1, again.request.token_hash or "", 0
    )


def test_a_reminder_has_the_same_link(desk: Desk) -> None:
    link = desk.ask()
    with writing(desk.engine) as connection:
        [request] = unanswered(connection, "REF", NOW + DAY)
        reminded = count_reminder(connection, request, NOW + DAY)
    assert reminded is not None
    assert (reminded.token, reminded.request.reminders) == (link.token, 1)


def test_with_a_new_key_a_reminder_has_a_link_that_opens(desk: Desk) -> None:
    desk.ask()
    desk.change("secret", value="ab" * 32)
    with writing(desk.engine) as connection:
        [request] = unanswered(connection, "REF", NOW + DAY)
        reminded = count_reminder(connection, request, NOW + DAY)
        assert reminded is not None
        assert find_request(connection, reminded.token) is not None


def test_a_reminder_is_counted_once(desk: Desk) -> None:
    desk.ask()
    with writing(desk.engine) as connection:
        [request] = unanswered(connection, "REF", NOW + DAY)
        assert count_reminder(connection, request, NOW + DAY) is not None
        assert count_reminder(connection, request, NOW + DAY) is None


def unanswered_now(connection: Connection) -> list[str]:
    return [r.name for r in unanswered(connection, "REF", NOW + DAY)]


def test_answered_declined_and_decided_ones_are_not_unanswered(desk: Desk) -> None:
    pat, quinn = desk.ask(PAT), desk.ask(QUINN)
    with writing(desk.engine) as connection:
        assert unanswered_now(connection) == ["Pat Doe", "Quinn Ito"]
        store_answer(connection, pat.request, GIVEN, NOW)
        assert unanswered_now(connection) == ["Quinn Ito"]
        decline(connection, quinn.request, NOW)
        assert unanswered_now(connection) == []
    desk.ask(PAT._replace(email="third@example.org"))
    desk.change("application", **decided(NOW))
    with reading(desk.engine) as connection:
        assert unanswered_now(connection) == []


def test_an_answer_is_stored_whole_and_once(desk: Desk) -> None:
    link = desk.ask()
    assert desk.answer(link)
    assert not desk.answer(link, GIVEN._replace(relationship="Something else"))
    with writing(desk.engine) as connection:
        assert not decline(connection, link.request, NOW)
    [row] = desk.rows()
    assert {name: row[name] for name in Answer._fields} == GIVEN._asdict()
    assert (row["received_at"], row["declined_at"]) == (NOW, None)
    assert desk.states() == [("Pat Doe", "received")]


def test_who_has_declined_does_not_answer(desk: Desk) -> None:
    link = desk.ask()
    with writing(desk.engine) as connection:
        assert decline(connection, link.request, NOW)
    assert not desk.answer(link)
    assert desk.states() == [("Pat Doe", "declined")]


def test_what_the_applicant_reads_holds_nothing_of_the_answer(desk: Desk) -> None:
    desk.answer(desk.ask())
    with reading(desk.engine) as connection:
        [named] = named_referees(connection, desk.alices)
    assert GIVEN.relationship not in str(named)
    assert "IMHS" not in str(named)


def test_each_change_leaves_an_audit_event(desk: Desk) -> None:
    link = desk.ask(PAT)
    other = desk.ask(QUINN)
    desk.withdraw(other.request.id)
    desk.answer(link)
    events = [(e["who"], bool(e["before"]), bool(e["after"])) for e in desk.rows("audit_event")]
    alice, pat = "alice@example.org", "pat@example.org"
    named, withdrawn, answered = (alice, False, True), (alice, True, False), (pat, True, True)
    assert events == [named, named, withdrawn, answered]
    assert json.loads(desk.rows("audit_event")[-1]["after"])["signed_as"] == "Pat Doe"


def test_a_mail_that_came_back_is_told(desk: Desk) -> None:
    link = desk.ask()
    row = {"dedupe_key": request_key(link.request.id, link.request.token_hash or "", 0),
           "message_id": "<1@x>", "kind": "reference", "recipient": PAT.email, "subject": "?",
           "body": b"", "state": "failed", "attempts": 1, "created_at": NOW,
           "next_attempt_at": NOW, "fence": 0, "finished_at": NOW}  # fmt: skip
    with writing(desk.engine) as connection:
        connection.execute(insert(METADATA.tables["outbox"]).values(row))
        [named] = named_referees(connection, desk.alices)
    assert named.came_back


def test_a_link_needs_an_instant_at_which_it_was_asked_for(desk: Desk) -> None:
    link = desk.ask()
    with writing(desk.engine) as connection, pytest.raises(ValueError, match="not been asked"):
        count_reminder(connection, link.request._replace(asked_at=None), NOW)


def test_a_key_is_made_once(desk: Desk) -> None:
    with writing(desk.engine) as connection:
        assert make_key(connection, "x") == make_key(connection, "x") != make_key(connection, "y")
