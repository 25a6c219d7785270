"""The words of a digest's section on applicants: who waits for a decision, and how many do not."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from dateutil.relativedelta import relativedelta
from sqlmodel import Session

from tracker.clock import instant_of, local_day
from tracker.formatting import (
    MINUTES_IN_HOUR,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_list,
    format_period,
    format_short_date,
    format_short_month_day,
    hours_word,
)
from tracker.mail.contents import Action, Applicants, DigestMail, Figure, Line, Need, Trend
from tracker.notifications.context import JobContext
from tracker.rules.application.wording import labels, review_results
from tracker.rules.standing import ApplicationStanding, Status
from tracker.services.applications import list_applicants
from tracker.services.dashboard import (
    CutoffAhead,
    Missing,
    NamedProviderDigest,
    StandingLine,
    cutoffs_ahead,
    mail_counts,
    minutes_held,
    named_providers,
    standing_lines,
)
from tracker.services.run_ledger import CAUGHT_UP, runs_since
from tracker.services.time_requests import LEAVE, SubmittedRequest, list_requests

_WAITING = (Status.READY, Status.NEEDS_REVIEW)


def write_applicants(
    standings: Sequence[ApplicationStanding], association: str, base_url: str, most: int
) -> Applicants:
    """Say who is ready, then who needs review (``most`` are named); the others are counted.

    ``standings`` come in the order of `tracker.services.applications.list_applicants`.
    """
    if not standings:
        return Applicants()
    counts = Counter(s.status for s in standings)
    review = counts[Status.NEEDS_REVIEW]
    waiting = [s for s in standings if s.status in _WAITING]
    return Applicants(
        summary=f"{counts[Status.READY]} ready, {review} {'needs' if review == 1 else 'need'} "
        f"review, {counts[Status.NOT_READY]} not ready",
        people=tuple(_person(s, base_url) for s in waiting[:most]),
        more=max(0, len(waiting) - most),
        url=f"{base_url}/coordinator/applicants?association={quote(association)}",
    )


def format_ready(standings: Sequence[ApplicationStanding]) -> str:
    """How many are ready: "2 applicants are ready"; empty where nobody is."""
    ready = sum(s.status is Status.READY for s in standings)
    if not ready:
        return ""
    return f"{ready} {'applicant is' if ready == 1 else 'applicants are'} ready"


def _person(standing: ApplicationStanding, base_url: str) -> Need:
    candidate = standing.facts.candidate
    submitted_on = candidate.submitted_on
    reason = f"submitted on {format_date(submitted_on)}" if submitted_on else "not submitted yet"
    todo = "decide"
    if standing.status is Status.NEEDS_REVIEW:
        todo = "review"
        reason += f"; for the reviewers: {format_list(labels(review_results(standing)))}"
    return Need(
        standing.facts.name,
        standing.plan.category,
        reason,
        todo,
        f"{base_url}/coordinator/applicants/{standing.facts.subject_id}",
    )


_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS_OF_TREND = 4
# How far ahead a digest looks for providers who stop counting.
_MONTHS_AHEAD = 18
# More than any digest names; who has more than these has them on the page.
_MOST_REQUESTS = 1_000


@dataclass
class Week:
    """One association's week, of which ``monday`` is the digest's day.

    The period is the seven days before it, both ends included.
    ``as_of`` is the day on which it is written: the same, unless it had to be caught up.

    ``met`` to ``lapsed`` count renewals; ``behind`` are open and off an even pace. ``needs`` are
    the renewals that need somebody, in no order; ``applicants`` the undecided applications, the
    ready first; ``requests`` for leave or a later due date wait for a decision, the oldest first.
    """

    association: str
    monday: date
    as_of: date
    met: int = 0
    open: int = 0
    behind: int = 0
    overdue: int = 0
    lapsed: int = 0
    excused: int = 0
    completed: int = 0
    fell_behind: int = 0
    minutes: int = 0
    sent: int = 0
    last_evaluation: tuple[date, datetime] | None = None
    missed_nights: int = 0
    needs: list[StandingLine] = field(default_factory=list)
    unconfirmed: list[NamedProviderDigest] = field(default_factory=list)
    ahead: list[CutoffAhead] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    earlier: list[tuple[date, dict[str, int]]] = field(default_factory=list)
    applicants: list[ApplicationStanding] = field(default_factory=list)
    requests: list[SubmittedRequest] = field(default_factory=list)

    @property
    def first(self) -> date:
        """The period's first day."""
        return self.monday - _WEEK

    @property
    def last(self) -> date:
        """The period's last day."""
        return self.monday - _DAY

    @property
    def total(self) -> int:
        """All renewals counted."""
        return self.met + self.open + self.behind + self.overdue + self.lapsed + self.excused

    @property
    def healthy(self) -> bool:
        """Whether the nightly evaluation ran today or yesterday, and missed no night before."""
        if self.last_evaluation is None or self.missed_nights:
            return False
        return self.last_evaluation[0] >= self.as_of - _DAY

    def figures(self) -> dict[str, int]:
        """What later digests compare with."""
        return {"met": self.met, "total": self.total, "behind": self.behind}


def count_week(
    context: JobContext, session: Session, association: str, monday: date, now: datetime
) -> Week:
    """Read and count everything that the digest of ``monday`` says."""
    zone = context.rulebooks.associations[association].time_zone
    week = Week(association, monday, as_of=local_day(now, zone))
    for line in standing_lines(session, association, week.as_of):
        _count(week, line)
    week.minutes = minutes_held(session, association, week.first, week.last)
    start, end = (instant_of(day, time(0), zone) for day in (week.first, week.monday))
    week.sent, week.refused = mail_counts(session, association, start, end)
    week.unconfirmed = named_providers(
        session, association, week.monday - relativedelta(years=1), week.monday
    )
    months = context.notices.provider_cutoff.used_within_months
    week.ahead = cutoffs_ahead(
        session,
        association,
        week.monday - relativedelta(months=months),
        week.monday,
        week.monday + relativedelta(months=_MONTHS_AHEAD),
    )
    week.requests = list_requests(
        session, association, undecided=True, skip=0, limit=_MOST_REQUESTS
    )
    week.applicants = list_applicants(session, context.rulebooks, association, week.as_of)
    _remember(week, session)
    return week


def _count(week: Week, line: StandingLine) -> None:
    behind = line.falls_behind_on is not None and line.falls_behind_on <= week.as_of
    name = "behind" if line.status == "open" and behind else line.status
    if line.is_current:
        # Of the cycle before only what still needs somebody is listed, and it is not counted.
        setattr(week, name, getattr(week, name) + 1)
    if line.status == "met" and week.first <= line.status_since <= week.last:
        week.completed += 1
    if behind and line.falls_behind_on and line.falls_behind_on >= week.first:
        week.fell_behind += 1
    if name in ("behind", "overdue", "lapsed") or (line.email_refused_at and not line.second_email):
        week.needs.append(line)


def _remember(week: Week, session: Session) -> None:
    """The last evaluation, and the figures of earlier digests (oldest first)."""
    runs = runs_since(session, week.association, week.monday - _WEEKS_OF_TREND * _WEEK)
    nights = [r for r in runs if r.job == "evaluate"]
    # A night that a later one caught up had no run: to call it healthy would hide an outage.
    missed = [r.local_date for r in nights if CAUGHT_UP in r.report]
    week.missed_nights = sum(week.first <= night <= week.as_of for night in missed)
    evaluations = [r for r in nights if CAUGHT_UP not in r.report]
    if evaluations:
        week.last_evaluation = (evaluations[0].local_date, evaluations[0].finished_at)
    week.earlier = [
        (run.local_date, json.loads(run.report))
        for run in reversed(runs)
        if run.job == "digest" and run.local_date < week.monday and "met" in run.report
    ]


_BOUNCED_SHOWN = 10
# The worst first.
_RANKS = ("lapsed", "overdue", "unreachable", "request", "unconfirmed", "behind")


class _Ranked(NamedTuple):
    """One to name, in its place; the words are found only for those who are named."""

    rank: int
    weight: int
    name: str
    url: str
    write: Callable[[str], Need]


def write_digest(week: Week, base_url: str, unsubscribe_url: str, most: int) -> DigestMail:
    """Write the digest; ``most`` people are named, the rest counted. A quiet week prints zeros."""
    ranked = _once(sorted(_needs(week, base_url), key=lambda r: (r.rank, -r.weight, r.name)))
    number = len(ranked)
    ready = format_ready(week.applicants)
    health, healthy = _health(week)
    return DigestMail(
        subject=_subject(week, number, ready),
        association=week.association,
        period=format_period(week.first, week.last),
        headline=_headline(week, number, ready),
        health=health,
        healthy=healthy,
        figures=_figures(week, number),
        needs=tuple(r.write(r.url) for r in ranked[:most]),
        more_needs=max(0, number - most),
        changes=_changes(week),
        trend=_trend(week),
        ahead=tuple(_ahead(week)),
        bounced=tuple(Line(error, address) for address, error in week.refused[:_BOUNCED_SHOWN]),
        more_bounced=max(0, len(week.refused) - _BOUNCED_SHOWN),
        action=Action("Open the dashboard", f"{base_url}/coordinator"),
        why=f"Sent to the coordinators of {week.association} every week.",
        unsubscribe_url=unsubscribe_url,
        applicants=write_applicants(week.applicants, week.association, base_url, most),
    )


def _headline(week: Week, number: int, ready: str) -> str:
    needing = "No renewal needs you." if ready else "Nothing needs you."
    if number:
        needing = f"{number} {'person needs' if number == 1 else 'people need'} you."
    parts = [needing]
    if _says_renewed(week, ready):
        parts.append(f"{week.met} of {week.total} have renewed.")
    return " ".join([*parts, f"{ready}."] if ready else parts)


def _says_renewed(week: Week, ready: str) -> bool:
    """A quiet week prints zeros; an association that only has applicants has other news."""
    return bool(week.total) or not ready


def _subject(week: Week, number: int, ready: str) -> str:
    needing = f"{number} need{'s' * (number == 1)} you" if number else ready or "nothing needs you"
    met = f", {week.met} of {week.total} met" if _says_renewed(week, ready) else ""
    return f"{week.association}: {needing}{met}"


def _health(week: Week) -> tuple[str, bool]:
    mails = f"{week.sent} {'reminder' if week.sent == 1 else 'reminders'} went out this week, "
    mails += f"{len(week.refused)} came back."
    if week.last_evaluation is None:
        return f"The nightly run has not run yet. {mails}", False
    day = week.last_evaluation[0]
    when = "today" if day == week.as_of else f"on {format_date(day)}"
    state = "healthy" if week.healthy else "and not since: please tell your operator"
    if week.missed_nights:
        nights = f"{week.missed_nights} night{'s' * (week.missed_nights != 1)}"
        state = f"after {nights} without one: please tell your operator"
    return f"Last nightly run: {when}, {state}. {mails}", week.healthy


def _figures(week: Week, needing: int) -> tuple[Figure, ...]:
    figures = [
        Figure(str(week.met), f"met{_than_last_week(week)}", "good"),
        Figure(str(week.open), "open, on pace"),
        Figure(str(week.behind), "behind", "warm" if week.behind else "plain"),
        Figure(str(needing), "need you", "warm" if needing else "plain"),
    ]
    return tuple(figures)


def _than_last_week(week: Week) -> str:
    if not week.earlier:
        return ""
    more = week.met - week.earlier[-1][1]["met"]
    if more == 0:
        return ", as last week"
    return f", {abs(more)} {'more' if more > 0 else 'fewer'} than last week"


def _needs(week: Week, base_url: str) -> Iterator[_Ranked]:
    people = f"{base_url}/coordinator/people"
    for line in week.needs:
        rank = _RANKS.index(_why(line))
        write, url = partial(_reach, line, week.as_of), f"{people}/{line.endorsement_id}"
        yield _Ranked(rank, line.short_minutes, line.name, url, write)
    for number, submitted in enumerate(week.requests):
        rank, write = _RANKS.index("request"), partial(_decide, submitted)
        # Of requests the oldest comes first.
        url = f"{base_url}/coordinator/requests/{submitted.request.id}"
        yield _Ranked(rank, -number, submitted.person.name, url, write)
    for named in week.unconfirmed:
        rank, write = _RANKS.index("unconfirmed"), partial(_confirm, named)
        url = f"{people}/{named.endorsement_id}"
        yield _Ranked(rank, named.minutes, named.person_name, url, write)


def _once(ranked: Iterable[_Ranked]) -> list[_Ranked]:
    """The worst of each endorsement: one person with two troubles is one to reach."""
    first: dict[str, _Ranked] = {}
    for each in ranked:
        first.setdefault(each.url, each)
    return list(first.values())


def _why(line: StandingLine) -> str:
    if line.status in ("lapsed", "overdue"):
        return line.status
    return "unreachable" if line.email_refused_at and not line.second_email else "behind"


def _reach(line: StandingLine, as_of: date, url: str) -> Need:
    short = format_list([_short(missing) for missing in line.missing])
    due = format_short_date(line.due_on) if line.due_on else ""
    why, todo = _why(line), "reach them"
    if why == "unreachable":
        reason = f"mail to {line.email} came back; no second address"
    elif why == "behind":
        todo, left = "far behind", (line.due_on - as_of).days if line.due_on else 0
        reason = f"{short} to go, {left} days left"
    else:
        reason = f"{why}, was due {due}: {short} missing"
    return Need(line.name, line.category, reason, todo, url)


def _short(missing: Missing) -> str:
    if missing.counts == "membership":
        return missing.counts
    word = hours_word(missing.counts, missing.id.removeprefix(missing.counts).lstrip(".").upper())
    return f"{format_hours(missing.short)} {word} hour{'s' * (missing.short != MINUTES_IN_HOUR)}"


def _decide(submitted: SubmittedRequest, url: str) -> Need:
    request = submitted.request
    if request.kind == LEAVE:
        reason = f"asks for leave from {format_date(request.starts_on)}"
    else:
        reason = f"asks for a later due date: {format_date(request.ends_on or request.starts_on)}"
    return Need(submitted.person.name, submitted.endorsement.category, reason, "decide", url)


def _confirm(named: NamedProviderDigest, url: str) -> Need:
    hours = format_hours_with_unit(named.minutes)
    return Need(
        named.person_name,
        named.category,
        f"named a new RSC provider, {named.provider_name}: qualified or not decides {hours}",
        "confirm provider",
        url,
    )


def _changes(week: Week) -> tuple[Line, ...]:
    counted = (
        f"{week.completed} completed, {week.fell_behind} fell behind, "
        f"{format_hours_with_unit(week.minutes)} held"
    )
    if week.excused:
        counted += f"; {week.excused} on leave"
    if not week.earlier:
        return (Line(counted, f"{_percent(week.met, week.total)} done"),)
    before = week.earlier[-1][1]
    share = _percent(before["met"], before["total"])
    return (Line(counted, f"{share} → {_percent(week.met, week.total)} done"),)


def _trend(week: Week) -> Trend:
    """Earlier weeks and this one; nothing before there is something to compare."""
    if not week.earlier:
        return Trend()
    weeks = [*week.earlier, (week.monday, week.figures())]
    return Trend(
        ("Week to", "met", "in all", "behind"),
        tuple(
            (format_short_month_day(day), str(f["met"]), str(f["total"]), str(f["behind"]))
            for day, f in weeks
        ),
    )


def _ahead(week: Week) -> Iterator[Line]:
    for cutoff in week.ahead:
        people = f"{cutoff.endorsees} endorsee{'s' * (cutoff.endorsees != 1)}"
        providers = f"{cutoff.providers} provider{'s' * (cutoff.providers != 1)}"
        text = f"{'stop' if cutoff.providers != 1 else 'stops'} counting after this day"
        yield Line(f"{providers} {text}", people, strong=format_date(cutoff.last_day))


def _percent(part: int, whole: int) -> str:
    return f"{round(100 * part / whole) if whole else 0} %"
