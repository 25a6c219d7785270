"""Requests of references: what counts as open, what is stored, and what coordinators read."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert
from sqlmodel import select

from tests.services.applying.test_references import DAY, GIVEN, NOW, PAT, QUINN, ZONE, References
from tests.support.referees import REF, REF_BOOKS, apply, decided
from tracker.db.access import Secret
from tracker.db.applications import Application, Reference
from tracker.db.engine import reading, writing
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.signing_keys import REFERENCE, get_signing_key, renew_signing_keys
from tracker.db.tables import METADATA
from tracker.rules.application.references import ReferenceProgress
from tracker.services.context import Refusal, Refused
from tracker.services.reference_submission import (
    Rating,
    ReferenceLink,
    asks_vetted,
    count_reminder,
    find_request,
    format_ratings,
    list_known_associations,
    list_open_request_keys,
    list_reference_reports,
    list_references,
    list_unanswered_requests,
    list_unsent_requests,
    open_link,
    parse_ratings,
    progress_of,
    request_key,
)

EVENING = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)  # still November 22 in New York


@pytest.fixture
def references(database_url: str) -> Iterator[References]:
    references = References(database_url)
    yield references
    references.engine.dispose()


def key_of(link: ReferenceLink, number: int = 0) -> str:
    reference = link.request.reference
    return request_key(reference.id, reference.token_hash or "", number)


def test_keys_tell_reminders_and_links_apart() -> None:
    assert request_key(7, "0123456789abcdef" + "f" * 48, 2) == "reference:7:2:0123456789abcdef"


def test_only_open_requests_want_an_answer(references: References) -> None:
    links = [references.ask(replace(PAT, email=f"p{n}@example.org")) for n in range(4)]
    ids = [link.request.reference.id for link in links]
    references.answer(links[1])
    references.decline(links[2])
    declined = references.rows("audit_event")[-1]
    assert declined["row_id"] == ids[2]
    assert (json.loads(declined["before"]), json.loads(declined["after"])) == (
        {"declined_at": None},
        {"declined_at": NOW.isoformat()},
    )

    def unanswered(before: datetime = NOW + DAY, association: str = REF) -> list[int]:
        with reading(references.engine) as session:
            requests = list_unanswered_requests(session, association, before)
            return [each.reference.id for each in requests]

    def keys(*numbers: int) -> set[str]:
        with reading(references.engine) as session:
            return list_open_request_keys(session, numbers)

    with writing(references.engine) as session:
        session.get_one(Reference, ids[0]).application_id = references.bobs
    assert unanswered() == [ids[0], ids[3]]
    assert unanswered(association="NCIMHA") == unanswered(NOW) == []
    assert keys(*ids) == {key_of(links[0]), key_of(links[3])}
    assert keys(*ids[:3]) == {key_of(links[0])}
    with writing(references.engine) as session:
        [gone, request] = list_unanswered_requests(session, REF, NOW + DAY)
        reminded = count_reminder(session, request, NOW + DAY)
        assert reminded is not None
        assert reminded.request.reference.id == ids[3]
        assert reminded.request.reference.reminded_at == NOW + DAY
    assert keys(ids[3]) == {key_of(links[3], 0), key_of(links[3], 1)}
    never_asked = references.name(QUINN)
    assert keys(never_asked or 0) == set()
    references.change("application", **decided(NOW))
    assert unanswered() == []
    assert keys(*ids) == set()
    # The links of a decided application take no answer.
    with reading(references.engine) as session:
        over = find_request(session, REF_BOOKS, links[0].token)
        assert over is not None
        assert over.state == "over"
    assert not references.answer(links[0])
    assert not references.decline(links[0])
    # The referee of another request was removed meanwhile.
    with writing(references.engine) as session:
        session.delete(session.get_one(Reference, ids[0]))
        session.flush()
        assert count_reminder(session, gone, NOW + DAY) is None


def test_a_new_request_begins_its_reminders_anew(references: References) -> None:
    link = references.ask()
    references.change("reference", reminders=2)
    with writing(references.engine) as session:
        again = open_link(session, link.request.reference.id, NOW + DAY)
    [row] = references.rows()
    assert (row["asked_at"], row["reminders"]) == (NOW + DAY, 0)
    assert again.token != link.token
    assert (again.request.applicant, again.request.asked_at) == ("Alice", NOW + DAY)


def test_a_link_does_not_depend_on_the_servers_time_zone(
    references: References, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = references.ask()
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with writing(references.engine) as session:
            [request] = list_unanswered_requests(session, REF, NOW + DAY)
            reminded = count_reminder(session, request, NOW + DAY)
            assert reminded is not None
            assert reminded.token == link.token
    finally:
        monkeypatch.undo()
        time.tzset()


def test_links_of_an_earlier_version_stay_the_same(references: References) -> None:
    earlier = references.ask()
    with writing(references.engine) as session:
        key = get_signing_key(session, REFERENCE)
        renew_signing_keys(session, [REFERENCE])
        session.add(Secret(name=REFERENCE, value=key.hex()))
    later = references.ask(QUINN)
    with writing(references.engine) as session:
        requests = list_unanswered_requests(session, REF, NOW + DAY)
        reminded = [count_reminder(session, each, NOW + DAY) for each in requests]
        assert [each and each.token for each in reminded] == [earlier.token, later.token]


def test_links_of_associations_without_rulebook_are_unknown(references: References) -> None:
    link = references.ask()
    with reading(references.engine) as session:
        assert find_request(session, REF_BOOKS, link.token) is not None
    references.change("application", association="GONE")
    with reading(references.engine) as session:
        assert find_request(session, REF_BOOKS, link.token) is None


def test_dropped_mails_are_found_again(references: References) -> None:
    dropped, sent, answered, declined = [
        references.ask(replace(PAT, email=f"p{n}@example.org")) for n in range(4)
    ]
    references.answer(answered)
    references.decline(declined)
    references.name(QUINN)
    row = {"kind": "reference", "recipient": PAT.email, "subject": "?", "body": b"",
           "state": "dropped", "attempts": 0, "created_at": NOW, "next_attempt_at": NOW,
           "fence": 0, "finished_at": NOW}  # fmt: skip
    keys = [f"{key_of(link)}:dropped:{n}" for n, link in enumerate((dropped, answered, declined))]
    keys += [key_of(sent), f"{key_of(sent, 1)}:dropped:9"]
    with writing(references.engine) as session:
        rows = [{**row, "dedupe_key": key, "message_id": f"<{key}@x>"} for key in keys]
        session.connection().execute(insert(METADATA.tables["outbox"]), rows)

    def unsent(application_id: int) -> list[int]:
        with reading(references.engine) as session:
            return list_unsent_requests(session, application_id)

    assert unsent(references.alices) == [dropped.request.reference.id]
    assert unsent(references.bobs) == []
    references.change("application", **decided(NOW))
    assert unsent(references.alices) == []


def test_a_vetted_referee_counts_if_the_rules_say_so(references: References) -> None:
    vetted = GIVEN._replace(vetted=True)
    references.answer(references.ask(), vetted)
    assert references.rows()[0]["vetted"]
    with reading(references.engine) as session:
        application = session.get_one(Application, references.alices)
        assert asks_vetted(REF_BOOKS, application, NOW)
        assert not asks_vetted(REF_BOOKS, application, datetime(2020, 1, 1, 4, tzinfo=UTC))
        assert asks_vetted(REF_BOOKS, application, datetime(2020, 1, 1, 6, tzinfo=UTC))
        application.purpose = "reinstatement"
        assert not asks_vetted(REF_BOOKS, application, NOW)
        session.expire(application)
    other = references.ask(QUINN)
    references.change("application", category="IMHS")
    references.answer(other, vetted._replace(ratings={}))
    assert [row["vetted"] for row in references.rows()] == [True, False]


def test_an_answer_is_stored_in_the_words_of_the_day(references: References) -> None:
    references.answer(references.ask(), GIVEN._replace(ratings={**GIVEN.ratings, "other": "?"}))
    [row] = references.rows()
    asks = "How do you rate their work?"
    assert json.loads(row["ratings"]) == [{"id": "work", "asks": asks, "rating": "Good"}]
    assert (row["received_at"], row["answered_by_link"]) == (NOW, True)
    with reading(references.engine) as session:
        stored = session.exec(select(Reference)).one()
        assert parse_ratings(stored) == [Rating("work", asks, "Good")]
        stored.ratings = None
        assert parse_ratings(stored) == []
        session.expire(stored)
    # Readable also in the audit log.
    assert "Señal" in format_ratings([Rating("work", asks, "Señal")])
    event = json.loads(references.rows("audit_event")[-1]["after"])
    assert set(event) == {*GIVEN._fields, "received_at"}


def test_all_that_is_wrong_with_an_answer_is_said(references: References) -> None:
    link = references.ask()
    with pytest.raises(Refused) as refused:
        references.answer(link, GIVEN._replace(endorsed_by="", ratings={}))
    assert refused.value.refusals == (
        Refusal("rating-work", "rating-required"),
        Refusal("endorsed_by", "endorsed-by-required"),
    )
    with pytest.raises(Refused) as refused:
        references.answer(link, GIVEN._replace(endorsed_by="x" * 201))
    too_long = Refusal("endorsed_by", "text-too-long", {"limit": 200})
    assert refused.value.refusals == (too_long,)
    assert references.answer(link, GIVEN._replace(endorsed_by="x" * 200))
    without = GIVEN._replace(endorsed_by=None, endorsed_as=None)
    assert references.answer(references.ask(QUINN), without)
    assert [row["endorsed_by"] for row in references.rows()] == ["x" * 200, None]


def test_only_infant_mental_health_associations_are_offered() -> None:
    known = list_known_associations(REF_BOOKS)
    assert known[REF] == "Association of References"
    others = [each for each in REF_BOOKS.organizations.values() if not each.infant_mental_health]
    assert others
    assert not {each.id for each in others} & set(known)


def test_progress_is_by_the_days_of_the_association() -> None:
    today, later = date(2026, 11, 22), ReferenceProgress("not asked")
    asked = Reference(asked_at=EVENING, email="", name="", role="", application_id=0)
    assert progress_of(asked, ZONE) == ReferenceProgress("asked", today)
    assert progress_of(asked, ZONE, today) == ReferenceProgress("asked", today)
    assert progress_of(asked, ZONE, today - DAY) == later
    asked.received_at = EVENING + DAY
    assert progress_of(asked, ZONE) == ReferenceProgress("received", today + DAY)
    assert progress_of(asked, ZONE, today) == ReferenceProgress("asked", today)


def test_reports_have_what_the_referee_held_on_that_day(references: References) -> None:
    day = NOW.date()
    references.answer(references.ask())
    references.ask(QUINN)
    with writing(references.engine) as session:
        other = apply(session, 1, category="IMHS")
        people = [
            Person(id=number, email=email, name="Pat Doe", highest_degree="none")
            for number, email in ((3, PAT.email), (4, QUINN.email))
        ]
        session.add_all(people)
        session.flush()
        pat = people[0].id
        for category, starts_on, ends_on in (
            ("ENDED", day - 9 * DAY, day - DAY),
            ("LAST", day - 9 * DAY, day),
            ("FIRST", day, None),
            ("LATER", day + DAY, None),
        ):
            session.add(
                Endorsement(person_id=pat, association="NCIMHA", category=category,
                            starts_on=starts_on, ends_on=ends_on)
            )  # fmt: skip
        session.add(Endorsement(person_id=pat, association=REF, category="IFS", starts_on=day))
        session.add(
            Endorsement(person_id=people[1].id, association=REF, category="X", starts_on=day)
        )
        session.flush()
        application = session.get_one(Application, references.alices)
        rulebook = REF_BOOKS.associations[REF]

        def reports() -> list[tuple[str, tuple[tuple[str, str], ...], bool]]:
            found = list_reference_reports(session, application, rulebook)
            return [(each.reference.name, each.endorsements, each.is_vetted) for each in found]

        held = (("NCIMHA", "FIRST"), ("NCIMHA", "LAST"), (REF, "IFS"))
        assert reports() == [("Pat Doe", held, False), ("Quinn Ito", (), False)]
        for person, association, starts_on, ends_on, is_vetted in (
            (people[1], REF, day, None, False),
            (people[0], "NCIMHA", day, None, False),
            (people[0], REF, day - 9 * DAY, day - DAY, False),
            (people[0], REF, day + DAY, None, False),
            (people[0], REF, day - 8 * DAY, day, True),
        ):
            session.add(
                Vetting(person_id=person.id, association=association,
                        starts_on=starts_on, ends_on=ends_on)
            )  # fmt: skip
            session.flush()
            assert reports()[0] == ("Pat Doe", held, is_vetted)
        assert list_reference_reports(session, session.get_one(Application, other), rulebook) == []
        by_application = list_references(session, [references.alices, other])
        assert [each.name for each in by_application[references.alices]] == ["Pat Doe", "Quinn Ito"]
