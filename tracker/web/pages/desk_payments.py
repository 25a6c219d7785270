"""Payments of fees on the desk: recording one for checked people, correcting, and removing it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from tracker.db.payments import Payment
from tracker.db.row_ids import LARGEST_ID
from tracker.formatting import format_count, format_money
from tracker.rules.fees import CENTS
from tracker.services.context import Refused, ServiceContext
from tracker.services.desk_changes import ChangePlan
from tracker.services.fee_lists import FeePeriod, list_association_fees
from tracker.services.fees import (
    CHANGED_BY_PAYMENTS,
    FeeLine,
    PaymentInput,
    ShareInput,
    correct_payment,
    count_payments,
    get_payment,
    key_of_share,
    list_paid_for,
    list_payments,
    record_payment,
    remove_payment,
)
from tracker.services.payment_checks import Oddity, list_staying
from tracker.services.team import Area
from tracker.web.dependencies import FEES_PATH
from tracker.web.forms.body import RowId, Typed, clean, text_of
from tracker.web.forms.fields import format_date_fields
from tracker.web.forms.payment import PaymentForm, parse_amount
from tracker.web.page_request import (
    PAGE_SIZE,
    CoordinatorPage,
    PageNumber,
    PageRequest,
    count_pages,
    format_problems,
    require,
)
from tracker.web.pages.desk import answer_change, choose_association
from tracker.web.pages.desk_fees import Chosen, FeeView, view_line
from tracker.web.pages.payment_warnings import describe_oddity, list_oddities
from tracker.web.time_zones import format_instant

router = APIRouter()
# The name of a field with a part of a payment begins so.
_PART = "part."
# Fields of the service that the form has under another name.
_FIELDS = {"paid_on": "day", "shares": "parts"}


class _Sent(NamedTuple):
    """A form as it was sent: the parts by key, what is wrong, and the payment if nothing is.

    ``corrects`` is the payment in whose place it is recorded; 0 if there is none.
    """

    association: str
    form: PaymentForm
    parts: Mapping[str, str]
    problems: Sequence[tuple[str, str]] = ()
    corrects: int = 0
    payment: PaymentInput | None = None


@router.get(f"{FEES_PATH}/payment")
def show_payment_form(
    page: CoordinatorPage,
    association: Chosen = "",
    fee: Annotated[tuple[str, ...], Query()] = (),
    renewal: Chosen = "",
    corrects: Annotated[int, Query(ge=0)] = 0,
) -> HTMLResponse:
    """The form of a payment for the checked fees, each with what is owed of it.

    ``renewal`` (an endorsement and the first day of a cycle) stands for all that it owes.
    """
    association = choose_association(page.viewer, association)
    require(page.viewer.may_change(association, Area.FEES))
    if corrects:
        return _show_correction(page, corrects)
    parts = dict.fromkeys(fee, "")
    if renewal:
        held = {number} if (number := _parse_id(renewal.partition(".")[0])) else set()
        for line in _list_lines(page, association, held):
            if line.key.startswith(f"{renewal}.") and line.owed:
                parts[line.key] = ""
    views = _list_views(page, association, parts)
    parts = {view.line.key: _plain(view.line.owed) for view in views}
    only = views[0].line.name if len(views) == 1 else ""
    form = PaymentForm(
        data={"payer": only, "form_key": None, **format_date_fields(page.day_of(association))}
    )
    return _render_form(page, _Sent(association, form, parts))


def _show_correction(page: PageRequest, payment_id: int) -> HTMLResponse:
    """The form with what was recorded of a payment that was wrong."""
    with page.reading() as session:
        payment = get_payment(session, payment_id, page.viewer.list_changeable(Area.FEES))
        shares = [each.share for each in list_paid_for(session, payment_id)]
    parts = {key_of_share(one): _plain(one.cents) for one in shares}
    form = PaymentForm(
        data={
            "payer": payment.payer,
            "amount": _plain(payment.amount_cents),
            "reference": payment.reference,
            "note": payment.note,
            "form_key": None,
            **format_date_fields(payment.paid_on),
        }
    )
    return _render_form(page, _Sent(payment.association, form, parts, (), payment_id))


def _plain(cents: int) -> str:
    """An amount as it is typed: ``75.00``."""
    return f"{cents // CENTS}.{cents % CENTS:02}"


def _list_views(page: PageRequest, association: str, parts: Mapping[str, str]) -> list[FeeView]:
    """The lines of these keys, each with what was typed for it; others are left out."""
    numbers = {key.partition(".")[0] for key in parts}
    held = {number for text in numbers if (number := _parse_id(text))}
    lines = _list_lines(page, association, held)
    return [view_line(line, parts[line.key]) for line in lines if line.key in parts]


def _list_lines(page: PageRequest, association: str, held: Collection[int]) -> list[FeeLine]:
    """Every fee of these endorsements that is owed or was paid, however long ago."""
    with page.reading() as session:
        return list_association_fees(
            session, page.rulebooks, association, page.day_of, FeePeriod(), endorsement_ids=held
        )


def _render_form(page: PageRequest, sent: _Sent) -> HTMLResponse:
    association, form, parts, corrects = sent.association, sent.form, sent.parts, sent.corrects
    rulebook = page.rulebooks.associations[association]
    views = _list_views(page, association, parts)
    listed = {view.line.key for view in views}
    return page.render(
        "desk_payment.html",
        here="coordinator",
        desk="fees",
        association=association,
        form=form,
        problems=[*form.problems(), *sent.problems],
        views=views,
        hidden={key: text for key, text in parts.items() if key not in listed} if corrects else {},
        corrects=corrects,
        back=f"{FEES_PATH}?{urlencode({'association': association})}",
        money=lambda cents: format_money(cents, rulebook.currency_code),
    )


@router.post(f"{FEES_PATH}/payment")
def save_payment(page: CoordinatorPage, typed: Typed) -> Response:
    """Record a payment, or one in place of another: previewed, then done."""
    sent = _read_sent(page, typed)
    association = sent.association
    if sent.payment is None:
        return _render_form(page, sent)
    plan = _plan_payment(page, sent.payment, sent.corrects, sent.form.reason.data or "")
    back = f"{FEES_PATH}?{urlencode({'association': association})}"
    lines = _list_lines(page, association, {share.endorsement_id for share in sent.payment.shares})
    oddities = list_oddities(page, sent.payment, lines, sent.corrects)
    paid = [one for one in oddities if one.oddity is Oddity.PAID_ALREADY]
    try:
        return answer_change(
            page,
            typed,
            plan,
            action=f"{FEES_PATH}/payment",
            back=back,
            template="desk_payment_preview.html",
            desk="fees",
            warnings=[describe_oddity(page, sent.payment, one) for one in oddities],
            staying=(),
            all_paid=len(paid) == len(sent.payment.shares),
        )
    except Refused as refused:
        named = [(_FIELDS.get(field, field), words) for field, words in format_problems(refused)]
        return _render_form(page, sent._replace(problems=named))


def _read_sent(page: PageRequest, typed: FormData) -> _Sent:
    """What a form has sent; without a payment if something is wrong with it."""
    association = choose_association(page.viewer, text_of(typed, "association"))
    parts = {
        name.removeprefix(_PART): clean(str(text))
        for name, text in typed.multi_items()
        if name.startswith(_PART)
    }
    form = PaymentForm(typed)
    currency = page.rulebooks.associations[association].currency_code
    shares, problems = _parse_shares(parts, currency)
    paid_on = form.parse_past_day(page.day_of(association), named="payment")
    amount = form.parse_amount([share.cents for share in shares], currency)
    sent = _Sent(association, form, parts, problems, _read_number(typed, "corrects"))
    if paid_on is None or problems or form.problems():
        return sent
    payment = PaymentInput(
        association,
        paid_on,
        amount,
        form.payer.data or "",
        form.reference.data or "",
        form.note.data or "",
        tuple(shares),
        form.form_key.data,
    )
    return sent._replace(payment=payment)


def _read_number(typed: FormData, name: str) -> int:
    """An id that a form sends; 0 for anything else."""
    return _parse_id(text_of(typed, name))


def _parse_id(text: str) -> int:
    """A number of a row; 0 for anything else."""
    is_id = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID))
    return int(text) if is_id and int(text) <= LARGEST_ID else 0


def _parse_shares(
    parts: Mapping[str, str], currency: str
) -> tuple[list[ShareInput], list[tuple[str, str]]]:
    """The parts that are not blank or zero, and what is wrong with the others."""
    shares, problems = [], []
    for key, text in parts.items():
        try:
            cents = parse_amount(text, currency)
        except ValueError as error:
            problems.append((f"{_PART}{key}", str(error)))
        else:
            if cents:
                shares.append(_name_share(key, cents))
    return shares, problems


def _name_share(key: str, cents: int) -> ShareInput:
    """The part of the renewal and fee that a key names. 404 for what is none."""
    endorsement_id, _, rest = key.partition(".")
    starts_on, _, fee = rest.partition(".")
    try:
        return ShareInput(int(endorsement_id), date.fromisoformat(starts_on), fee, cents)
    except ValueError:
        raise HTTPException(404) from None


def _plan_payment(page: PageRequest, new: PaymentInput, corrects: int, reason: str) -> ChangePlan:
    held = {share.endorsement_id for share in new.shares}
    lines = _list_lines(page, new.association, held)
    people = {line.person_id for line in lines}
    if corrects:
        with page.reading() as session:
            get_payment(session, corrects, page.viewer.coordinates)
            people |= {each.person.id for each in list_paid_for(session, corrects)}
    names = {line.name for line in lines}
    whom = min(names) if len(names) == 1 else format_count(len(names), "person", "people")
    amount = _format_amount(new, page.rulebooks.associations[new.association].currency_code)
    title = f"Record a payment of {amount} for {whom}"
    if corrects:
        title = f"Correct a payment to {amount} for {whom}"

    def work(context: ServiceContext) -> None:
        if corrects:
            correct_payment(context, corrects, new, reason)
        else:
            record_payment(context, new)

    return ChangePlan(new.association, title, frozenset(people), CHANGED_BY_PAYMENTS, work, reason)


def _format_amount(new: PaymentInput, currency: str) -> str:
    """How much is paid, and how much of it is not assigned yet."""
    amount = format_money(new.amount_cents, currency)
    left = new.amount_cents - sum(share.cents for share in new.shares)
    return f"{amount} ({format_money(left, currency)} not assigned yet)" if left > 0 else amount


@router.get(f"{FEES_PATH}/payments")
def show_payments(
    page: CoordinatorPage, association: Chosen = "", number: PageNumber = 1
) -> HTMLResponse:
    """What was recorded, the last payment first."""
    association = choose_association(page.viewer, association)
    rulebook = page.rulebooks.associations[association]
    with page.reading() as session:
        skip = (number - 1) * PAGE_SIZE
        payments = list_payments(session, association, skip=skip, limit=PAGE_SIZE)
        pages = count_pages(count_payments(session, association))
    return page.render(
        "desk_payments.html",
        here="coordinator",
        desk="fees",
        association=association,
        payments=payments,
        page=number,
        pages=pages,
        money=lambda cents: format_money(cents, rulebook.currency_code),
    )


@router.get(f"{FEES_PATH}/payments/{{payment_id}}")
def show_payment(page: CoordinatorPage, payment_id: RowId) -> HTMLResponse:
    """One payment: for whom it is, who recorded it, and removing it."""
    with page.reading() as session:
        payment = get_payment(session, payment_id, page.viewer.coordinates)
    return _render_payment(page, payment)


@router.post(f"{FEES_PATH}/payments/{{payment_id}}")
def remove(page: CoordinatorPage, payment_id: RowId, typed: Typed) -> Response:
    """Remove a payment: previewed, then done."""
    with page.reading() as session:
        payment = get_payment(session, payment_id, page.viewer.coordinates)
        paid_for = list_paid_for(session, payment_id)
    people = frozenset(each.person.id for each in paid_for)
    reason = clean(text_of(typed, "reason"))
    currency = page.rulebooks.associations[payment.association].currency_code
    title = f"Remove a payment of {format_money(payment.amount_cents, currency)}"

    def work(context: ServiceContext) -> None:
        remove_payment(context, payment_id, reason)

    plan = ChangePlan(payment.association, title, people, CHANGED_BY_PAYMENTS, work, reason)
    path = f"{FEES_PATH}/payments/{payment_id}"
    lines = _list_lines(page, payment.association, {each.share.endorsement_id for each in paid_for})
    with page.reading() as session:
        staying = list_staying(session, lines, paid_for)
    try:
        return answer_change(
            page,
            typed,
            plan,
            action=path,
            back=path,
            template="desk_payment_preview.html",
            desk="fees",
            warnings=(),
            staying=staying,
            all_paid=False,
        )
    except Refused as refused:
        return _render_payment(page, payment, reason, format_problems(refused))


def _render_payment(
    page: PageRequest,
    payment: Payment,
    reason: str = "",
    problems: Sequence[tuple[str, str]] = (),
) -> HTMLResponse:
    rulebook = page.rulebooks.associations[payment.association]
    with page.reading() as session:
        paid_for = list_paid_for(session, payment.id)
    labels = {fee.id: fee.label for fee in rulebook.fees}
    return page.render(
        "desk_payment_one.html",
        here="coordinator",
        desk="fees",
        association=payment.association,
        payment=payment,
        paid_for=paid_for,
        labels=labels,
        reason=reason,
        problems=problems,
        names=page.team_names,
        format_instant=lambda instant: format_instant(instant, rulebook.time_zone),
        money=lambda cents: format_money(cents, rulebook.currency_code),
        left=payment.amount_cents - sum(each.share.cents for each in paid_for),
    )
