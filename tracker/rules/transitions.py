"""Who may move a renewal from which stage to which, within which limit: all of it, as data. Pure.

Services ask `may` before they act, so `list_all_transitions` is the only list of what can be done
when. docs/stages.md has the same table.
"""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from tracker.rules.stages import Stage


class Party(StrEnum):
    """Who moves a renewal on; the system does by evaluating it, or because time passes."""

    ENDORSEE = "endorsee"
    COORDINATOR = "coordinator"
    SYSTEM = "system"


class Act(StrEnum):
    """What moves a renewal from one stage to another."""

    OPEN_WINDOW = "the submission window opens"
    CLOSE_WINDOW = "the submission window closes"
    SUBMIT = "submit"
    CHECK = "find something missing"
    ACCEPT_COMPLETE = "accept what meets every requirement"
    ACCEPT = "accept with a reason"
    RETURN = "return"
    DRAW = "draw for an audit"
    ASK = "request documents"
    EXTEND_AUDIT = "allow more time for documents"
    ADD_DOCUMENTS = "add documents"
    SEND_DOCUMENTS = "send documents"
    PASS = "decide that it passed"  # noqa: S105 - no password
    FAIL = "decide that it did not pass"
    APPEAL = "appeal"
    COMPLETE = "meet every requirement"
    RENEW = "the cycle ends"
    LAPSE = "the grace period ends"
    EXTEND = "set a later due date"
    REOPEN = "reopen the cycle"
    TAKE_LEAVE = "record leave"
    REST = "record inactive status"
    RETIRE = "record emeritus status"
    COME_BACK = "the last day away is over"
    RESUME = "remove or end emeritus status"
    END = "end the endorsement"
    END_BY_RULE = "the limited term or base endorsement ends"
    REMOVE = "remove after a lapse"
    REINSTATE = "reinstate"


class Limit(StrEnum):
    """Within which limit an act is possible."""

    NONE = ""
    WINDOW = "within the submission window"
    ALL_MET = "every requirement is met, or is waived"
    NO_FAILED_AUDIT = "every requirement is met, or is waived, unless an audit was not passed"
    REASON = "with a reason"
    ONCE = "once for each submission"
    OVERDUE = "after the day by which documents were due"
    DOCUMENTS = "with a document or a note"
    VERDICTS = "with a verdict about each session"
    AFTER_CYCLE = "after the last day of the cycle"
    AFTER_GRACE = "after the last day of the grace period"
    ABSENCES = "as the rulebook's [[absences]] allow"
    CATEGORY = "as the rulebook's category says"
    REMOVALS = "as the rulebook's [[removals]] allow"
    REINSTATED = "on request, as the rulebook's [[reinstatements]] allow"
    NOT_SETTLED = "before the cycle is settled"


class Deed(NamedTuple):
    """The service that a person's act calls, and the table that its audit event is about."""

    service: str
    event: str


class Transition(NamedTuple):
    """From which stages an act leads to ``target``, and who may do it.

    The system's have no deed: time passes, or they follow from the records.
    """

    act: Act
    sources: tuple[Stage, ...]
    target: Stage
    by: Party
    limit: Limit
    deed: Deed | None = None


_DECIDE = Deed("audit_decisions.decide_audit", "audit_case")
_ABSENCE = Deed("grants.add_leave", "leave")
_SUBMITTED = (Stage.SUBMITTED, Stage.NEEDS_ATTENTION)
_ANSWERED = (Stage.SENT, Stage.APPEALED)
_UNDER_WAY = (Stage.EARLY, Stage.OPEN, Stage.CLOSED, Stage.RETURNED)
_AUDITED = (Stage.DRAWN, Stage.ASKED, Stage.SENT, Stage.PASSED)
# While somebody is away, the window is open as usual.
AWAY = (Stage.ON_LEAVE, Stage.INACTIVE, Stage.EMERITUS)


def _by_endorsee(
    act: Act, sources: tuple[Stage, ...], target: Stage, limit: Limit, deed: Deed
) -> Transition:
    return Transition(act, sources, target, Party.ENDORSEE, limit, deed)


def _by_coordinator(
    act: Act, sources: tuple[Stage, ...], target: Stage, limit: Limit, deed: Deed
) -> Transition:
    return Transition(act, sources, target, Party.COORDINATOR, limit, deed)


def _by_system(
    act: Act, sources: tuple[Stage, ...], target: Stage, limit: Limit = Limit.NONE
) -> Transition:
    return Transition(act, sources, target, Party.SYSTEM, limit)


def _describe_way() -> Iterator[Transition]:
    """From a window that opens to a renewal that is accepted, or not."""
    may_submit = (Stage.OPEN, Stage.RETURNED, Stage.NOT_PASSED, *AWAY)
    yield _by_system(Act.OPEN_WINDOW, (Stage.EARLY,), Stage.OPEN, Limit.WINDOW)
    deed = Deed("submissions.submit_renewal", "submission")
    yield _by_endorsee(Act.SUBMIT, may_submit, Stage.SUBMITTED, Limit.WINDOW, deed)
    yield _by_system(Act.CHECK, (Stage.SUBMITTED,), Stage.NEEDS_ATTENTION)
    yield _by_system(Act.ACCEPT_COMPLETE, _SUBMITTED, Stage.ACCEPTED, Limit.NO_FAILED_AUDIT)
    deed = Deed("submissions.accept_renewal", "submission")
    yield _by_coordinator(Act.ACCEPT, _SUBMITTED, Stage.ACCEPTED, Limit.REASON, deed)
    may_return = (*_SUBMITTED, Stage.ACCEPTED, Stage.RENEWED, *_AUDITED)
    deed = Deed("submissions.return_renewal", "submission")
    yield _by_coordinator(Act.RETURN, may_return, Stage.RETURNED, Limit.REASON, deed)
    may_close = (Stage.OPEN, Stage.RETURNED)
    yield _by_system(Act.CLOSE_WINDOW, may_close, Stage.CLOSED, Limit.WINDOW)


def _describe_audit() -> Iterator[Transition]:
    """From an accepted renewal to one that passed its audit, or not."""
    drawable = (Stage.ACCEPTED, Stage.RENEWED)
    deed = Deed("audit_draws.draw_renewals", "audit_case")
    yield _by_coordinator(Act.DRAW, drawable, Stage.DRAWN, Limit.ONCE, deed)
    deed = Deed("audit_decisions.ask_for_documents", "audit_case")
    yield _by_coordinator(Act.ASK, (Stage.DRAWN,), Stage.ASKED, Limit.NONE, deed)
    deed = Deed("audit_decisions.extend_audit", "audit_case")
    yield _by_coordinator(Act.EXTEND_AUDIT, (Stage.ASKED,), Stage.ASKED, Limit.REASON, deed)
    for stage in (Stage.ASKED, Stage.NOT_PASSED):
        deed = Deed("audits.add_documents", "evidence")
        yield _by_endorsee(Act.ADD_DOCUMENTS, (stage,), stage, Limit.NONE, deed)
    deed = Deed("audits.send_documents", "audit_case")
    yield _by_endorsee(Act.SEND_DOCUMENTS, (Stage.ASKED,), Stage.SENT, Limit.DOCUMENTS, deed)
    for act, target in ((Act.PASS, Stage.PASSED), (Act.FAIL, Stage.NOT_PASSED)):
        yield _by_coordinator(act, _ANSWERED, target, Limit.VERDICTS, _DECIDE)
        yield _by_coordinator(act, (Stage.ASKED,), target, Limit.OVERDUE, _DECIDE)
    deed = Deed("audits.appeal", "audit_case")
    # Also after the renewal that did not pass has lapsed.
    may_appeal = (Stage.NOT_PASSED, Stage.LAPSED)
    yield _by_endorsee(Act.APPEAL, may_appeal, Stage.APPEALED, Limit.ONCE, deed)


def _describe_end() -> Iterator[Transition]:
    """What becomes of a renewal when its cycle is over, and how it is opened again."""
    yield _by_system(Act.COMPLETE, (Stage.OPEN,), Stage.COMPLETE, Limit.ALL_MET)
    # Of a reopened cycle, for which today's records count.
    yield _by_system(Act.COMPLETE, (Stage.LAPSED,), Stage.RENEWED, Limit.ALL_MET)
    renewable = (Stage.ACCEPTED, Stage.PASSED, Stage.COMPLETE)
    yield _by_system(Act.RENEW, renewable, Stage.RENEWED, Limit.AFTER_CYCLE)
    may_lapse = (*_UNDER_WAY, Stage.NOT_PASSED, Stage.RENEWED)
    yield _by_system(Act.LAPSE, may_lapse, Stage.LAPSED, Limit.AFTER_GRACE)
    deed = Deed("grants.grant_extension", "renewal")
    for sources, target in (
        ((Stage.OPEN, Stage.CLOSED, Stage.LAPSED), Stage.OPEN),
        ((Stage.RETURNED, Stage.CLOSED, Stage.LAPSED), Stage.RETURNED),
    ):
        yield _by_coordinator(Act.EXTEND, sources, target, Limit.NOT_SETTLED, deed)
    deed = Deed("reopening.reopen_cycle", "settled_cycle")
    for stage in (Stage.LAPSED, Stage.RENEWED):
        yield _by_coordinator(Act.REOPEN, (stage,), stage, Limit.REASON, deed)
    # What is removed is not renewed any more; a reinstatement begins an endorsement of its own.
    deed = Deed("lapse_removals.remove_lapsed", "endorsement")
    lapsed, removed = (Stage.LAPSED,), (Stage.REMOVED,)
    yield _by_coordinator(Act.REMOVE, lapsed, Stage.REMOVED, Limit.REMOVALS, deed)
    yield _by_system(Act.REMOVE, lapsed, Stage.REMOVED, Limit.REMOVALS)
    deed = Deed("applications.endorse_applicant", "endorsement")
    yield _by_coordinator(Act.REINSTATE, removed, Stage.REINSTATED, Limit.REINSTATED, deed)


def _describe_absences() -> Iterator[Transition]:
    """Leave, inactive and emeritus status, and the end of an endorsement."""
    for act, sources, target in (
        (Act.TAKE_LEAVE, _UNDER_WAY, Stage.ON_LEAVE),
        (Act.REST, (*_UNDER_WAY, Stage.COMPLETE), Stage.INACTIVE),
        (Act.RETIRE, (*_UNDER_WAY, Stage.COMPLETE), Stage.EMERITUS),
    ):
        yield _by_coordinator(act, sources, target, Limit.ABSENCES, _ABSENCE)
    yield _by_system(Act.COME_BACK, (Stage.ON_LEAVE, Stage.INACTIVE), Stage.OPEN)
    deed = Deed("grants.change_leave", "leave")
    yield _by_coordinator(Act.RESUME, (Stage.EMERITUS,), Stage.OPEN, Limit.REASON, deed)
    gone = (Stage.REMOVED, Stage.REINSTATED, Stage.ENDED)
    may_end = tuple(stage for stage in Stage if stage not in gone)
    deed = Deed("holdings.change_days", "endorsement")
    yield _by_coordinator(Act.END, may_end, Stage.ENDED, Limit.NONE, deed)
    yield _by_system(Act.END_BY_RULE, may_end, Stage.ENDED, Limit.CATEGORY)


@cache
def list_all_transitions() -> tuple[Transition, ...]:
    """Everything that can be done, in the order of docs/stages.md."""
    return (*_describe_way(), *_describe_audit(), *_describe_end(), *_describe_absences())


def list_transitions(act: Act) -> list[Transition]:
    """Where an act leads, and from where."""
    return [each for each in list_all_transitions() if each.act is act]


# Services ask for each row of a list.
@cache
def _find_sources(act: Act) -> frozenset[str]:
    return frozenset(source for each in list_transitions(act) for source in each.sources)


def may(act: Act, stage: str) -> bool:
    """Whether an act is possible in a stage, within its limit."""
    return stage in _find_sources(act)


def list_sources(act: Act) -> list[Stage]:
    """The stages in which an act is possible, in their order."""
    return [stage for stage in Stage if may(act, stage)]


def may_decide(state: str, due_on: date | None, today: date) -> bool:
    """Whether an audit can be decided: something came, or nothing by ``due_on``, its whole day."""
    is_overdue = due_on is not None and due_on < today
    return any(
        state in each.sources and (each.limit is not Limit.OVERDUE or is_overdue)
        for each in list_transitions(Act.FAIL)
    )
