"""The way of a renewal: each change of its stage is one that the data names, and no other happens.

The services are called by the names that `tracker.rules.transitions` has for them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from tests.support.auditing import freeze
from tests.support.cast import ATTESTING, BOOKS, KAI, Cast
from tests.support.nights import evaluate_due
from tests.support.submitting import ALL_SIGNED, CYCLE, FAY, SUBMITTED_AT, fill_with_fay
from tracker.db.audits import AuditCase, AuditDraw
from tracker.db.engine import writing
from tracker.db.ledgers import StandingRow
from tracker.db.log import AuditEvent
from tracker.db.people import Endorsement, Leave
from tracker.db.submissions import Submission
from tracker.rulebooks import Rulebooks, with_rulebook
from tracker.rules.model import Rulebook
from tracker.rules.stages import AuditVerdict, Stage
from tracker.rules.transitions import (
    Act,
    Deed,
    Limit,
    Party,
    list_all_transitions,
    list_transitions,
)
from tracker.services.applications import begin_endorsement
from tracker.services.audit_decisions import ItemVerdict, record_verdicts
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.evaluation import days_at, judge_all
from tracker.services.evidence import AuditTargets, ReceivedFile
from tracker.services.holdings import Term
from tracker.services.people_list import list_people
from tracker.services.reinstatements import start_reinstatement
from tracker.services.stages import StoredRenewal, read_ways
from tracker.services.submissions import SubmissionInput
from tracker.services.time_requests import RequestedDays

DUE, LATER = date(2027, 12, 15), date(2027, 12, 20)
# Noon in Honolulu, where the grace period ends on January 31, 2028.
IN_GRACE = datetime(2028, 1, 15, 22, 0, tzinfo=UTC)
LAPSED_AT = datetime(2028, 2, 2, 22, 0, tzinfo=UTC)
# The endorsement is kept through February 29, 2028.
REMOVED_AT = datetime(2028, 3, 1, 22, 0, tzinfo=UTC)


def _with_more_rules() -> Rulebooks:
    """The association with emeritus status, and with removals and a way back."""
    data = BOOKS.associations[ATTESTING].model_dump(by_alias=True, exclude_unset=True)
    emeritus = {**data["absences"][0], "kind": "emeritus"}
    # Later than the lapse of the cycle before, which is not removed any more.
    dated = {"from": date(2027, 1, 1), "source": emeritus["source"]}
    ethics = {
        "of": "reinstatement",
        "id": "back.ethics",
        "label": "Code of Ethics",
        "about": "Signed anew",
        "categories": ["IFS"],
        "counts": "signed",
        "signed": ["ethics"],
        "values": [dated],
    }
    rulebook = {
        **data,
        "absences": [*data["absences"], emeritus],
        "removals": [{**dated, "after": "02-29"}],
        "reinstatements": [{**dated, "latest_years": 1}],
        "requirements": [*data["requirements"], ethics],
    }
    return with_rulebook(BOOKS, Rulebook.model_validate(rulebook))


RULEBOOKS = _with_more_rules()


def service_of(deed: Deed) -> Callable[..., Any]:
    module, _, name = deed.service.partition(".")
    service: Callable[..., Any] = getattr(import_module(f"tracker.services.{module}"), name)
    return service


@dataclass
class Way:
    """Fay's renewal, and the arguments with which services are called about it."""

    cast: Cast
    session: Session
    now: datetime = SUBMITTED_AT
    signed: frozenset[str] = ALL_SIGNED
    form_key: int = 0

    @property
    def held(self) -> int:
        return self.cast.endorsements[FAY]

    @property
    def today(self) -> date:
        return days_at(RULEBOOKS, self.now)(ATTESTING)

    def context(self, email: str) -> ServiceContext:
        person_id = self.cast.people.get(email)
        actor = Actor(email, person_id, () if person_id else (ATTESTING,))
        return ServiceContext(self.session, RULEBOOKS, actor, self.now)

    def newest(self, table: Any) -> int:  # noqa: ANN401 - any table with an id
        found = self.session.exec(select(table.id).order_by(table.id.desc())).first()
        return found or 0

    def stage(self) -> Stage | None:
        """The stage by the standing judged now; by the stored one it is the same."""
        ways = read_ways(self.session, RULEBOOKS, endorsement_ids=[self.held])
        judged = list(
            judge_all(
                self.session,
                RULEBOOKS,
                lambda _: self.today,
                cycle_day=CYCLE,
                endorsement_ids=[self.held],
            )
        )
        stage = ways.find_stage(judged[0], self.today) if judged else None
        stored = self.stored()
        if stored is None:
            # It ended before its renewal was due, or was removed, which the list of people says.
            people = list_people(self.session, ATTESTING, self.now, self.today, rulebooks=RULEBOOKS)
            listed = Stage(next(row.stage for row in people.rows if row.id == self.held))
            assert stage in (listed, None)
            return listed
        assert ways.find_stored_stage(stored, self.today) is stage
        return stage

    def stored(self) -> StoredRenewal | None:
        query = select(StandingRow).where(
            StandingRow.endorsement_id == self.held, StandingRow.cycle_starts_on == CYCLE
        )
        row = self.session.exec(query).one_or_none()
        if row is None:
            return None
        days = (row.cycle_starts_on, row.cycle_ends_on, row.due_on)
        triple = (ATTESTING, "IFS", date(2020, 5, 1))
        ends_on = self.session.exec(
            select(col(Endorsement.ends_on)).where(Endorsement.id == self.held)
        ).one()
        return StoredRenewal(self.held, triple, *days, row.status, ends_on)

    def call(self, act: Act) -> None:
        """Call the service that the data names, as the person that it names."""
        by, deed = next((each.by, each.deed) for each in list_transitions(act) if each.deed)
        context = self.context(FAY if by is Party.ENDORSEE else KAI)
        arguments = ARGUMENTS[act](self)
        service_of(deed)(context, *arguments.pop("", ()), **arguments)

    def do(self, act: Act) -> Stage | None:
        """Do it, and check that the data has this change of stage, by this act."""
        before, last_event = self.stage(), self.newest(AuditEvent)
        self.call(act)
        events = select(AuditEvent.table_name).where(col(AuditEvent.id) > last_event)
        deeds = {each.deed for each in list_transitions(act) if each.deed}
        assert {deed.event for deed in deeds} <= set(self.session.exec(events).all())
        return self.check(act, before)

    def check(self, act: Act, before: Stage | None) -> Stage | None:
        after = self.stage()
        assert before is not None
        assert after is not None
        assert after in list_targets(act, before), (act, before, after)
        return after

    def try_others(self) -> None:
        """Call every service that the data does not allow in this stage: nothing changes."""
        before = self.stage()
        for act in ARGUMENTS:
            if any(before in each.sources for each in list_transitions(act)):
                continue
            with self.session.begin_nested() as nested:
                with suppress(Refused, NotFound):
                    self.call(act)
                assert self.stage() is before, (act, before)
                nested.rollback()
            self.session.expire_all()

    def wait(self, now: datetime, act: Act) -> Stage | None:
        """Let time pass, and the nightly evaluation run."""
        before, since = self.stage(), self.today
        self.now = now
        evaluate_due(self.session, RULEBOOKS, ATTESTING, now, since=since)
        return self.check(act, before)


def list_targets(act: Act, before: Stage) -> set[Stage]:
    """Where an act leads, and what the system makes of that in the same transaction."""
    found = {each.target for each in list_transitions(act) if before in each.sources}
    by_system = [each for each in list_all_transitions() if each.by is Party.SYSTEM]
    for _ in range(2):
        found |= {each.target for each in by_system if not found.isdisjoint(each.sources)}
    return found


def _submit(way: Way) -> dict[str, Any]:
    way.form_key += 1
    key = f"{way.form_key:032}"
    return {"": (SubmissionInput(way.held, CYCLE, "Fay Lani", way.signed, key),)}


def _decide(way: Way, *, passed: bool) -> dict[str, Any]:
    case_id = way.newest(AuditCase)
    verdict = {way.cast.entries["fay"]: ItemVerdict(AuditVerdict.SUPPORTED)}
    if case_id:
        hours = {"training": 25 * 60, "rsc": 36 * 60}
        record_verdicts(way.context(KAI), case_id, verdict, hours)
    return {"": (case_id,), "passed": passed, "reason": "Nothing came"}


def _draw(way: Way) -> dict[str, Any]:
    return {"": (freeze(way.session, way.cast, way.now).id,)}


def _away(way: Way, kind: str, ends_on: date | None) -> dict[str, Any]:
    return {"": (way.held, RequestedDays(way.today, ends_on), "Asked for it", kind)}


def _resume(way: Way) -> dict[str, Any]:
    return {"": (way.newest(Leave), RequestedDays(date(2027, 11, 1), date(2027, 11, 10)), "Works")}


def _reinstate(way: Way) -> dict[str, Any]:
    asked = start_reinstatement(way.context(FAY), way.held)
    return {"": (asked, way.today)}


PAPER = ReceivedFile("certificate.pdf", "application/pdf", 10, "digest", "stored-certificate")
ARGUMENTS: Mapping[Act, Callable[[Way], dict[str, Any]]] = {
    Act.SUBMIT: _submit,
    Act.ACCEPT: lambda way: {"": (way.newest(Submission), "The log was lost")},
    Act.RETURN: lambda way: {"": (way.newest(Submission), "A date is wrong")},
    Act.DRAW: _draw,
    Act.ASK: lambda way: {"": (way.newest(AuditDraw), DUE)},
    Act.EXTEND_AUDIT: lambda way: {"": (way.newest(AuditCase), LATER, "A flood")},
    Act.ADD_DOCUMENTS: lambda way: {
        "": (
            AuditTargets(way.newest(AuditCase), [way.cast.entries["fay"]], []),
            *([PAPER], 1_000_000, str),
        )
    },
    Act.SEND_DOCUMENTS: lambda way: {"": (way.newest(AuditCase), "Here they are")},
    Act.PASS: lambda way: _decide(way, passed=True),
    Act.FAIL: lambda way: _decide(way, passed=False),
    Act.APPEAL: lambda way: {"": (way.newest(AuditCase), "They were in the mail")},
    Act.REOPEN: lambda way: {"": (way.held, CYCLE, "Hours were found")},
    Act.EXTEND: lambda way: {"": (way.held, CYCLE, date(2028, 3, 31), "A flood")},
    Act.TAKE_LEAVE: lambda way: _away(way, "leave", date(2027, 11, 30)),
    Act.REST: lambda way: _away(way, "inactive", date(2027, 11, 30)),
    Act.RETIRE: lambda way: _away(way, "emeritus", None),
    Act.RESUME: _resume,
    Act.REMOVE: lambda way: {"": (way.held,)},
    Act.REINSTATE: _reinstate,
    Act.END: lambda way: {"": (Endorsement, way.held, Term(date(2020, 5, 1), date(2027, 11, 14)))},
}


@pytest.fixture
def way(database_url: str) -> Iterator[Way]:
    cast = fill_with_fay(database_url)
    with writing(cast.engine) as session:
        yield Way(cast, session)
    cast.engine.dispose()


def test_a_renewal_goes_through_review_and_audit(way: Way) -> None:
    assert way.stage() is Stage.OPEN
    way.signed = frozenset({"ethics"})
    assert way.do(Act.SUBMIT) is Stage.NEEDS_ATTENTION
    assert way.do(Act.ACCEPT) is Stage.ACCEPTED
    assert way.do(Act.RETURN) is Stage.RETURNED
    way.signed = ALL_SIGNED
    assert way.do(Act.SUBMIT) is Stage.ACCEPTED
    assert way.do(Act.DRAW) is Stage.DRAWN
    assert way.do(Act.ASK) is Stage.ASKED
    assert way.do(Act.EXTEND_AUDIT) is Stage.ASKED
    assert way.do(Act.ADD_DOCUMENTS) is Stage.ASKED
    assert way.do(Act.SEND_DOCUMENTS) is Stage.SENT
    assert way.do(Act.PASS) is Stage.PASSED
    assert way.wait(IN_GRACE, Act.RENEW) is Stage.RENEWED
    assert way.do(Act.REOPEN) is Stage.RENEWED


def test_an_audit_that_is_not_passed_can_be_appealed(way: Way) -> None:
    way.do(Act.SUBMIT)
    way.do(Act.DRAW)
    way.do(Act.ASK)
    way.now += timedelta(days=40)
    assert way.do(Act.FAIL) is Stage.NOT_PASSED
    assert way.do(Act.APPEAL) is Stage.APPEALED
    assert way.do(Act.PASS) is Stage.PASSED


def test_an_audit_that_is_not_passed_lapses_or_is_corrected(way: Way) -> None:
    way.do(Act.SUBMIT)
    way.do(Act.DRAW)
    way.do(Act.ASK)
    way.do(Act.SEND_DOCUMENTS)
    assert way.do(Act.FAIL) is Stage.NOT_PASSED
    with way.session.begin_nested() as nested:
        assert way.do(Act.SUBMIT) is Stage.NEEDS_ATTENTION
        assert way.do(Act.ACCEPT) is Stage.ACCEPTED
        nested.rollback()
    way.session.expire_all()
    assert way.wait(LAPSED_AT, Act.LAPSE) is Stage.LAPSED


def test_a_returned_renewal_stays_in_its_audit(way: Way) -> None:
    way.do(Act.SUBMIT)
    way.do(Act.DRAW)
    way.do(Act.ASK)
    assert way.do(Act.RETURN) is Stage.RETURNED
    way.call(Act.SUBMIT)
    assert way.stage() is Stage.ASKED
    assert way.do(Act.SEND_DOCUMENTS) is Stage.SENT
    assert way.do(Act.FAIL) is Stage.NOT_PASSED


def test_a_renewal_that_nobody_submits_lapses(way: Way) -> None:
    assert way.wait(LAPSED_AT, Act.LAPSE) is Stage.LAPSED
    assert way.do(Act.REOPEN) is Stage.LAPSED
    assert way.do(Act.EXTEND) is Stage.OPEN
    assert way.do(Act.SUBMIT) is Stage.RENEWED


def test_a_lapsed_renewal_is_removed_and_reinstated(way: Way) -> None:
    way.wait(LAPSED_AT, Act.LAPSE)
    way.now = REMOVED_AT
    assert way.do(Act.REMOVE) is Stage.REMOVED
    assert way.do(Act.REINSTATE) is Stage.REINSTATED
    people = list_people(way.session, ATTESTING, way.now, way.today, rulebooks=RULEBOOKS)
    stages = sorted((row.starts_on, row.stage) for row in people.rows if row.name == "Fay Lani")
    assert stages == [(date(2020, 5, 1), "reinstated"), (date(2028, 3, 1), "open")]


def test_an_appeal_is_decided_before_a_removal(way: Way) -> None:
    for act in (Act.SUBMIT, Act.DRAW, Act.ASK, Act.SEND_DOCUMENTS, Act.FAIL):
        way.do(act)
    way.wait(LAPSED_AT, Act.LAPSE)
    way.do(Act.APPEAL)
    way.now = REMOVED_AT
    with pytest.raises(NotFound):
        way.call(Act.REMOVE)
    way.do(Act.FAIL)
    assert way.do(Act.REMOVE) is Stage.REMOVED


def test_applying_anew_is_no_reinstatement(way: Way) -> None:
    way.wait(LAPSED_AT, Act.LAPSE)
    way.now = REMOVED_AT
    way.do(Act.REMOVE)
    key = (way.cast.people[FAY], ATTESTING, "IFS")
    begin_endorsement(way.session, key, way.today, who=KAI, at=way.now)
    removals = read_ways(way.session, RULEBOOKS, endorsement_ids=[way.held]).removals
    assert removals == {way.held: Stage.REMOVED}


def test_days_away_have_stages_until_they_are_over(way: Way) -> None:
    for act, stage in ((Act.TAKE_LEAVE, Stage.ON_LEAVE), (Act.REST, Stage.INACTIVE)):
        way.now = SUBMITTED_AT
        with way.session.begin_nested() as nested:
            assert way.do(act) is stage
            assert way.wait(SUBMITTED_AT + timedelta(days=20), Act.COME_BACK) is Stage.OPEN
            nested.rollback()


def test_emeritus_lasts_until_a_coordinator_ends_it(way: Way) -> None:
    assert way.do(Act.RETIRE) is Stage.EMERITUS
    assert way.do(Act.RESUME) is Stage.OPEN
    assert way.do(Act.END) is Stage.ENDED


def test_no_service_moves_a_renewal_on_from_elsewhere(sqlite_url: str) -> None:
    cast = fill_with_fay(sqlite_url)
    with writing(cast.engine) as session:
        way = Way(cast, session)
        for act in (Act.SUBMIT, Act.DRAW, Act.ASK, Act.SEND_DOCUMENTS, Act.FAIL):
            way.try_others()
            way.do(act)
        way.try_others()
        way.wait(LAPSED_AT, Act.LAPSE)
        way.try_others()
        with session.begin_nested() as nested:
            way.do(Act.END)
            way.try_others()
            nested.rollback()
        session.expire_all()
        way.now = REMOVED_AT
        for act in (Act.REMOVE, Act.REINSTATE):
            way.do(act)
            way.try_others()
    cast.engine.dispose()


def test_people_act_by_services_that_exist() -> None:
    for each in list_all_transitions():
        assert (each.deed is None) is (each.by is Party.SYSTEM)
        assert each.deed is None or callable(service_of(each.deed))


def test_every_service_in_the_data_is_called_here() -> None:
    by_people = {each.act for each in list_all_transitions() if each.by is not Party.SYSTEM}
    assert by_people == set(ARGUMENTS)
    assert {each.act for each in list_all_transitions()} == set(Act)


def test_the_documentation_has_every_transition() -> None:
    rows = Path("docs/stages.md").read_text(encoding="utf-8").split("| from |")[1].splitlines()[2:]
    assert len(rows) == len(list_all_transitions())
    for row, each in zip(rows, list_all_transitions(), strict=True):
        _, sources, act, by, limit, target, _ = (cell.strip() for cell in row.split("|"))
        assert (act, by) == (each.act.value, each.by.value)
        # Where the data has none, the documentation may say something of its own.
        assert each.limit.value == (limit if limit in set(Limit) else "")
        assert target in (f"`{each.target}`", "the same")
        assert sources.startswith("any but") or sources == ", ".join(f"`{s}`" for s in each.sources)
