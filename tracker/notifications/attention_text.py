"""What a renewal lacks, and what needs a coordinator's attention, in words."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from urllib.parse import urlencode

from sqlmodel import Session

from tracker.clock import local_day
from tracker.db.ledgers import SettledCycle
from tracker.formatting import (
    MINUTES_IN_HOUR,
    format_count,
    format_cycle_span,
    format_date,
    format_hours,
    format_hours_with_unit,
    format_list,
    format_ordinal,
    hours_word,
    use_locale,
)
from tracker.mail.refusals import describe_refusal
from tracker.rulebooks import Rulebooks
from tracker.rules.absence_rules import ABSENCE_NOUNS
from tracker.rules.application.wording import labels, review_results
from tracker.rules.requirement import HOURS
from tracker.rules.stages import Stage
from tracker.rules.standing import ApplicationStanding, Status
from tracker.services.attention import (
    Attention,
    AttentionKind,
    BouncedAddress,
    ReportedSpam,
    list_attention,
)
from tracker.services.audits import AuditedRenewal
from tracker.services.dashboard import NamedProvider, RenewalLine, ShortRequirement, list_short
from tracker.services.entry_questions import OpenQuestion
from tracker.services.facts import parse_settlement
from tracker.services.run_health import JobTrouble, UnsentMail
from tracker.services.submissions import SubmittedRenewal
from tracker.services.time_requests import EXTENSION, SubmittedRequest, absence_kind

# The jobs of the run ledger in words.
JOB_LABELS = {
    "evaluate": "the nightly evaluation",
    "notices": "reminders",
    "references": "reminders to referees and about sessions",
    "digest": "the weekly digest",
}
# Each kind as the filter of the queue names it.
KIND_LABELS = {
    AttentionKind.JOB: "System",
    AttentionKind.REMOVAL: "Removals",
    AttentionKind.LAPSED: "Lapsed",
    AttentionKind.OVERDUE: "Overdue",
    AttentionKind.UNREACHABLE: "Bounced addresses",
    AttentionKind.UNSENT: "Unsent email",
    AttentionKind.REQUEST: "Requests",
    AttentionKind.ANSWER: "Answers",
    AttentionKind.SUBMISSION: "Submitted",
    AttentionKind.AUDIT: "Audits",
    AttentionKind.APPLICANT: "Applicants",
    AttentionKind.RECORDS_CHANGED: "Changed records",
    AttentionKind.UNCONFIRMED: "Providers to confirm",
    AttentionKind.BOUNCED: "Addresses to fix",
    AttentionKind.COMPLAINT: "Marked as spam",
    AttentionKind.MEMBERSHIP: "Memberships",
    AttentionKind.BEHIND: "Behind",
}
# The mailing that each kind begins with; a free one for the other kinds.
_TEMPLATES = {
    AttentionKind.OVERDUE: "reminder",
    AttentionKind.BEHIND: "reminder",
    AttentionKind.MEMBERSHIP: "membership",
}
_DEADLINES = {AttentionKind.OVERDUE: "Lapses", AttentionKind.LAPSED: "Removal due"}
_MOST_NAMES = 3
# What people send to their association.
Sent = SubmittedRequest | OpenQuestion | SubmittedRenewal | AuditedRenewal | ApplicationStanding


class AttentionText(NamedTuple):
    """A cause in words: whom it is about, why, what happens if nothing is done, and what to do.

    ``path`` is that of the page to do it on; ``reason`` and ``todo`` are parts of a sentence.
    """

    who: str
    reason: str
    consequence: str
    todo: str
    path: str


def describe_attention(attention: Attention, association: str, today: date) -> AttentionText:
    """The words for one thing that needs attention at an association."""
    match attention.about:
        case RenewalLine() as line:
            reason, todo = _describe_renewal(attention.kind, line, today), "reach out"
            path = _path_of_mail(attention, association)
            consequence = _format_deadline(attention, today)
            if attention.kind is AttentionKind.REMOVAL:
                todo = "decide on removal"
                path = f"/coordinator/person/{attention.person_id}/remove-lapsed/"
                path += str(attention.endorsement_id)
        case BouncedAddress() as bounced:
            reason, consequence = _describe_bounced(bounced)
            todo, path = "fix address", f"/coordinator/person/{attention.person_id}/change/email"
        case ReportedSpam(email):
            reason = f"marked our email to {email} as spam"
            consequence = "They get no optional reminders anymore, only those that are required."
            todo, path = "contact them", f"/coordinator/person/{attention.person_id}"
        case NamedProvider() as provider:
            reason, consequence = _describe_provider(provider)
            query = urlencode({"association": association, "name": provider.name})
            todo, path = "confirm provider", f"/coordinator/providers/names/confirm?{query}"
        case SettledCycle() as settled:
            reason, todo = _describe_settled(settled), "review"
            starts_on = settled.cycle_starts_on.isoformat()
            path = f"/coordinator/people/{settled.endorsement_id}/{starts_on}"
            consequence = "The cycle stays as it was settled."
        case JobTrouble() as trouble:
            return _describe_job(trouble, association)
        case UnsentMail() as unsent:
            return _describe_unsent(unsent, association)
        case _ as sent:
            return _describe_sent(attention.name, sent, association)
    return AttentionText(attention.name, reason, consequence, todo, path)


def _describe_bounced(bounced: BouncedAddress) -> tuple[str, str]:
    """Why an address needs to be corrected, and what happens until then."""
    why = f" because {describe_refusal(bounced.reason)}" if bounced.reason else ""
    reason = f"email to {bounced.email} bounced{why}"
    if bounced.working:
        consequence = "If the second address stops working, too, no email reaches them."
        return f"{reason}; it goes to {bounced.working} now", consequence
    rest = "the second address does not work either" if bounced.has_second else "no second address"
    return f"{reason}; {rest}", "No email reaches them, and they can't sign in."


def _describe_sent(name: str, sent: Sent, association: str) -> AttentionText:
    """The words for what a person sent, and the association has not answered."""
    match sent:
        case SubmittedRequest() as submitted:
            reason, todo = _describe_request(submitted), "decide"
            path = f"/coordinator/requests/{submitted.request.id}"
            consequence = "Nothing changes for them until you decide."
        case OpenQuestion() as question:
            reason, todo = _describe_answer(question), "review session"
            query = urlencode({"association": association})
            path = f"/coordinator/person/{question.person_id}/entries/{question.entry_id}?{query}"
            consequence = "The question stays open until you settle it or ask again."
        case SubmittedRenewal() as renewal:
            reason, todo = _describe_submission(renewal), "review renewal"
            path = f"/coordinator/renewals/{renewal.submission.id}"
            consequence = "They are not renewed until you decide."
            if renewal.lacks_only_fee:
                submission, todo = renewal.submission, "record payment"
                key = f"{submission.endorsement_id}.{submission.cycle_starts_on}"
                query = urlencode({"association": association, "renewal": key})
                path = f"/coordinator/fees/payment?{query}"
                consequence = "They are renewed once the fee is paid."
        case AuditedRenewal() as audited:
            reason, todo = _describe_audit(audited), "review audit"
            path = f"/coordinator/audits/cases/{audited.case.id}"
            consequence = "The audit stays open until you decide."
        case ApplicationStanding() as application:
            reason, todo = _describe_application(application)
            path = f"/coordinator/applicants/{application.facts.subject_id}"
            consequence = "They are not endorsed until you decide."
    return AttentionText(name, reason, consequence, todo, path)


class AttentionRow(NamedTuple):
    """One thing to do, for programs and spreadsheets.

    ``url`` is the page to do it on, and ``row_url`` its row on the start page. ``since`` and
    ``deadline`` are ISO days, or empty; ``consequence`` is what happens if nothing is done.
    """

    association: str
    kind: str
    name: str
    category: str
    reason: str
    todo: str
    url: str
    since: str
    deadline: str
    consequence: str
    row_url: str


def attention_rows(
    session: Session, rulebooks: Rulebooks, association: str, now: datetime, base_url: str
) -> list[AttentionRow]:
    """What needs attention at an association, the most urgent first, in its locale."""
    rulebook, rows = rulebooks.associations[association], []
    today = local_day(now, rulebook.time_zone)
    with use_locale(rulebook.locale):
        for one in list_attention(session, rulebooks, association, now):
            text = describe_attention(one, association, today)
            rows.append(
                AttentionRow(
                    association,
                    one.kind.value,
                    text.who,
                    one.category,
                    text.reason,
                    text.todo,
                    f"{base_url}{text.path}",
                    one.since.isoformat() if one.since else "",
                    one.deadline.isoformat() if one.deadline else "",
                    text.consequence,
                    f"{base_url}{path_of_row(association, one.key)}",
                )
            )
    return rows


def path_of_row(association: str, key: str) -> str:
    """Where a cause's row is on the start page, whatever page of the queue it is on."""
    return f"/coordinator?{urlencode({'association': association, 'cause': key})}#{key}"


def format_attention_count(count: int) -> str:
    """``Nothing needs your attention``, ``1 item needs your attention``; without a full stop."""
    if not count:
        return "Nothing needs your attention"
    verb = "needs" if count == 1 else "need"
    return f"{format_count(count, 'item')} {verb} your attention"


def _describe_renewal(kind: AttentionKind, renewal: RenewalLine, today: date) -> str:
    """Why a renewal needs attention."""
    missing, due_on = format_missing(renewal.short), renewal.standing.due_on
    if kind is AttentionKind.BEHIND:
        return f"{missing} to go"
    if kind is AttentionKind.MEMBERSHIP:
        until = renewal.standing.membership_until
        if until and until < today:
            return f"membership ended on {format_date(until)}"
        return "membership missing"
    due = f", was due {format_date(due_on)}" if due_on else ""
    return f"{renewal.state}{due}: {missing} missing"


def _path_of_mail(attention: Attention, association: str) -> str:
    """The form to write to an endorsee, with the email that fits the cause."""
    query = {"association": association, "person": attention.person_id}
    if attention.kind in _TEMPLATES:
        query["template"] = _TEMPLATES[attention.kind]
    return f"/coordinator/mail/new?{urlencode(query)}"


def _format_deadline(attention: Attention, today: date) -> str:
    """What happens to a renewal if nothing is done."""
    if attention.kind is AttentionKind.REMOVAL:
        return "Stays on record until you remove it or extend the renewal."
    if attention.deadline is None:
        return "Stays lapsed unless you extend it or reopen the cycle."
    verb = _DEADLINES.get(attention.kind, "Overdue")
    if attention.deadline <= today:
        return f"{verb} now."
    days = format_count((attention.deadline - today).days, "day")
    return f"{verb} in {days}, on {format_date(attention.deadline)}."


def _describe_request(submitted: SubmittedRequest) -> str:
    request = submitted.request
    if request.kind != EXTENSION:
        noun = ABSENCE_NOUNS[absence_kind(request.kind)]
        return f"requests {noun} starting {format_date(request.starts_on)}"
    return f"requests a later due date: {format_date(request.ends_on or request.starts_on)}"


def _describe_answer(question: OpenQuestion) -> str:
    return f"answered a question about “{question.title}” of {format_date(question.held_on)}"


def _describe_submission(renewal: SubmittedRenewal) -> str:
    cycle = format_cycle_span(renewal.submission.cycle_starts_on, renewal.submission.cycle_ends_on)
    reasons = []
    if short := list_short(renewal.requirements):
        reasons.append(f"{format_missing(short)} missing")
    if renewal.other_name:
        reasons.append(f"signed as “{renewal.other_name}”")
    if renewal.failed_case_id is not None:
        reasons.insert(0, "the audit did not pass")
    return f"submitted the renewal for {cycle}: {format_list(reasons) or 'to be checked'}"


def _describe_audit(audited: AuditedRenewal) -> str:
    submission, case = audited.submission, audited.case
    cycle = format_cycle_span(submission.cycle_starts_on, submission.cycle_ends_on)
    if case.state == Stage.APPEALED:
        return f"appealed against the audit of the renewal for {cycle}"
    if case.state == Stage.SENT:
        return f"sent documents for the audit of the renewal for {cycle}"
    due = format_date(case.due_on) if case.due_on else ""
    return f"sent no documents for the audit of the renewal for {cycle} by {due}"


def _describe_provider(provider: NamedProvider) -> tuple[str, str]:
    """Who named a provider, and how many hours depend on the answer."""
    names = [user.name for user in provider.users[:_MOST_NAMES]]
    if len(provider.users) > _MOST_NAMES:
        names.append(format_count(len(provider.users) - _MOST_NAMES, "other", "others"))
    hours = format_hours_with_unit(provider.minutes)
    does = "does" if hours.startswith("1 ") else "do"
    consequence = f"{hours} of RSC {does} not count."
    if provider.due_on:
        consequence += f" The first renewal is due {format_date(provider.due_on)}."
    return f"RSC provider named by {format_list(names)}, not confirmed yet", consequence


def _describe_settled(settled: SettledCycle) -> str:
    status = parse_settlement(settled.content).status.value
    return (
        f"the cycle that began on {format_date(settled.cycle_starts_on)} was settled as {status}; "
        "records have changed since and would give another result"
    )


def _describe_application(standing: ApplicationStanding) -> tuple[str, str]:
    """What an application waits for, and what to do."""
    submitted_on = standing.facts.candidate.submitted_on
    noun = "reinstatement" if standing.plan.purpose == "reinstatement" else "application"
    reason = f"{noun} not submitted yet"
    if submitted_on:
        reason = f"{noun} submitted on {format_date(submitted_on)}"
    if standing.status is Status.READY:
        return f"{reason}; everything is there", "decide"
    return f"{reason}; to review: {format_list(labels(review_results(standing)))}", "review"


def _describe_job(trouble: JobTrouble, association: str) -> AttentionText:
    """Something that only the operator can mend."""
    label = JOB_LABELS.get(trouble.job, trouble.job)
    if trouble.failed:
        reason, consequence = f"{label} failed", "We keep trying. Standings or emails may be late."
    else:
        reason, consequence = f"{label} has not run", "Standings and reminders fall behind."
    path = f"/coordinator?{urlencode({'association': association})}#health"
    return AttentionText("This system", reason, consequence, "tell your operator", path)


def _describe_unsent(unsent: UnsentMail, association: str) -> AttentionText:
    reason = "the mail server did not take them; the addresses are not the reason"
    path = f"/coordinator?{urlencode({'association': association})}#health"
    who = format_count(unsent.total, "email")
    return AttentionText(who, reason, "Nobody gets them.", "tell your operator", path)


def format_missing(short: Sequence[ShortRequirement], *, membership: str = "membership") -> str:
    """All that is missing: "5 training hours (one on DEIA), 3.5 RSC hours, and membership".

    A topic (a year, a format, months) stands in parentheses if its hours fit into the hours that
    are missing anyway.
    """
    whole, parts, others = [], [], []
    for item in short:
        if item.counts not in HOURS:
            others.append(membership if item.counts == "membership" else format_short(item))
        elif not item.is_part:
            whole.append(format_short(item) + _format_parts(item, short))
        elif not _fits(item, short):
            parts.append(format_short(item))
    return format_list([*whole, *parts, *others])


def list_missing_briefly(short: Sequence[ShortRequirement]) -> list[str]:
    """All that is missing, for a subject; the fullest form first.

    "15 training (one on DEIA) and 8 RSC hours", then "15 training and 8 RSC hours", without the
    topics whose hours fit into hours that are missing anyway.
    """
    main = [item for item in short if not item.is_part or not _fits(item, short)]
    words = _share_unit(main)
    full = []
    for item, text in zip(main, words, strict=True):
        full.append(text if item.is_part else text + _format_parts(item, short))
    return list(dict.fromkeys([format_list(full), format_list(words)]))


def _share_unit(items: Sequence[ShortRequirement]) -> list[str]:
    """Each item in words; the last hours have the unit for all: "15 training", "8 RSC hours"."""
    words = [format_short(item) for item in items]
    hours = [n for n, item in enumerate(items) if item.counts in HOURS]
    if all(words[n].endswith(" hours") for n in hours):
        for n in hours[:-1]:
            words[n] = words[n].removesuffix(" hours")
    return words


def format_short(item: ShortRequirement) -> str:
    """One missing requirement: "3.5 RSC hours", "RSC in 2 more months", "membership"."""
    if item.counts not in HOURS:
        return hours_word(item.counts, "")
    name = hours_word(item.counts, item.topic or "")
    if item.formats:
        name = f"{_format_formats(item)} {name}"
    if item.unit == "months":
        return f"{name} {_format_months(item)}{_format_year(item)}"
    unit = "hour" if item.minutes == MINUTES_IN_HOUR else "hours"
    return f"{_number(item.minutes)} {name} {unit}{_format_year(item)}"


def _fits(part: ShortRequirement, short: Sequence[ShortRequirement]) -> bool:
    """Whether the hours that are missing anyway have room for a part of them.

    The years of a cycle have no hour in common, so there must be room for all that are not over.
    """
    if part.too_late:
        return False
    whole = {item.counts: item.minutes for item in short if not item.is_part}
    most = whole.get(part.counts, 0)
    if part.unit == "months":
        return most > 0
    needed = part.minutes
    if part.year:
        alike = part._replace(year=0, minutes=0)
        years = [item for item in short if item._replace(year=0, minutes=0) == alike]
        needed = sum(item.minutes for item in years if item.year)
    return needed <= most


def _format_parts(whole: ShortRequirement, short: Sequence[ShortRequirement]) -> str:
    """The parts that fit into ``whole``: " (one on DEIA)"; empty if none do."""
    parts = []
    for part in short:
        if not part.is_part or part.counts != whole.counts or not _fits(part, short):
            continue
        words = [_number(part.minutes)]
        if part.unit == "months":
            words = [_format_months(part)]
        if part.formats:
            words.append(_format_formats(part))
        if part.topic:
            words.append(f"on {part.topic}")
        parts.append(" ".join(words) + _format_year(part))
    return f" ({format_list(parts)})" if parts else ""


def _format_formats(item: ShortRequirement) -> str:
    return format_list(item.formats.split(","))


def _format_months(item: ShortRequirement) -> str:
    return f"in {format_count(item.minutes, 'more month')}"


def _format_year(item: ShortRequirement) -> str:
    return f" in the {format_ordinal(item.year)} year" if item.year else ""


def _number(minutes: int) -> str:
    return "one" if minutes == MINUTES_IN_HOUR else format_hours(minutes)
