"""Log hours: the form for a session, its edit page, and the page that shows what it counts for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.engine import reading
from tracker.db.errors import Busy
from tracker.formatting import format_size, use_locale
from tracker.refusal_text import format_length_question, format_refusal
from tracker.rules.explain import LoggedEntry
from tracker.rules.reasons import format_reason
from tracker.services.context import NotFound, Refused, ServiceContext
from tracker.services.courses import (
    COURSE_DAYS,
    CourseNeedsConfirmation,
    CourseWarning,
    create_course,
    number_refusals,
)
from tracker.services.endorsements import refusal_of_lock
from tracker.services.entries import (
    EntrySource,
    NeedsConfirmation,
    create_entry,
    delete_entry,
    entry_version,
    find_entry,
    update_entry,
)
from tracker.services.entry_rules import (
    EntryRules,
    EntryWarnings,
    length_key,
    load_entry_rules,
    provider_key,
    validate_entry,
)
from tracker.services.entry_undo import undo_deletion
from tracker.services.evidence import (
    FILES_PER_ENTRY,
    FormFiles,
    ReceivedFile,
    check_space,
    keep_files,
    list_form_files,
    move_drafts,
    remove_file,
    share_files,
)
from tracker.services.profile import get_person
from tracker.services.removals import find_deletion_of
from tracker.web.dependencies import (
    SignInNeeded,
    Site,
    Viewer,
    site_of,
    viewer_in_session,
    viewer_of_request,
)
from tracker.web.forms.body import RowId, Typed, number_of, open_posted, parse_id
from tracker.web.forms.course import (
    check_unused_days,
    count_rows,
    join_course_fields,
    parse_course,
)
from tracker.web.forms.entry import (
    LogLinkDep,
    SubmittedForm,
    build_log_form,
    parse_entry,
    prefill_from_entry,
    prefill_from_link,
)
from tracker.web.forms.fields import (
    DAYS_AGO,
    SEVERAL,
    format_date_fields,
    list_day_choices,
    list_hour_choices,
)
from tracker.web.forms.provider import (
    TypedProvider,
    look_up_provider,
    offer_providers,
    resolve_provider,
)
from tracker.web.page_request import PageRequest, PersonPage, require
from tracker.web.pages.applications import read_applications
from tracker.web.pages.entry_view import read_entry
from tracker.web.pages.my_year import read_year
from tracker.web.pages.uploads import (
    FILE_NOT_HERE,
    LARGEST_MB,
    Upload,
    folder_of,
    quota_of,
    remove_stored,
    store_files,
    sweep,
)

router = APIRouter()


@dataclass(slots=True)
class EntrySubmission:
    """A form and what became of it: ``saved`` is its entry, None if it is not saved.

    Of a course, ``saved`` is its first day, ``other_days`` are the others, and ``query`` names them
    to the page that shows them.
    ``viewer`` is None if the session has ended. ``editing`` is the stored entry that the form
    edits; ``removing`` are the ids of that entry's files that go when it is saved. ``kept`` are the
    stored names of the uploaded files that have a row now, ``dropped`` those of files that no
    longer have one. ``deleted`` is the entry that the form was to change, if it was deleted
    meanwhile: it can be brought back with the change, or saved as a new one.
    """

    form: SubmittedForm
    viewer: Viewer | None = None
    editing: LoggedEntry | None = None
    removing: Collection[int] = ()
    saved: LoggedEntry | None = None
    other_days: Sequence[LoggedEntry] = ()
    query: str = ""
    course_warnings: Sequence[CourseWarning] = ()
    is_closed: bool = False
    warnings: EntryWarnings | None = None
    notice: str = ""
    focus: str = ""
    deleted: int = 0
    kept: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)

    def refuse(self, refused: Refused) -> None:
        """Show why the service refused; an entry whose cycle is closed is only shown."""
        for refusal in refused.refusals:
            if refusal.field == "entry":
                self.is_closed = True
            else:
                self.form.add_refusal(refusal)

    @property
    def files(self) -> FormFiles:
        """Which stored files belong to the form."""
        entry_id = self.editing.id if self.editing else None
        return FormFiles(self.form["form_key"], entry_id, self.removing)


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """A posted form on its way into the database; ``entry_id`` is the entry that it edits.

    ``named`` is whom the provider's name in it can mean; None without a name.
    """

    request: Request
    site: Site
    now: datetime
    texts: FormData
    upload: Upload
    entry_id: int | None
    named: TypedProvider | None

    def save(self, session: Session) -> EntrySubmission:
        """Save the entry with its files, or keep the files for when the form comes back.

        A refused form does not raise, which would roll back everything that is saved together.
        Raises a 404 if the edited entry is not the viewer's.
        """
        viewer = viewer_in_session(session, self.request, self.site, self.now)
        submission = EntrySubmission(SubmittedForm(self.texts.multi_items()), viewer)
        if viewer is None or viewer.person_id is None:
            return submission
        context = ServiceContext(session, self.site.rulebooks, viewer.actor, self.now)
        if self.entry_id is not None:
            submission.editing = self._find_edited(context, submission)
            submission.removing = [parse_id(str(text)) for text in self.texts.getlist("without")]
        accepted: list[ReceivedFile] = []
        if self.upload != Upload():
            accepted = self._accept_files(context, submission)
        pressed = {"today", "remove", "add_days"} & self.texts.keys()
        if any((pressed, submission.deleted)):
            _change_form(context, submission)
        else:
            _save_entry(context, submission, self.named)
        if accepted or submission.removing or "kept" in self.texts:
            self._settle_files(context, submission, accepted)
        return submission

    def _find_edited(
        self, context: ServiceContext, submission: EntrySubmission
    ) -> LoggedEntry | None:
        """The entry that the form changes; None if it was deleted since. Raises a 404."""
        person_id, entry_id = context.person_id, self.entry_id or 0
        entry = find_entry(context.session, person_id, entry_id)
        if entry is not None:
            return entry
        removal = require(
            find_deletion_of(context.session, person_id, "entry", entry_id, context.now)
        )
        submission.deleted = entry_id
        if "bring_back" not in self.texts:
            return None
        try:
            undo_deletion(context, removal.id)
        except Refused as refused:
            refusal = refused.refusals[0]
            submission.notice = format_refusal(refusal.code, refusal.facts)
            return None
        submission.deleted = 0
        restored = require(find_entry(context.session, person_id, entry_id))
        submission.form["version"] = entry_version(restored)
        return restored

    def _accept_files(
        self, context: ServiceContext, submission: EntrySubmission
    ) -> list[ReceivedFile]:
        """The uploaded files that have space; the form shows why others were refused."""
        accepted, refusals = check_space(
            context, self.upload.received, submission.files, quota_of(self.site)
        )
        for refusal in (*self.upload.refusals, *refusals):
            submission.form.add_refusal(refusal)
        return accepted

    def _settle_files(
        self, context: ServiceContext, submission: EntrySubmission, accepted: list[ReceivedFile]
    ) -> None:
        """Give the accepted files, and those that came with the form before, to the entry.

        Once it is saved, it loses the files that go.
        """
        form_key, entry_id = submission.form["form_key"], None
        if submission.saved is not None:
            entry_id = submission.saved.id
            for file_id in submission.removing:
                removed = remove_file(context, file_id, entry_id)
                if removed is not None:
                    submission.dropped.add(removed.stored_as)
        first_key = str(self.texts.get("form_key"))
        if first_key != form_key:
            move_drafts(context, first_key, form_key)
        submission.kept = keep_files(context, form_key, accepted, entry_id)
        if submission.other_days:
            self._share_files(context, submission)

    def _share_files(self, context: ServiceContext, submission: EntrySubmission) -> None:
        """Give copies of the files of a course's first day to its other days."""
        folder, first = folder_of(self.site), submission.saved
        if folder is not None and first is not None:
            others = [entry.id for entry in submission.other_days]
            share_files(context, first.id, others, folder.copy)


def _change_form(context: ServiceContext, submission: EntrySubmission) -> None:
    """Fill in the day, add days of a course, or remove a file: the form comes back."""
    if submission.deleted or "add_days" in submission.form.texts:
        # The viewer decides first what becomes of a deleted entry.
        return
    if "today" in submission.form.texts:
        today = _load_rules(context, submission.editing).today
        submission.form.texts |= format_date_fields(today)
        submission.focus = "hours"
        return
    removed = remove_file(context, parse_id(submission.form["remove"]))
    submission.notice = FILE_NOT_HERE
    if removed is not None:
        submission.notice = f"{removed.name} was removed."
        submission.dropped.add(removed.stored_as)


def _save_entry(
    context: ServiceContext, submission: EntrySubmission, named: TypedProvider | None
) -> None:
    """Create or update the entry; if it can't be saved, the form shows every reason."""
    form, editing = submission.form, submission.editing
    if form["when"] == SEVERAL and editing is None:
        _save_course(context, submission)
        return
    if form.has_course_days:
        check_unused_days(form)
    provider = resolve_provider(context, form, named)
    today = context.now.date()
    if form["when"] in DAYS_AGO:
        today = _load_rules(context, editing).today
    entry = parse_entry(form, provider, today)
    if form.problems or form.refusals:
        form.add_refusals(validate_entry(entry, _load_rules(context, editing)))
        return
    version, confirmed = form["version"], form["seen"].split()
    try:
        if editing is None:
            source = EntrySource(form["form_key"], confirmed)
            submission.saved = create_entry(context, context.person_id, entry, source)
        else:
            submission.saved = update_entry(
                context, editing.id, entry, version=version, confirmed=confirmed
            )
    except Refused as refused:
        submission.refuse(refused)
    except NeedsConfirmation as needed:
        submission.warnings = needed.warnings
        form["seen"] = " ".join([*confirmed, *needed.warnings.keys])


def _save_course(context: ServiceContext, submission: EntrySubmission) -> None:
    """Create an entry for each day of a course, or show every reason why none is saved."""
    form = submission.form
    rules = _load_rules(context, None)
    days = parse_course(form, rules.today)
    if form.problems or form.refusals:
        for number, day in enumerate(days, start=1):
            form.add_refusals(number_refusals(number, validate_entry(day, rules)))
        return
    confirmed = form["seen"].split()
    source = EntrySource(form["form_key"], confirmed)
    try:
        submission.saved, *submission.other_days = create_course(context, days, source)
        submission.query = f"?days={','.join(str(day.id) for day in submission.other_days)}"
    except Refused as refused:
        submission.refuse(refused)
    except CourseNeedsConfirmation as needed:
        submission.course_warnings = needed.warnings
        keys = [key for warning in needed.warnings for key in warning.keys]
        form["seen"] = " ".join([*confirmed, *keys])


def _load_rules(context: ServiceContext, editing: LoggedEntry | None) -> EntryRules:
    """What applies to the viewer's entries, or to the one that they edit."""
    rules = load_entry_rules(context.session, context.rulebooks, context.person_id, context.now)
    return rules.for_editing(editing) if editing else rules


@router.get("/log")
def show_form(page: PersonPage, link: LogLinkDep) -> HTMLResponse:
    """The empty form, or one that a link has filled in; it says so if today is locked."""
    with page.reading() as session:
        rules = _load_rules(page.context(session), None)
        form = SubmittedForm(prefill_from_link(session, page.person_id, rules, link).items())
        submission = EntrySubmission(form)
        lock = rules.lock_on(rules.today)
        if lock is not None:
            refusal = refusal_of_lock("held_on", lock)
            submission.notice = format_refusal(refusal.code, refusal.facts)
        return _render_form(session, page, rules, submission)


@router.get("/entries/{entry_id}/edit")
def show_entry_form(page: PersonPage, entry_id: RowId) -> Response:
    """The form with a stored entry; one of a closed cycle is only shown, with the reason."""
    with page.reading() as session:
        entry = require(find_entry(session, page.person_id, entry_id))
        rules = _load_rules(page.context(session), entry)
        if rules.lock_of(entry) is not None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        form = SubmittedForm(prefill_from_entry(entry).items())
        form["version"] = entry_version(entry)
        # What is unusual about it was confirmed when the entry was saved.
        keys = (length_key(entry.minutes), provider_key(entry.provider_id, entry.held_on))
        form["seen"] = " ".join(keys)
        return _render_form(session, page, rules, EntrySubmission(form, editing=entry))


@router.post("/log")
async def log_session(request: Request) -> Response:
    """Save a session once and go to what it counts for, or show what is wrong."""
    return await _save(request, None)


@router.post("/entries/{entry_id}/edit")
async def edit_entry(request: Request, entry_id: RowId) -> Response:
    """Save the change to an entry, unless it changed since the form was opened."""
    return await _save(request, entry_id)


async def _save(request: Request, entry_id: int | None) -> Response:
    site, upload = site_of(request), Upload()
    now = site.now()
    async with open_posted(request) as form:
        if form.files:
            upload = await run_in_threadpool(store_files, site, form.files)
    named = None
    if form.texts.get("provider_name"):
        named = await run_in_threadpool(_look_up_provider, request, site, now, form.texts)
    posted = PostedEntry(request, site, now, form.texts, upload, entry_id, named)
    unused = {file.stored_as for file in upload.received}
    try:
        submission = await site.writer.run_async(posted.save)
    except (Busy, HTTPException, NotFound):
        # Nothing was saved, so no row names the uploaded files.
        await run_in_threadpool(remove_stored, site, unused)
        raise
    if upload.received or submission.dropped:
        unused = unused - submission.kept | submission.dropped
        await run_in_threadpool(remove_stored, site, unused)
        site.background.run_once(sweep, site, now)
    if submission.saved is not None:
        return RedirectResponse(f"/log/saved/{submission.saved.id}{submission.query}", 303)
    if submission.is_closed:
        return RedirectResponse(f"/entries/{entry_id}", 303)
    if submission.viewer is None:
        raise SignInNeeded
    page = PageRequest(site, now, submission.viewer, "")
    return await run_in_threadpool(_render_again, page, submission)


def _look_up_provider(
    request: Request, site: Site, now: datetime, texts: FormData
) -> TypedProvider | None:
    """Whom the provider's name in a form can mean to the viewer; None without a viewer."""
    viewer = viewer_of_request(request, site, now)
    if viewer is None or viewer.person_id is None:
        return None
    with reading(site.engine) as session:
        context = ServiceContext(session, site.rulebooks, viewer.actor, now)
        return look_up_provider(context, SubmittedForm(texts.multi_items()))


def _render_again(page: PageRequest, submission: EntrySubmission) -> HTMLResponse:
    with page.reading() as session:
        rules = _load_rules(page.context(session), submission.editing)
        with use_locale(rules.locale):
            return _render_form(session, page, rules, submission)


def _render_form(
    session: Session, page: PageRequest, rules: EntryRules, submission: EntrySubmission
) -> HTMLResponse:
    """The form; its status is 422 if it has problems or warnings, so it was not saved."""
    editing = submission.editing
    hour_choices = list_hour_choices(page.site.settings.web.common_hours)
    rows = 0 if editing else count_rows(submission.form)
    submission.form["prefilled_course"] = join_course_fields(submission.form)
    lengths = [value for value, *_ in hour_choices]
    form = build_log_form(rules, submission.form, lengths, rows)
    problems = form.problems()
    files = list_form_files(session, page.person_id, submission.files)
    return page.render(
        "log.html",
        here="" if editing else "log",
        form=form,
        problems=problems,
        day_choices=list_day_choices(rules.today, takes_course=editing is None),
        hour_choices=hour_choices,
        rows=rows,
        most_rows=COURSE_DAYS,
        first_new_row=rows - 1 if "add_days" in submission.form.texts else 0,
        topics=rules.topics,
        offer=offer_providers(session, page.person_id, rules, submission.form),
        files=files,
        opens_details=bool(files) or form.has_details(problems),
        takes_files=folder_of(page.site) is not None,
        most_files=FILES_PER_ENTRY,
        largest_mb=LARGEST_MB,
        format_size=format_size,
        notice=submission.notice,
        removing=submission.removing,
        editing=editing,
        deleted=submission.deleted,
        focus="" if problems or submission.warnings else submission.focus,
        **_describe_warnings(session, submission, has_problems=bool(problems)),
    )


def _describe_warnings(
    session: Session, submission: EntrySubmission, *, has_problems: bool
) -> dict[str, Any]:
    """What the form asks about before it is saved; problems come first."""
    warnings = submission.warnings or EntryWarnings()
    return {
        "is_unsaved": bool(submission.warnings or submission.course_warnings),
        "warnings": None if has_problems else submission.warnings,
        "course_warnings": () if has_problems else submission.course_warnings,
        "duplicate_provider": _name_provider(session, warnings.duplicate),
        "length_question": format_length_question(warnings.minutes),
        "uncounted": format_reason(warnings.uncounted[1]) if warnings.uncounted else "",
    }


def _name_provider(session: Session, entry: LoggedEntry | None) -> str:
    """The name of the provider of an entry, if there is one."""
    if entry is None:
        return ""
    if entry.provider_id is not None:
        return get_person(session, entry.provider_id).name
    return entry.provider_name or ""


@router.get("/log/saved/{entry_id}")
def show_saved(page: PersonPage, entry_id: RowId, days: str = "") -> HTMLResponse:
    """What an entry counts for; the page stays the same when it is loaded again.

    ``days`` are the entries of the other days of a course.
    """
    other_ids = list(map(parse_id, filter(None, days.split(",")[:COURSE_DAYS])))
    with page.reading() as session:
        row = read_entry(session, page, entry_id)
        others = [read_entry(session, page, other_id) for other_id in other_ids]
        views = read_applications(session, page)
        year = read_year(session, page, [view.application for view in views])
    shown = [view for view in views if view.checklist]
    return page.render(
        "saved.html", here="log", year=year, applications=shown, row=row, others=others
    )


@router.get("/entries/{entry_id}/delete")
def confirm_deletion(page: PersonPage, entry_id: RowId) -> Response:
    """Asks whether to delete an entry; only its button deletes."""
    with page.reading() as session:
        entry = require(find_entry(session, page.person_id, entry_id))
        if _load_rules(page.context(session), entry).lock_of(entry) is not None:
            return RedirectResponse(f"/entries/{entry_id}", 303)
        files = list_form_files(session, page.person_id, FormFiles(entry_id=entry_id))
    return page.render("delete.html", here="", entry=entry, files=files)


@router.post("/entries/{entry_id}/delete")
def delete(page: PersonPage, entry_id: RowId) -> Response:
    """Delete an entry with its files, and go back to the year, which offers to undo it."""
    try:
        page.write(lambda context: delete_entry(context, entry_id))
    except Refused:
        # Its page says that the cycle is closed.
        return RedirectResponse(f"/entries/{entry_id}", 303)
    return page.redirect("/my-year", "deleted")


@router.post("/entries/undo-deletion")
def undo(page: PersonPage, typed: Typed) -> Response:
    """Bring back the entry that the button names, or else the one that was deleted last."""
    number = number_of(typed, "removal") if "removal" in typed else None
    try:
        page.write(lambda context: undo_deletion(context, number))
    except Refused as refused:
        is_twice = any(each.code == "entry-logged-again" for each in refused.refusals)
        return page.redirect("/my-year", "logged-again" if is_twice else "stays-deleted")
    except NotFound:
        return page.redirect("/my-year", "stays-deleted")
    return page.redirect("/my-year", "restored")
