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
    NamingRefused,
    RefereeInput,
    ReferenceAnswer,
    ReferenceLink,
    count_reminder,
    decline,
    find_request,
    list_unanswered_requests,
    name_referee,
    named_referees,
    open_link,
    own_application,
    request_key,
    store_answer,
    withdraw_referee,
)
from tracker.services.sign_in import hash_token

NOW = datetime(2026, 11, 22, 17, tzinfo=UTC)
DAY = timedelta(days=1)
PAT = RefereeInput("pat@example.org", "Pat Doe", "supervisor")
QUINN = RefereeInput("quinn@example.org", "Quinn Ito", "colleague")
GIVEN = ReferenceAnswer(True, "I lead their programme", "REF", "IMHS", False, "Pat Doe")  # noqa: FBT003
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

    def name(self, naming: RefereeInput, *, most: int = MOST) -> int | None:
        with writing(self.engine) as session:
            application = own_application(session, 1, self.alices, for_writing=True)
            assert application is not None
            return name_referee(session, self.author, application, naming, most)

    def ask(self, naming: RefereeInput = PAT, at: datetime = NOW) -> ReferenceLink:
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

    def answer(self, link: ReferenceLink, given: ReferenceAnswer = GIVEN) -> bool:
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
def jobs(database_url: str) -> Iterator[JobHarness]:
    jobs = JobHarness(database_url)
    yield jobs
    jobs.engine.dispose()


def refusal(jobs: JobHarness, naming: RefereeInput, *, most: int = MOST) -> tuple[str, str]:
    with pytest.raises(NamingRefused) as refused:
        jobs.name(naming, most=most)
    return refused.value.field, str(refused.value)


def test_a_named_referee_waits(jobs: JobHarness) -> None:
    assert jobs.name(PAT) is not None
    assert jobs.states() == [("Pat Doe", "waiting")]


def test_naming_the_same_again_changes_nothing(jobs: JobHarness) -> None:
    jobs.name(PAT)
    assert jobs.name(PAT) is None
    assert len(jobs.rows()) == 1


def test_an_address_stands_for_one_referee(jobs: JobHarness) -> None:
    jobs.name(PAT)
    field, words = refusal(jobs, PAT._replace(role="colleague"))
    assert field == "email"
    assert words.startswith("Pat Doe is named with this address")


@pytest.mark.parametrize("own", ["alice@example.org", "alice@home.example"])
def test_nobody_is_their_own_referee(jobs: JobHarness, own: str) -> None:
    assert "your own" in refusal(jobs, PAT._replace(email=own))[1]


def test_only_so_many_are_named_at_a_time_and_who_declined_is_none_of_them(
    jobs: JobHarness,
) -> None:
    link = jobs.ask(PAT)
    assert refusal(jobs, QUINN, most=1)[1].startswith("Several people have not answered")
    with writing(jobs.engine) as session:
        decline(session, link.request, NOW)
    assert jobs.name(QUINN, most=1) is not None
    assert jobs.states() == [("Pat Doe", "declined"), ("Quinn Ito", "waiting")]


def test_received_references_leave_room_for_the_spare_ones_whatever_they_say(
    jobs: JobHarness,
) -> None:
    denied = GIVEN._replace(role_confirmed=False)
    for number, given in enumerate((GIVEN, denied, denied, GIVEN, denied)):
        jobs.answer(jobs.ask(PAT._replace(email=f"p{number}@example.org")), given)
    waiting = [jobs.name(QUINN._replace(email=f"q{number}@example.org")) for number in range(2)]
    assert None not in waiting
    assert refusal(jobs, QUINN)[1].startswith("Several people have not answered")


def test_who_declined_is_refused_with_the_same_words_whatever_else_is_typed(
    jobs: JobHarness,
) -> None:
    link = jobs.ask(PAT)
    with writing(jobs.engine) as session:
        decline(session, link.request, NOW)
    words = "You have named Pat Doe with this address, and they declined: name somebody else"
    assert refusal(jobs, PAT) == refusal(jobs, PAT._replace(name="P. Doe")) == ("email", words)


def test_whose_reference_has_come_is_not_named_again(jobs: JobHarness) -> None:
    jobs.answer(jobs.ask(PAT))
    assert "their reference has come" in refusal(jobs, PAT)[1]


def test_only_so_many_are_named_within_a_day_though_they_be_removed(jobs: JobHarness) -> None:
    for number in range(10):
        reference_id = jobs.name(PAT._replace(email=f"p{number}@example.org"))
        assert reference_id is not None
        jobs.withdraw(reference_id)
    assert refusal(jobs, PAT)[1].endswith("name the next one tomorrow")
    jobs.author = replace(jobs.author, at=NOW + DAY)
    assert jobs.name(PAT) is not None


def test_nobody_is_named_for_a_decided_application(jobs: JobHarness) -> None:
    jobs.change("application", **decided(NOW))
    assert "endorsed" in refusal(jobs, PAT)[1]


def test_one_who_has_not_answered_is_withdrawn_and_the_link_opens_nothing(jobs: JobHarness) -> None:
    link = jobs.ask()
    assert jobs.withdraw(link.request.id) == "Pat Doe"
    assert jobs.states() == []
    with reading(jobs.engine) as session:
        assert find_request(session, link.token) is None


def test_one_who_has_answered_or_belongs_to_another_is_not_withdrawn(jobs: JobHarness) -> None:
    link = jobs.ask()
    jobs.answer(link)
    assert jobs.withdraw(link.request.id) is None
    assert jobs.withdraw(999) is None
    jobs.change("reference", application_id=jobs.bobs, received_at=None)
    assert jobs.withdraw(link.request.id) is None


def test_an_application_of_anothers_is_not_there(jobs: JobHarness) -> None:
    with reading(jobs.engine) as session:
        assert own_application(session, 1, jobs.bobs) is None
        assert own_application(session, 1, 999) is None


def test_the_database_holds_only_the_tokens_hash(jobs: JobHarness) -> None:
    link = jobs.ask()
    [row] = jobs.rows()
    assert row["token_hash"] == hash_token(link.token)
    assert len(link.token) == 43
    assert all(link.token not in str(row) for t in METADATA.tables for row in jobs.rows(t))


def test_each_reference_has_a_link_of_its_own_also_where_an_id_comes_again(
    jobs: JobHarness,
) -> None:
    first = jobs.ask(PAT)
    jobs.withdraw(first.request.id)
    second = jobs.ask(QUINN)
    with writing(jobs.engine) as session:
        session.connection().execute(
            update(METADATA.tables["reference"]).values(id=first.request.id)
        )
        again = open_link(session, first.request.id, NOW)
    assert len({first.token, second.token, again.token}) >= 2
    assert first.token != again.token
    assert request_key(1, first.request.token_hash or "", 0) != request_key(
        1, again.request.token_hash or "", 0
    )


def test_a_reminder_has_the_same_link(jobs: JobHarness) -> None:
    link = jobs.ask()
    with writing(jobs.engine) as session:
        [request] = list_unanswered_requests(session, "REF", NOW + DAY)
        reminded = count_reminder(session, request, NOW + DAY)
    assert reminded is not None
    assert (reminded.token, reminded.request.reminders) == (link.token, 1)


def test_with_a_new_key_a_reminder_has_a_link_that_opens(jobs: JobHarness) -> None:
    jobs.ask()
    jobs.change("secret", value="ab" * 32)
    with writing(jobs.engine) as session:
        [request] = list_unanswered_requests(session, "REF", NOW + DAY)
        reminded = count_reminder(session, request, NOW + DAY)
        assert reminded is not None
        assert find_request(session, reminded.token) is not None


def test_a_reminder_is_counted_once(jobs: JobHarness) -> None:
    jobs.ask()
    with writing(jobs.engine) as session:
        [request] = list_unanswered_requests(session, "REF", NOW + DAY)
        assert count_reminder(session, request, NOW + DAY) is not None
        assert count_reminder(session, request, NOW + DAY) is None


def unanswered_now(session: Session) -> list[str]:
    return [r.name for r in list_unanswered_requests(session, "REF", NOW + DAY)]


def test_answered_declined_and_decided_ones_are_not_unanswered(jobs: JobHarness) -> None:
    pat, quinn = jobs.ask(PAT), jobs.ask(QUINN)
    with writing(jobs.engine) as session:
        assert unanswered_now(session) == ["Pat Doe", "Quinn Ito"]
        store_answer(session, pat.request, GIVEN, NOW)
        assert unanswered_now(session) == ["Quinn Ito"]
        decline(session, quinn.request, NOW)
        assert unanswered_now(session) == []
    jobs.ask(PAT._replace(email="third@example.org"))
    jobs.change("application", **decided(NOW))
    with reading(jobs.engine) as session:
        assert unanswered_now(session) == []


def test_an_answer_is_stored_whole_and_once(jobs: JobHarness) -> None:
    link = jobs.ask()
    assert jobs.answer(link)
    assert not jobs.answer(link, GIVEN._replace(relationship="Something else"))
    with writing(jobs.engine) as session:
        assert not decline(session, link.request, NOW)
    [row] = jobs.rows()
    assert {name: row[name] for name in ReferenceAnswer._fields} == GIVEN._asdict()
    assert (row["received_at"], row["declined_at"]) == (NOW, None)
    assert jobs.states() == [("Pat Doe", "received")]


def test_who_has_declined_does_not_answer(jobs: JobHarness) -> None:
    link = jobs.ask()
    with writing(jobs.engine) as session:
        assert decline(session, link.request, NOW)
    assert not jobs.answer(link)
    assert jobs.states() == [("Pat Doe", "declined")]


def test_what_the_applicant_reads_holds_nothing_of_the_answer(jobs: JobHarness) -> None:
    jobs.answer(jobs.ask())
    with reading(jobs.engine) as session:
        [named] = named_referees(session, jobs.alices)
    assert GIVEN.relationship not in str(named)
    assert "IMHS" not in str(named)


def test_each_change_leaves_an_audit_event(jobs: JobHarness) -> None:
    link = jobs.ask(PAT)
    other = jobs.ask(QUINN)
    jobs.withdraw(other.request.id)
    jobs.answer(link)
    events = [(e["who"], bool(e["before"]), bool(e["after"])) for e in jobs.rows("audit_event")]
    alice, pat = "alice@example.org", "pat@example.org"
    named, withdrawn, answered = (alice, False, True), (alice, True, False), (pat, True, True)
    assert events == [named, named, withdrawn, answered]
    assert json.loads(jobs.rows("audit_event")[-1]["after"])["signed_as"] == "Pat Doe"


def test_a_mail_that_came_back_is_told(jobs: JobHarness) -> None:
    link = jobs.ask()
    row = {"dedupe_key": request_key(link.request.id, link.request.token_hash or "", 0),
           "message_id": "<1@x>", "kind": "reference", "recipient": PAT.email, "subject": "?",
           "body": b"", "state": "failed", "attempts": 1, "created_at": NOW,
           "next_attempt_at": NOW, "fence": 0, "finished_at": NOW}  # fmt: skip
    with writing(jobs.engine) as session:
        session.connection().execute(insert(METADATA.tables["outbox"]).values(row))
        [named] = named_referees(session, jobs.alices)
    assert named.came_back


def test_a_link_needs_an_instant_at_which_it_was_asked_for(jobs: JobHarness) -> None:
    link = jobs.ask()
    with writing(jobs.engine) as session, pytest.raises(ValueError, match="not been asked"):
        count_reminder(session, link.request._replace(asked_at=None), NOW)


def test_a_key_is_made_once(jobs: JobHarness) -> None:
    with writing(jobs.engine) as session:
        assert make_key(session, "x") == make_key(session, "x") != make_key(session, "y")
