"""The email that says that a lapsed endorsement was removed, and whether there is a way back."""

from datetime import datetime

from sqlmodel import Session

from tracker.formatting import format_date, format_measure, format_money, use_locale
from tracker.mail.contents import Action, RequestMail, Row
from tracker.mail.outbox import enqueue
from tracker.notifications.context import Envelope, MailContext, change_prefix, create_message
from tracker.notifications.notices_mail import fit_subject
from tracker.rules.plan import ApplicationPlan
from tracker.services.evaluation import days_at
from tracker.services.lapse_removals import LapsedEndorsement
from tracker.services.message_subjects import About
from tracker.services.reinstatements import WayBack, find_way_back


def describe_terms(plan: ApplicationPlan) -> list[Row]:
    """What a reinstatement requires, each with how many hours or how much money, if it is that."""
    fees, rows = {fee.id: fee for fee in plan.fees}, []
    for requirement in plan.requirements:
        words, fee = f"{requirement.about}.", fees.get(requirement.rule.fee or "")
        if fee is not None:
            amount = format_money(fee.amount, plan.rulebook.currency_code)
            words = f"{amount}. {fee.how_to_pay.rstrip('.')}."
        elif requirement.is_of_sessions:
            words = f"{format_measure(requirement.amount, requirement.unit)}. {words}"
        rows.append(Row(requirement.label, words))
    return rows


def notify_removed(
    context: MailContext, session: Session, lapsed: LapsedEndorsement, now: datetime
) -> None:
    """Queue the email, in the transaction that removed the endorsement."""
    endorsement, person = lapsed.endorsement, lapsed.person
    day_of = days_at(context.rulebooks, now)
    way = find_way_back(session, context.rulebooks, day_of, endorsement)
    if way is None:
        return
    rulebook = context.rulebooks.associations[endorsement.association]
    with use_locale(rulebook.locale):
        mail = _write_mail(context, lapsed, way, is_open=way.is_open(day_of(rulebook.id)))
    key = f"{change_prefix(person.id, now)}removed:{endorsement.id}:{way.removed_on}"
    envelope = Envelope.to_person(person, rulebook.id, key, About("endorsement", endorsement.id))
    enqueue(session, [create_message(context, envelope, mail, now)], now)


def _write_mail(
    context: MailContext, lapsed: LapsedEndorsement, way: WayBack, *, is_open: bool
) -> RequestMail:
    association, category = lapsed.endorsement.association, lapsed.endorsement.category
    rulebook = context.rulebooks.associations[association]
    rule = rulebook.categories.get(category)
    name = rule.name if rule else category
    base_url = context.settings.base_url
    rows = [
        Row("Endorsement", f"{name} ({association})"),
        Row("Renewal was due", format_date(lapsed.due_on)),
        Row("Grace period ended", format_date(lapsed.grace_ends_on)),
        Row("Removed", format_date(way.removed_on)),
    ]
    intro = (
        "You no longer hold this endorsement. Your logged hours are kept. To hold it again, you "
        "have to apply anew."
    )
    action = Action("View my year", f"{base_url}/my-year")
    if is_open:
        until = "You can ask to be reinstated."
        if way.latest_on is not None:
            rows.append(Row("Last day to ask for reinstatement", format_date(way.latest_on)))
            until = f"You can ask to be reinstated through {format_date(way.latest_on)}."
        intro = f"You no longer hold this endorsement. Your logged hours are kept. {until}"
        rows += describe_terms(way.plan) if way.plan else []
        path = f"/reinstatement/{lapsed.endorsement.id}"
        action = Action("See what reinstatement requires", f"{base_url}{path}")
    return RequestMail(
        subject=fit_subject(
            [
                f"Your {association} {category} endorsement was removed",
                "Your endorsement was removed",
            ]
        ),
        greeting_name=lapsed.person.name,
        headline=f"{association} removed your {category} endorsement, because it had lapsed.",
        intro=intro,
        rows=tuple(rows),
        action=action,
        why=f"You get this email because you were endorsed by {association}.",
    )
