"""References: naming a referee, the link, the one answer, and what stays secret."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from sqlmodel import Session

from tests.support.referees import REF_BOOKS, apply, decided
from tracker.db.applications import Application, Reference
from tracker.db.engine import open_engine, reading, writing
from tracker.db.signing_keys import REFERENCE, get_signing_key, renew_signing_keys
from tracker.db.tables import METADATA
from tracker.refusal_text import format_refusal
from tracker.rules.application.references import ReferenceProgress
from tracker.services.context import Actor, NotFound, Refusal, Refused, ServiceContext
from tracker.services.reference_submission import (
    ReferenceAnswer,
    ReferenceLink,
    count_reminder,
    decline_reference,
    find_request,
    list_unanswered_requests,
    open_link,
    request_key,
    submit_reference,
)
from tracker.services.references import (
    NamedReferee,
    RefereeInput,
    find_own_application,
    find_referee_to_ask,
    list_named_referees,
    name_referee,
    restore_referee,
    withdraw_referee,
)
from tracker.services.sign_in import hash_token

NOW = datetime(2026, 11, 22, 17, tzinfo=UTC)
DAY = timedelta(days=1)
PAT = RefereeInput("pat@example.org", "Pat Doe", "supervisor")
QUINN = RefereeInput("quinn@example.org", "Quinn Ito", "colleague")
RATED = {"work": "Good"}
LONGEST_EMAIL = f"{'a' * 65}@{'.'.join(['b' * 62] * 3)}"
ZONE = "America/New_York"
GIVEN = ReferenceAnswer(True, "I lead their programme", "REF", "IMHS", False, "Pat Doe", RATED)  # noqa: FBT003


class References:
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
        self.now = NOW

    def context(self, session: Session) -> ServiceContext:
        actor = Actor("alice@example.org", 1)
        return ServiceContext(session, REF_BOOKS, actor, self.now)

    def name(self, referee: RefereeInput) -> int | None:
        with writing(self.engine) as session:
            return name_referee(self.context(session), self.alices, referee)

    def ask(self, referee: RefereeInput = PAT, at: datetime = NOW) -> ReferenceLink:
        number = self.name(referee)
        assert number is not None
        with writing(self.engine) as session:
            return open_link(session, number, at)

    def withdraw(self, reference_id: int) -> None:
        with writing(self.engine) as session:
            withdraw_referee(self.context(session), self.alices, reference_id)

    def states(self) -> list[tuple[str, str]]:
        with reading(self.engine) as session:
            return [(n.name, n.state) for n in list_named_referees(session, self.alices, ZONE)]

    def answer(self, link: ReferenceLink, given: ReferenceAnswer = GIVEN) -> bool:
        with writing(self.engine) as session:
            return submit_reference(self.of_referee(session, link), link.token, given)

    def decline(self, link: ReferenceLink) -> bool:
        with writing(self.engine) as session:
            return decline_reference(self.of_referee(session, link), link.token)

    def of_referee(self, session: Session, link: ReferenceLink) -> ServiceContext:
        return ServiceContext(session, REF_BOOKS, Actor(link.request.reference.email), NOW)

    def rows(self, table: str = "reference") -> list[dict[str, Any]]:
        with reading(self.engine) as session:
            found = session.connection().execute(select(METADATA.tables[table])).mappings()
            return [dict(row) for row in found]

    def change_alices(self, **values: object) -> None:
        """Change Alice's application."""
        table = METADATA.tables["application"]
        with writing(self.engine) as session:
            changed = update(table).where(table.c.id == self.alices).values(values)
            session.connection().execute(changed)

    def change(self, table: str, **values: object) -> None:
        with writing(self.engine) as session:
            session.connection().execute(update(METADATA.tables[table]).values(values))


@pytest.fixture
def references(database_url: str) -> Iterator[References]:
    references = References(database_url)
    yield references
    references.engine.dispose()


def refusal(references: References, referee: RefereeInput) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        references.name(referee)
    (refusal,) = refused.value.refusals
    return refusal.field, format_refusal(refusal.code, refusal.facts)


def test_a_named_referee_waits(references: References) -> None:
    assert references.name(PAT) is not None
    assert references.states() == [("Pat Doe", "waiting")]


def test_naming_the_same_again_changes_nothing(references: References) -> None:
    number = references.name(PAT)
    assert references.name(PAT) == number
    with writing(references.engine) as session:
        open_link(session, number or 0, NOW)
    assert references.name(PAT) is None
    assert len(references.rows()) == 1


def test_an_address_stands_for_one_referee(references: References) -> None:
    references.name(PAT)
    field, words = refusal(references, replace(PAT, role="colleague"))
    assert field == "email"
    assert words.startswith("You have already named Pat Doe with this address")


@pytest.mark.parametrize("own", ["alice@example.org", "alice@home.example"])
def test_nobody_is_their_own_referee(references: References, own: str) -> None:
    field, words = refusal(references, replace(PAT, email=own))
    assert field == "email"
    assert "your own" in words


def test_all_that_is_wrong_with_a_referee_is_said(references: References) -> None:
    def refusals(referee: RefereeInput) -> tuple[Refusal, ...]:
        with pytest.raises(Refused) as refused:
            references.name(referee)
        return tuple(refused.value.refusals)

    invalid, unknown = Refusal("email", "email-invalid"), Refusal("role", "referee-role-unknown")
    assert refusals(RefereeInput("pat", "", "")) == (
        Refusal("name", "referee-name-required"),
        invalid,
        Refusal("role", "referee-role-required"),
    )
    assert refusals(replace(PAT, email=f"a{LONGEST_EMAIL}")) == (invalid,)
    assert refusals(replace(PAT, role="student")) == (unknown,)
    # Neither another category nor a reinstatement asks for references.
    for changed in ({"category": "IMHS"}, {"category": "IFS", "purpose": "reinstatement"}):
        references.change("application", **changed)
        assert refusals(PAT) == (unknown,)
    references.change("application", purpose="application")
    references.change("person", name="www.alice.example")
    facts = {"name": "www.alice.example"}
    assert refusals(PAT) == (Refusal("name", "own-name-looks-like-link", facts),)


def test_long_addresses_and_joined_initials_are_stored(references: References) -> None:
    references.name(replace(PAT, name="K.Smith", email=LONGEST_EMAIL))
    [row] = references.rows()
    assert (row["name"], row["email"]) == ("K. Smith", LONGEST_EMAIL)


def test_the_limit_leaves_out_declined_referees(
    references: References,
) -> None:
    links = [references.ask(replace(PAT, email=f"p{number}@example.org")) for number in range(5)]
    field, words = refusal(references, QUINN)
    assert field == "email"
    assert words.startswith("Several people have not answered")
    references.decline(links[0])
    assert references.name(QUINN) is not None
    assert references.states() == [
        ("Pat Doe", "declined"),
        *[("Pat Doe", "waiting")] * 4,
        ("Quinn Ito", "waiting"),
    ]


def test_received_references_leave_the_spare_places_free(
    references: References,
) -> None:
    denied = GIVEN._replace(role_confirmed=False)
    for number, given in enumerate((GIVEN, denied, denied, GIVEN, denied)):
        references.answer(references.ask(replace(PAT, email=f"p{number}@example.org")), given)
    waiting = [
        references.name(replace(QUINN, email=f"q{number}@example.org")) for number in range(2)
    ]
    assert None not in waiting
    assert refusal(references, QUINN)[1].startswith("Several people have not answered")


def test_a_declined_referee_is_always_refused_alike(
    references: References,
) -> None:
    link = references.ask(PAT)
    references.decline(link)
    words = "You have named Pat Doe with this address, and they declined. Name someone else."
    assert (
        refusal(references, PAT)
        == refusal(references, replace(PAT, name="P. Doe"))
        == ("email", words)
    )


def test_a_received_referee_is_not_named_again(references: References) -> None:
    references.answer(references.ask(PAT))
    assert "their reference was received" in refusal(references, PAT)[1]


def test_the_daily_limit_counts_removed_referees(references: References) -> None:
    for number in range(10):
        reference_id = references.name(replace(PAT, email=f"p{number}@example.org"))
        assert reference_id is not None
        if number:
            references.withdraw(reference_id)
    field, words = refusal(references, PAT)
    assert field == "email"
    assert words.endswith("name the next one tomorrow.")
    # Another person's do not count.
    references.change("withdrawn_reference", application_id=references.bobs)
    removed = references.name(QUINN)
    assert removed is not None
    references.withdraw(removed)
    references.change("withdrawn_reference", application_id=references.alices)
    references.now = NOW + DAY
    assert references.name(PAT) is not None


def test_pruning_the_audit_log_keeps_the_daily_limit(references: References) -> None:
    for number in range(10):
        reference_id = references.name(replace(PAT, email=f"p{number}@example.org"))
        assert reference_id is not None
        references.withdraw(reference_id)
    with writing(references.engine) as session:
        session.connection().execute(delete(METADATA.tables["audit_event"]))
    assert refusal(references, PAT)[1].endswith("name the next one tomorrow.")


def test_a_decided_application_takes_no_referees(references: References) -> None:
    references.change("application", **decided(NOW))
    field, words = refusal(references, PAT)
    assert field == "email"
    assert "endorsed" in words


def test_what_changed_meanwhile_is_read_again(references: References) -> None:
    link = references.ask()
    number = link.request.reference.id
    with writing(references.engine) as session:
        context = references.context(session)
        known = session.get_one(Application, references.alices), session.get_one(Reference, number)
        tables = METADATA.tables
        declined = update(tables["reference"]).values(declined_at=NOW)
        session.connection().execute(declined)
        with pytest.raises(NotFound):
            withdraw_referee(context, references.alices, number)
        session.connection().execute(declined.values(declined_at=None))
        with pytest.raises(Refused, match="referee-waiting"):
            name_referee(context, references.alices, replace(PAT, role="colleague"))
        session.connection().execute(update(tables["application"]).values(decided(NOW)))
        with pytest.raises(Refused, match="takes-no-referees"):
            name_referee(context, references.alices, QUINN)
        assert known[0].is_decided


def test_only_waiting_referees_are_to_be_asked(references: References) -> None:
    asked, answered = references.ask(PAT), references.ask(replace(PAT, email="ray@example.org"))
    references.answer(answered)
    pat, ray, quinn = (
        asked.request.reference.id,
        answered.request.reference.id,
        references.name(QUINN),
    )

    def find(reference_id: int | None, application_id: int = references.alices) -> int | None:
        with writing(references.engine) as session:
            context = references.context(session)
            return find_referee_to_ask(context, application_id, reference_id or 0)

    assert (find(pat), find(quinn)) == (None, quinn)
    for reference_id in (ray, 999):
        with pytest.raises(NotFound):
            find(reference_id)
    for application_id in (references.bobs, 999):
        with pytest.raises(NotFound):
            find(quinn, application_id)
    references.change("application", **decided(NOW))
    with pytest.raises(NotFound):
        find(quinn)
    references.change("application", state="open", decided_on=None, association="GONE")
    with pytest.raises(NotFound):
        find(quinn)


def test_a_removed_referee_comes_back_once(references: References) -> None:
    number = references.ask().request.reference.id
    before = references.rows()
    references.withdraw(number)
    [removal] = references.rows("removal")
    with writing(references.engine) as session:
        other = apply(session, 1, opened_on=date(2025, 1, 2))

    def restore(application_id: int = references.alices) -> None:
        with writing(references.engine) as session:
            restore_referee(references.context(session), application_id, removal["id"])

    def refusals() -> tuple[Refusal, ...]:
        with pytest.raises(Refused) as refused:
            restore()
        return tuple(refused.value.refusals)

    with pytest.raises(NotFound):
        restore(other)
    facts = {"name": "Pat Doe", "state": "open"}
    no_place = (Refusal("email", "referee-has-no-place", facts),)
    for changed in ({"category": "IMHS"}, {"purpose": "reinstatement"}):
        references.change_alices(**changed)
        assert refusals() == no_place
        references.change_alices(category="IFS", purpose="application")
    references.change_alices(**decided(NOW))
    facts = {"name": "Pat Doe", "state": "endorsed"}
    assert refusals() == (Refusal("email", "application-takes-no-referees", facts),)
    references.change_alices(state="open", decided_on=None)
    others = [references.ask(replace(QUINN, email=f"q{place}@example.org")) for place in range(5)]
    assert refusals() == no_place
    for each in others:
        references.withdraw(each.request.reference.id)
    again = references.name(PAT)
    facts = {"name": "Pat Doe", "state": "open"}
    assert refusals() == (Refusal("email", "referee-named-again", facts),)
    references.withdraw(again or 0)
    restore()
    restore()
    assert references.rows() == before


def test_a_withdrawn_referees_link_stops_working(
    references: References,
) -> None:
    link = references.ask()
    references.withdraw(link.request.reference.id)
    assert references.states() == []
    with reading(references.engine) as session:
        assert find_request(session, REF_BOOKS, link.token) is None


def test_answered_or_foreign_referees_are_not_withdrawn(
    references: References,
) -> None:
    link = references.ask()
    references.answer(link)
    for reference_id in (link.request.reference.id, 999):
        with pytest.raises(NotFound):
            references.withdraw(reference_id)
    references.change("reference", application_id=references.bobs, received_at=None)
    with pytest.raises(NotFound):
        references.withdraw(link.request.reference.id)


def test_another_persons_application_is_not_found(references: References) -> None:
    with reading(references.engine) as session:
        assert find_own_application(session, 1, references.bobs) is None
        assert find_own_application(session, 1, 999) is None
        own = find_own_application(session, 1, references.alices)
        assert own is not None
        assert (own.id, own.person_id) == (references.alices, 1)


def test_the_database_holds_only_the_tokens_hash(references: References) -> None:
    link = references.ask()
    [row] = references.rows()
    assert row["token_hash"] == hash_token(link.token)
    assert len(link.token) == 43
    assert all(link.token not in str(row) for t in METADATA.tables for row in references.rows(t))


def test_each_reference_has_its_own_link(
    references: References,
) -> None:
    first = references.ask(PAT)
    references.withdraw(first.request.reference.id)
    second = references.ask(QUINN)
    with writing(references.engine) as session:
        session.connection().execute(
            update(METADATA.tables["reference"]).values(id=first.request.reference.id)
        )
        again = open_link(session, first.request.reference.id, NOW)
    assert len({first.token, second.token, again.token}) >= 2
    assert first.token != again.token
    assert request_key(1, first.request.reference.token_hash or "", 0) != request_key(
        1, again.request.reference.token_hash or "", 0
    )


def test_a_reminder_has_the_same_link(references: References) -> None:
    link = references.ask()
    with writing(references.engine) as session:
        [request] = list_unanswered_requests(session, "REF", NOW + DAY)
        reminded = count_reminder(session, request, NOW + DAY)
    assert reminded is not None
    assert (reminded.token, reminded.request.reference.reminders) == (link.token, 1)


def test_a_reminder_works_after_a_key_change(references: References) -> None:
    references.ask()
    with writing(references.engine) as session:
        renew_signing_keys(session, [REFERENCE])
        [request] = list_unanswered_requests(session, "REF", NOW + DAY)
        reminded = count_reminder(session, request, NOW + DAY)
        assert reminded is not None
        assert find_request(session, REF_BOOKS, reminded.token) is not None


def test_a_reminder_is_counted_once(references: References) -> None:
    references.ask()
    with writing(references.engine) as session:
        [request] = list_unanswered_requests(session, "REF", NOW + DAY)
        counted = update(METADATA.tables["reference"]).values(reminders=1)
        session.connection().execute(counted)
        assert count_reminder(session, request, NOW + DAY) is None


def unanswered_now(references: References) -> list[str]:
    with reading(references.engine) as session:
        return [r.reference.name for r in list_unanswered_requests(session, "REF", NOW + DAY)]


def test_only_open_requests_are_unanswered(references: References) -> None:
    pat, quinn = references.ask(PAT), references.ask(QUINN)
    assert unanswered_now(references) == ["Pat Doe", "Quinn Ito"]
    references.answer(pat)
    assert unanswered_now(references) == ["Quinn Ito"]
    references.decline(quinn)
    assert unanswered_now(references) == []
    references.ask(replace(PAT, email="third@example.org"))
    references.change("application", **decided(NOW))
    assert unanswered_now(references) == []


def test_an_answer_is_stored_whole_and_once(references: References) -> None:
    link = references.ask()
    assert references.answer(link)
    assert not references.answer(link, GIVEN._replace(relationship="Something else"))
    assert not references.decline(link)
    [row] = references.rows()
    stored = {name: row[name] for name in ReferenceAnswer._fields}
    rated = [{"id": "work", "asks": "How do you rate their work?", "rating": "Good"}]
    assert stored | {"ratings": json.loads(row["ratings"])} == GIVEN._asdict() | {"ratings": rated}
    assert (row["received_at"], row["declined_at"]) == (NOW, None)
    assert references.states() == [("Pat Doe", "received")]


def test_a_declined_referee_cannot_answer(references: References) -> None:
    link = references.ask()
    assert references.decline(link)
    assert not references.answer(link)
    assert references.states() == [("Pat Doe", "declined")]


def test_named_referees_hold_no_answers(references: References) -> None:
    references.answer(references.ask())
    with reading(references.engine) as session:
        [named] = list_named_referees(session, references.alices, ZONE)
    assert GIVEN.relationship not in str(named)
    assert "IMHS" not in str(named)


def test_each_change_leaves_an_audit_event(references: References) -> None:
    link = references.ask(PAT)
    other = references.ask(QUINN)
    references.withdraw(other.request.reference.id)
    references.answer(link)
    events = [
        (e["who"], bool(e["before"]), bool(e["after"])) for e in references.rows("audit_event")
    ]
    alice, pat = "alice@example.org", "pat@example.org"
    named, withdrawn, answered = (alice, False, True), (alice, True, False), (pat, True, True)
    assert events == [named, named, withdrawn, answered]
    assert json.loads(references.rows("audit_event")[-1]["after"])["signed_as"] == "Pat Doe"


def test_the_applicant_sees_that_a_mail_failed(references: References) -> None:
    pat, quinn = references.ask().request.reference, references.ask(QUINN).request.reference
    later = references.name(replace(PAT, email="ray@example.org"))
    row = {"dedupe_key": request_key(pat.id, pat.token_hash or "", 0), "bounced": True,
           "message_id": "<1@x>", "kind": "reference", "recipient": PAT.email, "subject": "?",
           "body": b"", "state": "failed", "attempts": 1, "created_at": NOW,
           "next_attempt_at": NOW, "fence": 0, "finished_at": NOW}  # fmt: skip
    sent = {"dedupe_key": request_key(quinn.id, quinn.token_hash or "", 0), "state": "sent"}
    rows = [row, {**row, **sent, "message_id": "<2@x>", "bounced": None},
            {**row, "dedupe_key": "another", "message_id": "<3@x>"}]  # fmt: skip
    with writing(references.engine) as session:
        session.connection().execute(insert(METADATA.tables["outbox"]), rows)
        named = list_named_referees(session, references.alices, ZONE)
    asked = ReferenceProgress("asked", NOW.date())
    assert named[0] == NamedReferee(
        id=pat.id,
        name="Pat Doe",
        email=PAT.email,
        role="supervisor",
        state="waiting",
        progress=asked,
        was_asked=True,
        mail_failed=True,
        mail_bounced=True,
    )
    failed = [(one.id, one.mail_failed, one.mail_bounced) for one in named[1:]]
    assert failed == [(quinn.id, False, False), (later, False, False)]


def test_a_link_needs_the_time_of_the_request(references: References) -> None:
    references.ask()
    with writing(references.engine) as session:
        [request] = list_unanswered_requests(session, "REF", NOW + DAY)
        request.reference.asked_at = None
        session.flush()
        with pytest.raises(ValueError, match="not been asked"):
            count_reminder(session, request, NOW)


def test_a_key_is_made_once(references: References) -> None:
    with writing(references.engine) as session:
        key, again, other = (get_signing_key(session, name) for name in ("x", "x", "y"))
        assert key == again != other


@pytest.mark.parametrize("ratings", [{}, {"work": "Superb"}, {"skill": "Good"}])
def test_an_answer_without_each_rating_is_refused(
    references: References, ratings: dict[str, str]
) -> None:
    with pytest.raises(Refused, match="rating-work: rating-required"):
        references.answer(references.ask(), GIVEN._replace(ratings=ratings))
    assert references.rows()[0]["received_at"] is None


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("association of REFERENCES", "REF"),
        ("ref", "REF"),
        ("Association for Infant Mental Health UK", "Association for Infant Mental Health UK"),
    ],
)
def test_any_association_can_be_named_in_words(
    references: References, typed: str, stored: str
) -> None:
    references.answer(references.ask(), GIVEN._replace(endorsed_by=typed))
    assert references.rows()[0]["endorsed_by"] == stored


def test_a_too_long_association_is_refused(references: References) -> None:
    with pytest.raises(Refused, match="endorsed_by: text-too-long"):
        references.answer(references.ask(), GIVEN._replace(endorsed_by="x" * 201))
