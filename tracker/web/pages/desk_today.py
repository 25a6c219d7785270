"""The coordinator's start page: how things stand, what needs attention, and the system itself."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from dateutil.relativedelta import relativedelta
from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from sqlmodel import Session
from wtforms import HiddenField, RadioField, SelectChoice, StringField

from tracker.exports.workbooks import XLSX, table_workbook
from tracker.formatting import capitalize_first, format_count, format_date
from tracker.jobs.schedule import Job, find_due, find_next
from tracker.notifications.attention_text import (
    JOB_LABELS,
    KIND_LABELS,
    AttentionRow,
    AttentionText,
    attention_rows,
    describe_attention,
    format_attention_count,
    path_of_row,
)
from tracker.notifications.digest_mail import digest_subscription
from tracker.services.attention import Attention, AttentionKind, Queue, QueueItem, read_queue
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.cutoffs import list_cutoffs
from tracker.services.cycle_progress import CycleProgress, read_cycle_progress
from tracker.services.dashboard import STATES, count_renewals
from tracker.services.desk_changes import list_changes
from tracker.services.endings import list_endings
from tracker.services.notification_preferences import (
    Subscription,
    is_unsubscribed,
    subscribe_again,
)
from tracker.services.run_health import JobProblem, RunHealth, read_run_health
from tracker.services.run_ledger import list_last_run_dates
from tracker.services.security_events import DONE, DOWNLOAD, record_event
from tracker.services.snoozes import SnoozeInput, end_snooze, get_cause, snooze_cause
from tracker.spreadsheet_csv import csv_lines
from tracker.web.dependencies import client_of
from tracker.web.flash import redirect_with_flash
from tracker.web.forms.body import OwnForm, Typed, add_problem, clean, number_of, text_of
from tracker.web.forms.fields import DateError, DateWording, parse_date
from tracker.web.page_request import ChangePage, CoordinatorPage, PageNumber, PageRequest, require
from tracker.web.pages.attention_table import tabulate_attention
from tracker.web.pages.desk import choose_association, find_undo_paths
from tracker.web.time_zones import format_instant

router = APIRouter()
# Rows of the queue on a page: what a coordinator can take in, within 80 kB.
_ROWS = 25
_MOST_AHEAD = 20
_LATEST_CHANGES = 3
_MOST_NAMES = 30
_OTHER_DAY = "other"
_SNOOZE_FOR = {
    "Tomorrow": relativedelta(days=1),
    "In a week": relativedelta(weeks=1),
    "In two weeks": relativedelta(weeks=2),
    "In a month": relativedelta(months=1),
}
_DEFAULT_SNOOZE = "In a week"


class CauseRow(NamedTuple):
    """One row of the queue: the cause in words, and the snooze it came back from, if any."""

    attention: Attention
    text: AttentionText
    reason: str
    snooze: "SnoozeText | None"


class SnoozeText(NamedTuple):
    """A snooze: until when, by whom, and why."""

    id: int
    until: date
    note: str
    by: str


@router.get("/coordinator")
def show_today(
    page: CoordinatorPage,
    association: Annotated[str, Query()] = "",
    status: Annotated[str, Query()] = "",
    kind: Annotated[str, Query()] = "",
    cause: Annotated[str, Query()] = "",
    number: PageNumber = 1,
) -> Response:
    """How an association stands, and everything that needs its coordinators' attention."""
    association = choose_association(page.viewer, association)
    if status in STATES:
        # The list of renewals was on this page once.
        query = {"association": association, "status": status}
        return RedirectResponse(f"/coordinator/people?{urlencode(query)}", 303)
    with page.reading() as session:
        queue = read_queue(session, page.rulebooks, association, page.now)
        counts = count_renewals(session, association, page.day_of(association))
        panels = _read_panels(page, session, association)
        own_digest = _list_own_digest(page, association)
        has_ended_digest = any(is_unsubscribed(session, each) for each in own_digest)
    kinds = Counter(item.attention.kind.value for item in queue.open)
    kind = kind if kind in kinds else ""
    listed = _filter_by_kind(queue, kind)
    number = _page_of(listed, cause) or number
    view = _QueueView(page, association, page.day_of(association))
    return page.render(
        "desk_today.html",
        here="coordinator",
        desk="today",
        association=association,
        headline=_format_headline(queue, counts),
        is_empty=not sum(counts.values()) and not queue.open and not panels["endings"],
        rows=view.rows(listed[(number - 1) * _ROWS : number * _ROWS]),
        snoozed=view.rows(queue.snoozed),
        chosen=cause,
        is_gone=bool(cause) and queue.find(cause) is None,
        kinds=[(each.value, KIND_LABELS[each], kinds[each.value]) for each in AttentionKind],
        kind=kind,
        total=len(queue.open),
        has_ended_digest=has_ended_digest,
        page=number,
        pages=max(1, -(-len(listed) // _ROWS)),
        link=lambda **parts: f"/coordinator?{urlencode({'association': association, **parts})}",
        **panels,
    )


def _read_panels(page: PageRequest, session: Session, association: str) -> dict[str, Any]:
    """What stands below the queue: the system's health, what comes up, progress, and changes."""
    today, rulebook = page.day_of(association), page.rulebooks.associations[association]
    recent_months = page.site.notices.of(association).provider_cutoff.used_within_months
    health = read_run_health(session, association, page.now)
    endings = list_endings(session, page.rulebooks, association, page.day_of)[:_MOST_AHEAD]
    changes = list_changes(session, [association], limit=_LATEST_CHANGES)
    undo_paths = find_undo_paths(page, session, changes)
    progress = read_cycle_progress(session, rulebook, today)
    return {
        "health": _describe_health(health, rulebook.time_zone),
        "job_problems": [_describe_problem(one) for one in health.problems[:_MOST_AHEAD]],
        "jobs": _list_next_jobs(page, session, association),
        "cutoffs": list_cutoffs(session, association, today, recent_months)[:_MOST_AHEAD],
        "most_names": _MOST_NAMES,
        "endings": [(ending, ending.has_ended(today)) for ending in endings],
        "progress": progress,
        "chart": _draw(progress) if progress and progress.has_records else None,
        "changes": [(change, undo_paths.get(change.id)) for change in changes],
    }


def _format_headline(queue: Queue, counts: Mapping[str, int]) -> str:
    """How things stand, in one sentence."""
    total = sum(counts.values()) - counts["no rules"]
    verb = "is" if total == 1 else "are"
    renewals = f"{counts['met']} of {format_count(total, 'renewal')} {verb} complete"
    return f"{format_attention_count(len(queue.open))}, and {renewals}."


def _describe_problem(problem: JobProblem) -> str:
    about = f" for {problem.about}" if problem.about else ""
    return f"{capitalize_first(JOB_LABELS[problem.job])} failed{about}"


def _filter_by_kind(queue: Queue, kind: str) -> Sequence[QueueItem]:
    """The open causes of a kind; all of them if it is empty."""
    if not kind:
        return queue.open
    return [item for item in queue.open if item.attention.kind.value == kind]


def _page_of(items: Sequence[QueueItem], key: str) -> int | None:
    """The number of the page that a cause is on; None if it is not in the list."""
    keys = [item.attention.key for item in items]
    return keys.index(key) // _ROWS + 1 if key in keys else None


class _QueueView(NamedTuple):
    """What it takes to put causes into words."""

    page: PageRequest
    association: str
    today: date

    @property
    def names(self) -> dict[str, str]:
        """The coordinators' names by their addresses."""
        return self.page.team_names

    def rows(self, items: Sequence[QueueItem]) -> list[CauseRow]:
        """The causes in words."""
        names, rows = self.names, []
        for attention, stored in items:
            text = describe_attention(attention, self.association, self.today)
            snooze = None
            if stored:
                by = names.get(stored.snoozed_by, stored.snoozed_by)
                snooze = SnoozeText(stored.id, stored.until, stored.note, by)
            rows.append(CauseRow(attention, text, capitalize_first(text.reason), snooze))
        return rows


class NextJob(NamedTuple):
    """A job, and when it runs next."""

    label: str
    runs: str


def _list_next_jobs(page: PageRequest, session: Session, association: str) -> list[NextJob]:
    """When each job runs next, the soonest first."""
    zone = page.rulebooks.associations[association].time_zone
    schedule = page.site.settings.schedule_of(association)
    last = list_last_run_dates(session)
    times = []
    for job in Job:
        label = capitalize_first(JOB_LABELS[job])
        if find_due(schedule, job, zone, page.now, last.get((job, association))):
            times.append((page.now, NextJob(label, "Due now")))
        else:
            at = find_next(schedule, job, zone, page.now)
            times.append((at, NextJob(label, format_instant(at, zone))))
    return [job for _, job in sorted(times, key=lambda pair: pair[0])]


def _describe_health(health: RunHealth, zone: str) -> list[tuple[str, str, bool]]:
    """Rows of (label, value, whether it is as it should be)."""
    mail = health.mail
    waiting = "None"
    if mail.oldest:
        waiting = f"{mail.waiting}, the oldest since {format_instant(mail.oldest, zone)}"
    failed = "None"
    if mail.bounced or mail.unsent:
        failed = f"{mail.bounced} bounced, {mail.unsent} could not be sent"
    last = health.last_evaluation
    digest = health.last_digest
    return [
        ("Last evaluation", format_instant(last, zone) if last else "Not yet", last is not None),
        ("Last digest", format_instant(digest, zone) if digest else "Not yet", True),
        ("Email waiting", waiting, True),
        ("Email that failed in the last 7 days", failed, not mail.unsent),
    ]


class Chart(NamedTuple):
    """The points of two lines in a picture of 600 by 200; empty where nothing is on record."""

    this: str
    last: str
    today_x: int
    share: int


def _draw(progress: CycleProgress) -> Chart:
    """The share of renewals that is complete, by the days of the cycle."""
    cycle = progress.cycle
    length = (cycle.ends_on - cycle.starts_on).days or 1
    width, height = 600, 200

    def line(which: str) -> Iterator[str]:
        for point in progress.points:
            figures: tuple[int, int] | None = getattr(point, which)
            if figures and figures[1]:
                x = width * (point.day - cycle.starts_on).days // length
                yield f"{x},{height - height * figures[0] // figures[1]}"

    last = progress.points[-1]
    today_x = width * (last.day - cycle.starts_on).days // length
    share = 100 * last.this[0] // last.this[1] if last.this and last.this[1] else 0
    return Chart(" ".join(line("this")), " ".join(line("last")), today_x, share)


@router.get("/coordinator/attention.csv")
def send_attention(
    page: CoordinatorPage,
    request: Request,
    association: Annotated[str, Query()] = "",
    kind: Annotated[str, Query()] = "",
) -> StreamingResponse:
    """Send what needs attention at one association, or one kind of it, for a spreadsheet."""
    association = choose_association(page.viewer, association)
    rows, name = _read_attention(page, request, association, kind)
    return StreamingResponse(
        csv_lines(AttentionRow._fields, rows),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}.csv"'},
    )


@router.get("/coordinator/attention.xlsx")
def send_attention_workbook(
    page: CoordinatorPage,
    request: Request,
    association: Annotated[str, Query()] = "",
    kind: Annotated[str, Query()] = "",
) -> Response:
    """Send the same as a workbook."""
    association = choose_association(page.viewer, association)
    rows, name = _read_attention(page, request, association, kind)
    with table_workbook(tabulate_attention(rows), name) as file:
        headers = {"content-disposition": f'attachment; filename="{name}.xlsx"'}
        return Response(file.read(), media_type=XLSX, headers=headers)


def _read_attention(
    page: PageRequest, request: Request, association: str, kind: str
) -> tuple[list[AttentionRow], str]:
    """What needs attention, of one kind if it is not empty, and the file's name; recorded."""
    base_url = page.site.settings.base_url
    with page.reading() as session:
        rows = attention_rows(session, page.rulebooks, association, page.now, base_url)
    if kind:
        rows = [row for row in rows if row.kind == kind]
    client, person_id = client_of(request), page.viewer.person_id
    page.site.writer.run(
        lambda writing: record_event(writing, page.now, client, DOWNLOAD, DONE, person_id)
    )
    return rows, f"attention-{association.lower()}-{page.day_of(association).isoformat()}"


class SnoozeForm(OwnForm):
    """Until when, chosen or typed, and why. ``replaces`` is the snooze that the page showed."""

    refusal_fields: ClassVar = {"until": "choice"}
    first_field = "choice"
    page_order = ("choice", "month", "day", "year", "note")

    association = HiddenField(filters=[clean])
    cause = HiddenField(filters=[clean])
    replaces = HiddenField(filters=[clean])
    choice = RadioField("Show it again", validate_choice=False, filters=[clean])
    day = StringField("Day", filters=[clean])
    month = StringField("Month", filters=[clean])
    year = StringField("Year", filters=[clean])
    note = StringField("Note", filters=[clean])

    def offer_days(self, today: date) -> None:
        """The days to choose from; the form sends the day itself, so midnight changes nothing."""
        choices = []
        for label, span in _SNOOZE_FOR.items():
            day = today + span
            choices.append(SelectChoice(day.isoformat(), f"{label}, {format_date(day)}"))
            if label == _DEFAULT_SNOOZE and not self.choice.data:
                self.choice.data = day.isoformat()
        self.choice.choices = [*choices, SelectChoice(_OTHER_DAY, "On another day")]

    def parse_until(self, today: date) -> date | None:
        """The first day on which the cause is shown again; None, with a problem, if it is wrong."""
        if self.choice.data != _OTHER_DAY:
            if any(self[part].data for part in ("day", "month", "year")):
                message = "Choose “On another day,” or leave the other day empty"
                add_problem(self.choice, message)
                return None
            try:
                return date.fromisoformat(self.choice.data or "")
            except ValueError:
                add_problem(self.choice, "Choose when to show it again")
                return None
        wording = DateWording("Enter the day to show it again", "The day", today.year)
        day, month, year = (self[part].data or "" for part in ("day", "month", "year"))
        try:
            return parse_date(day, month, year, wording, range(today.year, today.year + 3))
        except DateError as error:
            add_problem(self[error.part], str(error))
            return None


@router.get("/coordinator/snooze")
def show_snooze(
    page: ChangePage,
    association: Annotated[str, Query()] = "",
    cause: Annotated[str, Query()] = "",
) -> Response:
    """The form to put off one cause, or to change until when."""
    association = choose_association(page.viewer, association)
    return _render_snooze(page, association, require(cause), None)


@router.post("/coordinator/snooze")
def snooze(page: CoordinatorPage, typed: Typed) -> Response:
    """Put off one cause."""
    form = SnoozeForm(typed)
    association = choose_association(page.viewer, form.association.data)
    until = form.parse_until(page.day_of(association))
    if until is not None:
        chosen = SnoozeInput(
            association=association,
            cause=form.cause.data,
            until=until,
            note=form.note.data,
            replaces=number_of(typed, "replaces"),
        )
        try:
            page.write(lambda context: snooze_cause(context, chosen))
        except NotFound:
            return _redirect(page, association, "cause-gone")
        except Refused as refused:
            form.add_refusals(refused.refusals)
        else:
            return _redirect(page, association, "snoozed")
    return _render_snooze(page, association, form.cause.data, form)


@router.post("/coordinator/snooze/end")
def end(page: CoordinatorPage, typed: Typed) -> Response:
    """Put a cause back into the queue."""
    association = choose_association(page.viewer, clean(text_of(typed, "association")))
    cause = clean(text_of(typed, "cause"))
    try:
        page.write(lambda context: end_snooze(context, association, cause))
    except NotFound:
        # Pressed twice, or somebody else was faster.
        return _redirect(page, association, "snooze-over")
    return _redirect(page, association, "snooze-ended")


@router.post("/coordinator/digest")
def get_digest_again(page: CoordinatorPage, typed: Typed) -> Response:
    """Send the reader the weekly digest again, after they ended it or marked it as spam."""
    association = choose_association(page.viewer, clean(text_of(typed, "association")))

    def subscribe(context: ServiceContext) -> None:
        for each in _list_own_digest(page, association):
            subscribe_again(context.session, each)

    page.write(subscribe)
    return _redirect(page, association, "digest-again")


def _list_own_digest(page: PageRequest, association: str) -> list[Subscription]:
    """The reader's digest of an association; nothing for others than its coordinators."""
    coordinators = page.site.settings.coordinators_of(association)
    return [digest_subscription(one) for one in coordinators if one.email == page.viewer.email]


def _redirect(page: PageRequest, association: str, message: str) -> Response:
    path = "/coordinator"
    return redirect_with_flash(page.site, path, message, {"association": association})


def _render_snooze(
    page: PageRequest, association: str, key: str, form: SnoozeForm | None
) -> Response:
    """The form, with what was typed; back to the queue if the cause is gone."""
    today = page.day_of(association)
    with page.reading() as session:
        try:
            item = get_cause(page.context(session), association, key)
        except NotFound:
            return _redirect(page, association, "cause-gone")
    [row] = _QueueView(page, association, today).rows([item])
    is_snoozed = item.snooze is not None and item.snooze.until > today
    if form is None:
        kept = {"note": item.snooze.note} if item.snooze else {}
        form = SnoozeForm(data={"association": association, "cause": key, **kept})
    # What is stored now: after a message that it changed, the next try replaces it.
    form.replaces.data = str(item.snooze.id) if item.snooze else "0"
    form.offer_days(today)
    return page.render(
        "desk_snooze.html",
        here="coordinator",
        desk="today",
        association=association,
        form=form,
        row=row,
        is_snoozed=is_snoozed,
        back=path_of_row(association, key),
        other=_OTHER_DAY,
    )
