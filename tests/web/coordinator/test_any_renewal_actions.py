"""Any sequence of what people do, and of time, keeps renewals as they must be.

`TRACKER_TEST_EXAMPLES=500 python -m pytest tests/web/coordinator/test_any_renewal_actions.py` runs
the long form.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from tests.support.cast import ATTESTING, BOOKS, CONFIG, KAI, LEE, PAYING, Cast
from tests.support.databases import FilledDatabase
from tests.support.paying import IVY, JON
from tests.support.submitting import FAY, GIL, SUBMITTED_AT
from tests.web.client import WebClient, settle_all
from tests.web.coordinator.any_actions import AnyDesk, Rows
from tests.web.coordinator.removal_actions import (
    REMOVAL_STEPS,
    check_certificates,
    check_removed,
    let_lapse,
    with_removals,
)
from tests.web.coordinator.renewal_actions import (
    STEPS,
    Step,
    decide,
    extend,
    judge,
    let_time_pass,
    pay,
    redate,
    remove,
    reopen,
    rest,
    submit,
    undo_one,
)
from tracker.db.engine import open_engine, reading, writing
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Membership, Person
from tracker.jobs.recheck import recheck
from tracker.mail.outbox import claim, mark_sent
from tracker.notifications.context import open_context
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.audit_sampling import hash_frame, parse_frame
from tracker.rules.model import Rulebook
from tracker.services.attention import list_attention
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.fee_lists import list_association_fees
from tracker.services.fees import add_up

EXAMPLES = int(os.environ.get("TRACKER_TEST_EXAMPLES", "4"))
LONGEST = 30 if "TRACKER_TEST_EXAMPLES" in os.environ else 14
Chosen = tuple[Step, int, int]
AROUND_REMOVALS = (reopen, extend, redate, rest, remove, submit, pay, undo_one, let_time_pass)
# Steps by which a coordinator decides anew about what is settled.
DECIDING = {decide, judge, reopen, undo_one}

COORDINATORS = {ATTESTING: KAI, PAYING: LEE}


def make_books() -> Rulebooks:
    """The two associations alone: the one of attestations with a window, leave, and limits.

    Its coordinator removes who lapsed; the association of fees does so by night.
    """
    data = BOOKS.associations[ATTESTING].model_dump(by_alias=True, exclude_unset=True)
    cycles = [{**data["cycles"][0], "submission_opens": "11-10", "submission_closes": "01-15"}]
    changed = with_removals(Rulebook.model_validate({**data, "cycles": cycles}), by_itself=False)
    paying = with_removals(BOOKS.associations[PAYING], by_itself=True)
    two = replace(BOOKS, associations={name: BOOKS.associations[name] for name in COORDINATORS})
    return with_rulebook(with_rulebook(two, changed), paying)


RULEBOOKS = make_books()
_FILLED = FilledDatabase()
Borrow = Callable[[], AbstractContextManager[str]]


def fill(url: str) -> Cast:
    """Fay can submit a complete renewal, Gil and Jon a short one; Ivy and Jon owe a fee."""
    cast = Cast(url, open_engine(url))
    ids = _FILLED.copy_to(cast.engine)
    if ids is None:
        with writing(cast.engine) as session:
            _fill(session, cast)
        _FILLED.keep(cast.engine, (cast.people, cast.endorsements))
    else:
        cast.people, cast.endorsements = ids
    return cast


def _fill(session: Session, cast: Cast) -> None:
    add(session, cast, FAY, "Fay Lani", ATTESTING)
    add(session, cast, GIL, "Gil Mahoe", ATTESTING)
    add(session, cast, IVY, "Ivy Okafor", PAYING)
    add(session, cast, JON, "Jon Petersen", PAYING, ATTESTING)
    member = Membership(
        person_id=cast.people[FAY],
        organization=ATTESTING,
        starts_on=date(2025, 1, 1),
        ends_on=date(2027, 12, 31),
    )
    session.add(member)
    session.flush()
    evaluate_people(session, RULEBOOKS, cast.people.values(), SUBMITTED_AT)


def add(session: Session, cast: Cast, email: str, name: str, *associations: str) -> None:
    """Store an endorsee with 20 training hours."""
    person = Person(email=email, name=name, highest_degree="none", provides_rsc=False)
    session.add(person)
    session.flush()
    cast.people[email] = person.id
    for association in associations:
        held = Endorsement(
            person_id=person.id,
            association=association,
            category="IFS",
            starts_on=date(2020, 5, 1),
        )
        session.add(held)
        session.flush()
        cast.endorsements[f"{email} {association}"] = held.id
    for held_on in (date(2026, 3, 2), date(2027, 3, 2)):
        training = Entry(
            person_id=person.id,
            activity="training",
            held_on=held_on,
            minutes=600,
            title="Infancy day",
        )
        session.add(training)


@dataclass
class Watch:
    """What must hold after each step, whatever it was."""

    desk: AnyDesk

    @contextmanager
    def step(self, act: Step) -> Iterator[None]:
        before = self.desk.rows()
        yield
        self.desk.web.settle()
        self.desk.check_standings()
        after = self.desk.rows()
        self.check_submissions(before, after)
        if act not in DECIDING:
            self.check_settled(before, after)
        self.check_sessions(before, after)
        self.check_draws(before, after)
        self.check_money()
        self.check_mails()
        check_removed(self.desk, before, after)
        check_certificates(self.desk.web.cast, self.desk.web.rulebooks, self.desk.web.now)

    def check_submissions(self, before: Rows, after: Rows) -> None:
        """One in force a renewal; what was signed never changes."""
        submissions = list_rows(after, "submission")
        in_force = Counter(
            (one["endorsement_id"], one["cycle_starts_on"])
            for one in submissions.values()
            if one["returned_at"] is None
        )
        assert set(in_force.values()) <= {1}
        for key, one in list_rows(before, "submission").items():
            for name in ("content", "statements", "signed_name", "submitted_at"):
                assert submissions.get(key, one)[name] == one[name]

    def check_settled(self, before: Rows, after: Rows) -> None:
        """What is settled or accepted stays so unless somebody decides anew."""
        for key, one in list_rows(before, "settled_cycle").items():
            if one["reopened_at"] is None:
                assert after.get(key, one) == one
        for key, one in list_rows(before, "submission").items():
            if one["state"] != "submitted":
                assert after.get(key, one) == one

    def check_sessions(self, before: Rows, after: Rows) -> None:
        """The sessions of a submitted renewal stay, also if somebody writes SQL."""
        later = list_rows(after, "submission")
        for key, one in list_rows(before, "submission").items():
            if one["returned_at"] is not None or later.get(key, {}).get("returned_at", 1):
                continue
            held = before[f"endorsement:{one['endorsement_id']}"]
            for name, entry in list_rows(before, "entry").items():
                is_older = entry["logged_at"] is None or entry["logged_at"] <= one["submitted_at"]
                is_in = one["cycle_starts_on"] <= entry["held_on"] <= one["cycle_ends_on"]
                if entry["person_id"] == held["person_id"] and is_in and is_older:
                    kept = ("held_on", "minutes", "activity", "format", "person_id")
                    assert all(after[name][each] == entry[each] for each in kept)
                    self.refuse_sql(f"DELETE FROM entry WHERE id = {entry['id']}")  # noqa: S608
                    self.refuse_sql(f"UPDATE entry SET minutes = 1 WHERE id = {entry['id']}")  # noqa: S608

    def refuse_sql(self, statement: str) -> None:
        with pytest.raises(IntegrityError), writing(self.desk.web.cast.engine) as session:
            session.connection().execute(text(statement))

    def check_draws(self, before: Rows, after: Rows) -> None:
        """A frame that is fixed stays, and each audited renewal is one of its lines."""
        draws = list_rows(after, "audit_draw")
        for key, fixed in list_rows(before, "audit_draw").items():
            assert draws[key]["frame"] == fixed["frame"]
        for case in list_rows(after, "audit_case").values():
            fixed = draws[f"audit_draw:{case['draw_id']}"]
            assert fixed["frame_hash"] == hash_frame(fixed["frame"])
            submission = after[f"submission:{case['submission_id']}"]
            assert submission["endorsement_id"] == case["endorsement_id"]
            frame = {line[1:] for line in parse_frame(fixed["frame"])}
            assert (case["endorsement_id"], submission["cycle_starts_on"]) in frame

    def check_money(self) -> None:
        """What is due is paid or owed, to the cent; and every share that counts is somewhere."""
        web = self.desk.web
        with reading(web.cast.engine) as session:
            day_of = days_at(web.rulebooks, web.now)
            lines = list_association_fees(session, web.rulebooks, PAYING, day_of)
        totals = add_up(lines)
        assert totals.due + totals.overpaid == totals.paid + totals.owed
        assert all(line.due - line.owed <= line.account.paid for line in lines)
        valid = {one["id"] for one in web.cast.rows("payment") if one["removed_at"] is None}
        shares = Counter[tuple[int, date]]()
        amounts = Counter[int]()
        for share in web.cast.rows("payment_share"):
            amounts[share["payment_id"]] += share["cents"]
            if share["payment_id"] in valid:
                shares[share["endorsement_id"], share["cycle_starts_on"]] += share["cents"]
        assert all(amounts[one["id"]] <= one["amount_cents"] for one in web.cast.rows("payment"))
        for line in lines:
            assert line.account.paid == shares[line.endorsement_id, line.cycle_starts_on]

    def check_mails(self) -> None:
        """One email of notices a day and person."""
        keys = Counter(
            row["dedupe_key"]
            for row in self.desk.web.cast.rows("outbox", kind="notices")
            if not row["dedupe_key"].endswith(":second") and row["state"] != "dropped"
        )
        assert set(keys.values()) <= {1}
        assert all(key.startswith("day:") for key in keys)


def list_rows(rows: Rows, table: str) -> Rows:
    """The rows of one table."""
    return {key: row for key, row in rows.items() if key.partition(":")[0] == table}


def deliver(desk: AnyDesk, _who: int, number: int) -> None:
    """Send what waits; no email leaves whose reason is gone."""
    web = desk.web
    web.pass_time(minutes=11 + number)
    config = web.cast.settings.model_copy(update={"config_dir": CONFIG})
    context = open_context(config, web.rulebooks, web.cast.engine)
    claimed = claim(web.cast.engine, web.now, 1_000, timedelta(minutes=5))
    kept = recheck(context, claimed, web.now)
    rows = {row["id"]: row for row in web.cast.rows("outbox")}
    for message in kept:
        assert is_true(desk, rows[message.id]), rows[message.id]["subject"]
    with writing(web.cast.engine) as session:
        mark_sent(session, kept, web.now)


def is_true(desk: AnyDesk, mail: dict[str, Any]) -> bool:
    """Whether what an email says holds now, worked out without the code that writes it."""
    cast = desk.web.cast
    if mail["kind"] == "notices":
        decided = cast.rows("notice", message_id=mail["message_id"])
        return all(is_due(cast, one) for one in decided)
    if mail["about_kind"] == "submission":
        [submission] = cast.rows("submission", id=mail["about_id"])
        states = {"You are renewed": "accepted", "We received your renewal": "submitted"}
        said = [state for words, state in states.items() if mail["subject"].startswith(words)]
        return bool(submission["state"] == (said or ["returned"])[0])
    if mail["about_kind"] == "audit_case" and re.search("[Dd]ocuments", mail["subject"]):
        [case] = cast.rows("audit_case", id=mail["about_id"])
        return bool(case["state"] == "asked")
    return True


def is_due(cast: Cast, notice: dict[str, Any]) -> bool:
    """Whether a renewal still lacks something, or has lapsed."""
    key = {"endorsement_id": notice["endorsement_id"]}
    statuses = {row["cycle_starts_on"]: row["status"] for row in cast.rows("standing", **key)}
    status = statuses.get(notice["cycle_starts_on"])
    expected = {"renewal": {"open", "overdue"}, "lapse": {"lapsed"}}
    return status in expected.get(notice["kind"], {status})


def check_queue(desk: AnyDesk) -> None:
    """The start page lists what the queue has."""
    for association in COORDINATORS:
        with reading(desk.web.cast.engine) as session:
            queue = list_attention(session, desk.web.rulebooks, association, desk.web.now)
        page = desk.coordinator(association).get("/coordinator")
        shown = re.findall(r'<tr id="([^"]*)" data-cause', page.text)
        assert shown == [each.key for each in queue][: len(shown)]
        assert len(shown) == min(len(queue), max(len(shown), 1))
        sheet = desk.coordinator(association).get("/coordinator/attention.csv")
        assert len(sheet.text.strip().splitlines()) == 1 + len(queue)


def any_of(*steps: Step) -> st.SearchStrategy[list[Chosen]]:
    """Any of these steps, about anybody."""
    one = st.tuples(st.sampled_from(steps), st.integers(0, 4), st.integers(0, 20))
    return st.lists(one, max_size=LONGEST)


AS_MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(any_of(*STEPS, *REMOVAL_STEPS, deliver))
@AS_MANY
def test_any_actions_keep_renewals_money_and_audits_right(
    borrow_database: Borrow, steps: list[Chosen]
) -> None:
    run(borrow_database, steps)


@given(any_of(*REMOVAL_STEPS, *AROUND_REMOVALS, deliver))
@settings(AS_MANY, max_examples=(EXAMPLES + 1) // 2)
def test_any_actions_after_a_lapse_keep_removals_right(
    borrow_database: Borrow, steps: list[Chosen]
) -> None:
    run(borrow_database, [(let_lapse, 0, 1), *steps])


def run(borrow_database: Borrow, steps: list[Chosen]) -> None:
    """Do all of it in a database of its own, and check after each step."""
    with borrow_database() as url:
        cast = fill(url)
        desk = AnyDesk(WebClient(cast, SUBMITTED_AT, rulebooks=RULEBOOKS), COORDINATORS)
        for act, who, number in steps:
            note(f"{act.__name__}, {who}, {number}")
            with Watch(desk).step(act):
                act(desk, who, number)
        check_queue(desk)
        settle_all()
        cast.engine.dispose()
