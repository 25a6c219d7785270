"""Mails the questions about entries that came on a day when the person had an email already."""

from datetime import datetime, time
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlmodel import Session

from tracker.clock import local_day
from tracker.jobs.isolation import isolate, savepoint
from tracker.mail.contents import EntryQuestionMail, NoticesMail
from tracker.mail.outbox import enqueue
from tracker.notifications.context import JobContext
from tracker.notifications.entry_mail import write_questions
from tracker.services.entry_question_mail import list_unmailed_questions, mark_mailed
from tracker.services.group_notifications import had_mail
from tracker.services.run_ledger import Failure, JobResult

_KINDS_A_DAY = (EntryQuestionMail.kind, NoticesMail.kind)


def run_questions(
    context: JobContext, session: Session, association: str, now: datetime
) -> JobResult:
    """One email to each person about all open questions of earlier days that none is about yet."""
    zone = context.rulebooks.associations[association].time_zone
    midnight = datetime.combine(local_day(now, zone), time(), ZoneInfo(zone))
    unmailed = list_unmailed_questions(session, association=association, before=midnight)
    failures: list[Failure] = []
    written = 0
    for person_id, group in groupby(unmailed, lambda question: question.person.id):
        if had_mail(session, person_id, _KINDS_A_DAY, midnight):
            continue
        questions = list(group)
        with isolate(failures, str(person_id), savepoint(session)):
            message = write_questions(context, questions, now)
            written += len(enqueue(session, [message], now))
            mark_mailed(session, [each.thread.question.id for each in questions], now)
    return JobResult({"questions": written} if written else {}, failures)
