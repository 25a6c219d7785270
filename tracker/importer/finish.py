"""What follows an import, in its transaction: first days, standings, providers, and letters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlmodel import Session

from tracker.importer.first_days import FirstDayNeeded
from tracker.importer.problems import ImportProblem, ImportRefused
from tracker.importer.store import ImportReport
from tracker.notifications.application_mail import notify_imported_decisions
from tracker.notifications.context import MailContext
from tracker.notifications.grant_mail import notify_grants
from tracker.notifications.provider_mail import notify_known_providers
from tracker.refusal_text import format_refusal
from tracker.services.application_decisions import ImportedDecision, list_imported_decisions
from tracker.services.context import Refused, ServiceContext
from tracker.services.evaluation import days_at, evaluate_people
from tracker.services.first_days import (
    ProvisionalDay,
    adopt_first_days,
    choose_first_days,
    list_undecided,
    take_provisional_days,
)
from tracker.services.provider_names import LinkedSession, link_known_providers, list_linked

# By association; None: all of its earlier records are here.
FirstDays = Mapping[str, date | None]


@dataclass(frozen=True, slots=True)
class FinishOptions:
    """``first_days`` are those that were chosen with the import.

    ``asks_first_day``: raise FirstDayNeeded where one is needed and nobody chose it. Otherwise a
    provisional day is taken.
    """

    first_days: FirstDays = field(default_factory=dict)
    asks_first_day: bool = False


@dataclass(frozen=True, slots=True)
class FinishedImport:
    """First days that were taken, sessions whose provider is known now, and who gets letters."""

    provisional: list[ProvisionalDay]
    linked: list[LinkedSession]
    granted: list[str]
    decisions: list[ImportedDecision]


def finish_import(
    mail: MailContext, service: ServiceContext, report: ImportReport, options: FinishOptions
) -> FinishedImport:
    """Do what follows an import that added or changed something.

    Raises ImportRefused for a first day that can't be stored.
    """
    session, rulebooks, now = service.session, service.rulebooks, service.now
    store_first_days(mail, service, options.first_days)
    evaluate_people(session, rulebooks, report.person_ids, now)
    undecided = list_undecided(session, report.new_endorsement_ids)
    if undecided and options.asks_first_day:
        raise FirstDayNeeded(undecided)
    provisional = take_provisional_days(service, undecided, report.new_endorsement_ids)
    linked = [
        *list_linked(session, report.linked_entry_ids),
        *link_known_providers(service, report.person_ids),
    ]
    if linked:
        notify_known_providers(mail, service, linked)
    granted = notify_grants(mail, session, report.grants, now) if report.grants else []
    decisions = _notify_decisions(mail, service, session, report)
    return FinishedImport(provisional, linked, granted, decisions)


def _notify_decisions(
    mail: MailContext, service: ServiceContext, session: Session, report: ImportReport
) -> list[ImportedDecision]:
    """Queue letters about recent decisions; past ones get none."""
    day_of = days_at(service.rulebooks, service.now)
    decisions = list(list_imported_decisions(session, day_of, report.decisions))
    recent = [each.decided for each in decisions if each.is_recent]
    notify_imported_decisions(mail, service, recent)
    return decisions


def store_first_days(mail: MailContext, service: ServiceContext, first_days: FirstDays) -> None:
    """Store the chosen first days, and the setting's where nobody chose one."""
    try:
        choose_first_days(service, first_days, "given with an import")
    except Refused as refused:
        sentences = [format_refusal(each.code, each.facts) for each in refused.refusals]
        problems = [ImportProblem("--first-day", sentence) for sentence in sentences]
        raise ImportRefused(problems) from None
    adopt_first_days(service, mail.settings.judge_renewals_due_from)
