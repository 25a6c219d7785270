"""A coordinator's mail to people: writing it, and seeing it before it is sent.

A form is sent as a draft and shown at an address of its own, so that reloading it is harmless. Its
people are chosen once and go along as ids, so nobody joins them unseen.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlmodel import Session
from starlette.datastructures import FormData

from tracker.db.mailings import DRAFT
from tracker.db.row_ids import LARGEST_ID
from tracker.formatting import capitalize_first, use_locale
from tracker.notifications.mailing_mail import (
    OpenLetter,
    Sender,
    ShownMail,
    open_letter,
    plan_letter,
    read_recipients,
    render_preview,
)
from tracker.notifications.mailing_sending import send_mailing
from tracker.notifications.mailing_text import (
    FIELD_LABELS,
    SKIP_TEXTS,
    TEMPLATES,
    list_values,
)
from tracker.services.context import Refusal, Refused, ServiceContext
from tracker.services.desk_tasks import MAILING, find_unfinished
from tracker.services.mailing_delivery import list_held_back
from tracker.services.mailing_recipients import (
    BEHIND,
    Audience,
    AudienceFilter,
    FilterOption,
    list_audience,
    list_recipients,
)
from tracker.services.mailing_rules import MailingPlan, Recipient, SkipReason
from tracker.services.mailings import (
    MAX_SUBJECT,
    MAX_TEXT,
    MailingInput,
    check_mailing,
    get_mailing,
    parse_ids,
    read_draft,
    save_draft,
)
from tracker.services.selections import get_selection
from tracker.web.forms.body import Typed, clean, keep_form_key, parse_id, text_of
from tracker.web.forms.mailing import MailingForm, parse_template
from tracker.web.middleware import DESK_POLICY
from tracker.web.page_request import (
    ChangePage,
    CoordinatorPage,
    PageRequest,
    format_problems,
    require,
)
from tracker.web.pages.desk import choose_association
from tracker.web.pages.desk_selections import describe_selection
from tracker.web.pages.desk_work import WORK_PATH

router = APIRouter()
# A mail's own styles stand in the mail. Everything else stays forbidden, and only our own page may
# frame it.
MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
FRAMING_POLICY = f"{DESK_POLICY}; frame-src 'self'"
_MOST_NAMES = 50
_MOST_SHOWN = 100_000


class MailingSource(BaseModel):
    """Where the people of a new mailing come from, and which of them the page shows.

    ``to`` are ids as of `format_ids`, which ``audience`` describes. ``again`` is a mailing whose
    held-back people get this one; ``draft`` one that is being written. ``selection`` are people
    chosen from the list of people.
    """

    association: str = ""
    to: str = ""
    audience: str = ""
    person: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    again: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    draft: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    selection: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    template: str = ""
    state: str | None = None
    missing: str = ""
    category: str = ""
    show: Annotated[int, Field(ge=1, le=_MOST_SHOWN)] = 1

    @property
    def chosen(self) -> AudienceFilter:
        """The filter in the address."""
        return AudienceFilter(self.state or "", self.missing, self.category)

    def preview_address(self, person_id: int) -> str:
        """Where the frame finds the HTML of the same mailing as one of its people would get it."""
        parts = self.model_dump(exclude_defaults=True, exclude={"show"})
        return f"/coordinator/mail/preview?{urlencode({**parts, 'reader': person_id})}"


class MailingPreview(MailingSource):
    """A mailing, and the id of the person for whom it is shown."""

    reader: Annotated[int, Field(ge=1, le=LARGEST_ID)]


@router.get("/coordinator/mail/new")
def open_form(page: ChangePage, source: Annotated[MailingSource, Query()]) -> HTMLResponse:
    """A new mailing, or a draft, with the mail as one of its recipients would get it."""
    with page.reading() as session:
        form = _read_form(page, session, source)
        return _render_form(page, session, form, source)


@router.post("/coordinator/mail/new")
def submit(
    page: CoordinatorPage, typed: Typed, association: Annotated[str, Query()] = ""
) -> Response:
    """Keep the form as a draft and show it, or send it."""
    association = choose_association(page.viewer, text_of(typed, "association") or association)
    form = MailingForm.parse(typed, association)
    if "send" in typed:
        return _send(page, form)
    checks = "use" not in typed and "list" not in typed
    form = _apply_button(page, form, typed)
    draft_id, is_sent = page.write(lambda context: _save(context, form, page.viewer.name))
    if is_sent:
        return page.redirect(f"/coordinator/mail/{draft_id}", "sent-before")
    refusals = check_mailing(form.typed) if checks else []
    with page.reading() as session:
        found = _find_shown(page, session, form, typed)
        if isinstance(found, Refusal):
            refusals.append(found)
        show = 1 if isinstance(found, Refusal) else found
        if refusals:
            source = MailingSource(draft=draft_id, show=show)
            problems = format_problems(Refused(*refusals))
            return _render_form(page, session, form, source, problems)
    query = urlencode({"draft": draft_id, "show": show})
    return RedirectResponse(f"/coordinator/mail/new?{query}{form.query}", 303)


def _find_shown(
    page: PageRequest, session: Session, form: MailingForm, typed: FormData
) -> int | Refusal:
    """The number of the recipient whose mail to show, or why there is none as searched for."""
    sought = form.sought
    if "show" in typed or not sought:
        return min(max(parse_id(text_of(typed, "show")), 1), _MOST_SHOWN)
    plan = plan_letter(session, _open(page, form.typed)).plan
    for number, recipient in enumerate(plan.to_send, start=1):
        if _is_sought(recipient, sought):
            return number
    for recipient, reason in plan.skipped:
        if _is_sought(recipient, sought):
            facts = {"name": recipient.name, "why": SKIP_TEXTS[reason]}
            return Refusal("find", "mailing-person-skipped", facts)
    return Refusal("find", "mailing-no-recipient", {"sought": sought})


def _is_sought(recipient: Recipient, sought: str) -> bool:
    """Whether a recipient's name or address contains what was typed."""
    texts = (recipient.name, recipient.email, recipient.second_email)
    return any(sought.casefold() in text.casefold() for text in texts)


@router.get("/coordinator/mail/preview")
def show_preview(
    page: CoordinatorPage,
    source: Annotated[MailingPreview, Query()],
) -> HTMLResponse:
    """The HTML of the mail to one person, for the frame on the form's page."""
    with page.reading() as session:
        form = _read_form(page, session, source)
        opened = _open(page, form.typed)
        recipients = read_recipients(session, opened, [source.reader])
        shown = require(render_preview(session, opened, require(recipients)[0]))
    return render_mail(shown)


def render_mail(shown: ShownMail) -> HTMLResponse:
    """The HTML of a mail as it is sent, which a page of ours may frame."""
    answer = HTMLResponse(shown.html)
    answer.headers["content-security-policy"] = MAIL_POLICY
    return answer


def _read_form(page: PageRequest, session: Session, source: MailingSource) -> MailingForm:
    """The form that an address means; 404 for people or drafts that are not the viewer's."""
    if source.draft is not None:
        draft = get_mailing(session, source.draft, page.viewer.coordinates)
        require(draft.state == DRAFT)
        chosen = source.chosen if source.state is not None else None
        return MailingForm(read_draft(draft), chosen)
    if source.again is not None:
        return _begin_again(page, session, source.again)
    template = parse_template(source.template)
    if source.selection is not None:
        selected = get_selection(session, page.viewer.actor, source.selection, page.now)
        people = (describe_selection(selected), tuple(selected.person_ids))
        return MailingForm.begin(selected.association, template, people)
    if source.person is not None:
        association, recipient = _find_person(page, session, source)
        return MailingForm.begin(association, template, (recipient.name, (recipient.person_id,)))
    if source.to:
        people = (clean(source.audience) or "Chosen people", require(parse_ids(source.to)))
        association = choose_association(page.viewer, source.association)
        return MailingForm.begin(association, template, people)
    association = choose_association(page.viewer, source.association)
    audience = list_audience(session, association, page.day_of(association), source.chosen)
    people = (describe_filter(source.chosen, audience), tuple(audience.person_ids))
    form = MailingForm.begin(association, template, people, source.chosen)
    return replace(form, audience=audience)


def _begin_again(page: PageRequest, session: Session, mailing_id: int) -> MailingForm:
    """A new form with the words of a mailing, for the people whom it held back."""
    mailing = get_mailing(session, mailing_id, page.viewer.coordinates)
    require(mailing.state != DRAFT)
    people = tuple(list_held_back(session, mailing_id))
    typed = read_draft(mailing)._replace(
        person_ids=people, form_key=keep_form_key(), audience=f"Held back: {mailing.audience}"
    )
    return MailingForm(typed)


def _find_person(
    page: PageRequest, session: Session, source: MailingSource
) -> tuple[str, Recipient]:
    """A person, and the viewer's association that they belong to; 404 if there is none."""
    coordinated = page.viewer.coordinates
    if source.association:
        coordinated = (choose_association(page.viewer, source.association),)
    found = []
    for association in coordinated:
        today = page.day_of(association)
        for recipient in list_recipients(session, association, [source.person or 0], today):
            found.append((association, recipient))
    return max(require(found), key=lambda pair: (pair[1].belongs, bool(pair[1].renewals)))


def _apply_button(page: PageRequest, form: MailingForm, typed: FormData) -> MailingForm:
    """The form after one of its buttons: other people, or another template."""
    if "list" in typed and form.chosen is not None:
        association = form.typed.association
        with page.reading() as session:
            audience = list_audience(session, association, page.day_of(association), form.chosen)
        description = describe_filter(form.chosen, audience)
        people = tuple(audience.person_ids)
        changed = form.typed._replace(person_ids=people, audience=description)
        return MailingForm(changed, form.chosen)
    if "use" in typed:
        return form.with_template(parse_template(text_of(typed, "use")))
    return form


def _save(context: ServiceContext, form: MailingForm, sender_name: str) -> tuple[int, bool]:
    """Keep the form as a draft; its id, and whether it was sent before."""
    mailing = save_draft(context, form.typed, sender_name)
    return mailing.id, mailing.state != DRAFT


def _send(page: PageRequest, form: MailingForm) -> Response:
    sender = Sender(page.viewer.name, page.viewer.email)
    try:
        mailing_id, is_new = page.write(
            lambda context: send_mailing(page.site, context, form.typed, sender)
        )
    except Refused as refused:
        draft_id, _ = page.write(lambda context: _save(context, form, sender.name))
        with page.reading() as session:
            source = MailingSource(draft=draft_id)
            return _render_form(page, session, form, source, format_problems(refused))
    if is_new:
        with page.reading() as session:
            task = find_unfinished(session, MAILING, mailing_id)
            if task is not None:
                return page.redirect(f"{WORK_PATH}/{task.id}", "")
    message = "sent" if is_new else "sent-before"
    return page.redirect(f"/coordinator/mail/{mailing_id}", message)


def _open(page: PageRequest, typed: MailingInput) -> OpenLetter:
    return open_letter(page.site, typed, Sender(page.viewer.name, page.viewer.email), page.now)


def _render_form(
    page: PageRequest,
    session: Session,
    form: MailingForm,
    source: MailingSource,
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    """The form beside the mail to the recipient whose number is in ``source``, counted from 1."""
    opened = _open(page, form.typed)
    plan = plan_letter(session, opened).plan
    number = min(source.show, len(plan.to_send))
    recipient = plan.to_send[number - 1] if number else None
    shown = render_preview(session, opened, recipient) if recipient else None
    answer = page.render(
        "desk_mail_form.html",
        here="coordinator",
        desk="mail",
        association=form.typed.association,
        letter=form,
        typed=form.typed,
        problems=problems,
        draft_id=source.draft,
        options=_list_options(page, session, form),
        templates=TEMPLATES,
        count=len(plan.to_send),
        skipped=_group_skipped(plan),
        is_mailed_today=any(reason is SkipReason.MAILED_TODAY for _, reason in plan.skipped),
        number=number,
        recipient=recipient,
        shown=shown,
        preview=source.preview_address(recipient.person_id) if recipient else "",
        fields=_list_fields(opened, recipient),
        limits=(MAX_SUBJECT, MAX_TEXT),
        reply_to=page.viewer.email,
        most_names=_MOST_NAMES,
    )
    answer.headers["content-security-policy"] = FRAMING_POLICY
    return answer


def _list_options(
    page: PageRequest, session: Session, form: MailingForm
) -> dict[str, list[FilterOption]]:
    """The choices of the filter by its parts, in words; empty if the people came otherwise."""
    if form.chosen is None:
        return {}
    association = form.typed.association
    today = page.day_of(association)
    audience = form.audience or list_audience(session, association, today, form.chosen)
    return {
        part: [
            option._replace(label=capitalize_first(STATE_LABELS.get(option.label, option.label)))
            for option in options
        ]
        for part, options in audience.options.items()
    }


def _group_skipped(plan: MailingPlan) -> list[tuple[str, list[Recipient]]]:
    """Who is skipped, by reason in words, the most frequent first."""
    groups: defaultdict[str, list[Recipient]] = defaultdict(list)
    for recipient, reason in plan.skipped:
        groups[SKIP_TEXTS[reason]].append(recipient)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def _list_fields(opened: OpenLetter, recipient: Recipient | None) -> list[tuple[str, str, str]]:
    """Each field with what it means and, for the recipient on the page, its value."""
    values = {}
    if recipient is not None:
        with use_locale(opened.letter.rulebook.locale):
            values = list_values(opened.letter, recipient)
    return [
        (f"{{{name.value}}}", label, values.get(name, "")) for name, label in FIELD_LABELS.items()
    ]


STATE_LABELS = {BEHIND: "open, behind", "no rules": "no renewal rules"}


def describe_filter(chosen: AudienceFilter, audience: Audience) -> str:
    """A filter in words: ``Endorsees: overdue, DEIA training missing, IFS``."""
    parts = []
    if chosen.state:
        parts.append(STATE_LABELS.get(chosen.state, chosen.state))
    if chosen.missing:
        labels = {option.value: option.label for option in audience.options["missing"]}
        parts.append(f"{labels.get(chosen.missing, chosen.missing)} missing")
    if chosen.category:
        parts.append(chosen.category)
    return f"Endorsees: {', '.join(parts)}" if parts else "All endorsees"
