"""Logs a session that a program sent: checked as the form's is, and once for each key."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from tracker.hours import MINUTES_IN_DAY
from tracker.records.api.api_answers import claim_key, keep_answer
from tracker.records.api.api_entries import person_with_address, person_within
from tracker.records.api.api_tokens import Caller
from tracker.records.entries.daily_most import MOST_A_DAY, has_logged_most
from tracker.records.entries.entry_writes import Author, Content, add_entry, lock_person, minutes_on
from tracker.records.entries.provider_names import may_name
from tracker.records.evidence.closing import closed_for
from tracker.records.judging.evaluation import days_at
from tracker.records.sign_in.sign_in import normal_email
from tracker.rulebooks import Rulebooks
from tracker.rules.explain import LoggedEntry
from tracker.web.api.models import EntryOut, NewEntry
from tracker.web.forms.form_parts import clean
from tracker.web.frame.closed_words import say_closed
from tracker.web.frame.problems import Problem, pointer_to
from tracker.web.hours.form_setting import FormSetting, read_setting

KEY_PATTERN = r"^[\x21-\x7e]{1,100}$"
_CREATED = 201
_YEARS_BACK = 50
_INVALID = "The session cannot be saved as it is."
Fault = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: whose, under which idempotency key, what it asks, and when it came."""

    who: Caller
    key: str
    new: NewEntry
    at: datetime


def create_once(
    connection: Connection,
    books: Rulebooks,
    call: Call,
    show: Callable[[LoggedEntry], EntryOut],
) -> tuple[str, bool]:
    """The entry as JSON, and whether the same request had made it before.

    Raises Problem where the key was used for another request, or the session cannot be saved;
    then nothing of it is stored. Belongs into a writing transaction.
    """
    asked = hashlib.sha256(call.new.model_dump_json().encode()).hexdigest()
    before = claim_key(connection, call.who.token_id, call.key, asked, call.at)
    if before is None:
        body = show(_create(connection, books, call)).model_dump_json()
        keep_answer(connection, call.who.token_id, call.key, _CREATED, body)
        return body, False
    if before.request_hash != asked:
        words = "This Idempotency-Key was used for another session: take a new key for each one."
        raise Problem(409, words, [("header/Idempotency-Key", "already used")])
    return before.body, True


def _create(connection: Connection, books: Rulebooks, call: Call) -> LoggedEntry:
    new, association = call.new, call.who.association
    today = days_at(books, call.at)(association)
    person_id = person_within(connection, association, normal_email(new.email), today)
    if person_id is None:
        words = (
            f"nobody with this address holds, or has applied for, an endorsement of {association}"
        )
        raise Problem(422, _INVALID, [("#/email", words)])
    lock_person(connection, person_id)
    if has_logged_most(connection, person_id, call.at):
        words = f"{MOST_A_DAY} sessions were logged for this person within a day: go on tomorrow."
        raise Problem(429, words)
    setting = read_setting(connection, books, person_id, call.at)
    provider_id = _provider(connection, setting, new)
    logged = minutes_on(connection, person_id, new.held_on)
    faults = [*_faults(new, setting, provider_id, logged)]
    closed = None if faults else closed_for(connection, books, person_id, new.held_on, call.at)
    if closed is not None:
        faults = [("#/held_on", say_closed(closed))]
    if faults:
        raise Problem(422, _INVALID, faults)
    author = Author(person_id, f"token {call.who.token_id}: {call.who.name}", call.at)
    form_key = f"api-{call.who.token_id}-{hashlib.sha256(call.key.encode()).hexdigest()[:40]}"
    return add_entry(connection, books, author, _content(new, provider_id), form_key).entry


def _provider(connection: Connection, setting: FormSetting, new: NewEntry) -> int | None:
    if not new.provider_email:
        return None
    found = person_with_address(connection, normal_email(new.provider_email))
    if found is None or not may_name(connection, setting.person_id, setting.rules, found):
        return None
    return found


def _faults(
    new: NewEntry, setting: FormSetting, provider_id: int | None, logged: int
) -> Iterator[Fault]:
    yield from _wrong_day(new.held_on, setting.today)
    if logged + new.minutes > MINUTES_IN_DAY:
        yield "#/minutes", f"{logged} minutes are logged on that day already: a day has 1440"
    if not clean(new.title):
        yield "#/title", "say what the session was called"
    yield from _wrong_provider(new, provider_id)
    yield from _wrong_topics(new, setting)


def _wrong_day(day: date, today: date) -> Iterator[Fault]:
    if day > today:
        yield "#/held_on", f"the day must be {today} or earlier"
    elif day.year < today.year - _YEARS_BACK:
        yield "#/held_on", f"the year must be {today.year - _YEARS_BACK} or later"


def _wrong_provider(new: NewEntry, provider_id: int | None) -> Iterator[Fault]:
    named = [new.provider_email, clean(new.provider_name)]
    if new.activity == "training" and any(named):
        yield "#/provider_email", "a training has no provider: leave both out"
    elif new.activity == "rsc" and sum(map(bool, named)) != 1:
        yield "#/provider_email", "give either provider_email or provider_name"
    elif new.provider_email and provider_id is None:
        words = "no provider who qualifies is known by this address: send provider_name instead"
        yield "#/provider_email", words
    if new.activity == "training" and new.format is not None:
        yield "#/format", "only an RSC session is individual or group: leave it out"


def _wrong_topics(new: NewEntry, setting: FormSetting) -> Iterator[Fault]:
    known = setting.topics if new.activity == "training" else [t for t, _ in setting.rsc_topics]
    for topic in new.topics:
        if topic not in known:
            asked = f"the topics asked for are {', '.join(known)}" if known else "none is asked for"
            yield pointer_to("topics", topic), f"no requirement asks for this topic: {asked}"
    if sum(new.topics.values()) > new.minutes:
        yield "#/topics", "together they are more than the session's minutes"


def _content(new: NewEntry, provider_id: int | None) -> Content:
    return Content(
        activity=new.activity,
        held_on=new.held_on,
        minutes=new.minutes,
        title=clean(new.title),
        provider_id=provider_id,
        provider_name=clean(new.provider_name) or None,
        format=new.format,
        reference=clean(new.reference) or None,
        topics=new.topics,
    )
