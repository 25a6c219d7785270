"""The text of each kind of notice, made from its decision."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from tracker.formatting import (
    format_alternatives,
    format_count,
    format_date,
    format_hours_with_unit,
    format_list,
    format_measure,
    format_measure_number,
    format_month_day,
    format_short_date,
    format_short_month_day,
)
from tracker.mail.contents import Action, Row, Section
from tracker.notifications.attention_text import format_short, list_missing_briefly
from tracker.notifications.way_rows import add_window_or_amount, find_submit_path
from tracker.rules.application.references import (
    format_slot,
    judge_named_references,
    list_missing_references,
)
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notices import Decision, find_next_membership
from tracker.rules.plan import PlannedRequirement
from tracker.rules.providers import format_ending
from tracker.rules.removal_rules import block_on
from tracker.rules.standing import AnyStanding, Outcome, Result, Status, list_short
from tracker.services.dashboard import ShortRequirement
from tracker.settings import Settings

MEMBERSHIP_FORM = "/membership/new"
RSC_IN_FULL = "Reflective Supervision/Consultation (RSC)"


@dataclass(frozen=True, slots=True)
class NoticeText:
    """One decision in words.

    ``subjects`` come the fullest first; each says what, and by when. ``headline``, ``intro``, and
    ``alone`` (its section without a title) are used if it leads the mail, or is all of it;
    ``section`` says everything by itself. ``actions`` open the pages where that is done: the first
    is the button if it leads the mail, and the section has links to the others.
    """

    subjects: Sequence[str]
    headline: str
    intro: str
    alone: Section
    section: Section
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """A decision to send, and what its text needs besides."""

    config: NoticeConfig
    settings: Settings
    decision: Decision
    as_of: date

    @property
    def standing(self) -> AnyStanding:
        """The standing that the decision is about."""
        return self.decision.standing

    @property
    def due_on(self) -> date:
        """The date that the notice is about."""
        return self.decision.key.due_on

    @property
    def days_left(self) -> int:
        """Days from today to that date; negative if it has passed."""
        return (self.due_on - self.as_of).days

    @property
    def countdown(self) -> str:
        """Those days in words: ``30 days left``, ``1 day left``, ``Today``."""
        return f"{format_count(self.days_left, 'day')} left" if self.days_left else "Today"

    @property
    def grace_ends_on(self) -> date | None:
        """The last day of a renewal's grace period."""
        cycle = self.decision.renewal.plan.cycle
        return cycle.grace_ends_on(self.due_on) if cycle else None

    @property
    def missing(self) -> Section:
        """The section that lists what is short."""
        rows = [self._format_row(result) for result in list_short(self.standing)]
        return Section("", "Still missing:", tuple(rows), details=self._list_ways_to_pay())

    def _list_ways_to_pay(self) -> tuple[str, ...]:
        """How to pay each fee that is missing, as the rulebook says."""
        if self.decision.is_about_application:
            return ()
        short = {result.requirement.rule.fee for result in list_short(self.standing)}
        fees = self.decision.renewal.plan.fees
        return tuple(f"{fee.label}: {fee.how_to_pay}" for fee in fees if fee.id in short)

    def _format_row(self, result: Result) -> Row:
        following = find_next_membership(self.standing, self.as_of)
        row = format_row(result)
        if result.requirement.counts == "membership" and following:
            return replace(row, progress=f"the next one starts {format_date(following.starts_on)}")
        if self.decision.is_about_application:
            return row
        return add_window_or_amount(row, self.decision.renewal, result, self.as_of)

    @property
    def association(self) -> str:
        """The association's id."""
        return self.standing.plan.association

    @property
    def category(self) -> str:
        """The category as its association calls it."""
        plan = self.standing.plan
        return plan.rulebook.categories[plan.category].name

    @property
    def subject(self) -> str:
        """What the notice is about: an endorsement, or an application for one."""
        if self.decision.is_about_application:
            return f"application for the {self.category} endorsement"
        return f"{self.category} endorsement"

    def title(self, text: str) -> str:
        """``text``, with the application it is for: the same may hold for a renewal as well."""
        if not self.decision.is_about_application:
            return text
        return f"{text}, for your application ({self.association} {self.standing.plan.category})"

    def link_to(self, label: str, path: str) -> Action:
        """A button or link to one of our pages."""
        return Action(label, f"{self.settings.base_url}{path}")

    @property
    def overview(self) -> Action:
        """The page of the application, or of the person's renewals."""
        if self.decision.is_about_application:
            path = f"/application/{self.standing.facts.subject_id}"
            return self.link_to("View my application", path)
        return self.link_to("View my renewal", "/my-year")

    @property
    def membership_form(self) -> Action:
        """The form for a membership's term."""
        return self.link_to("Enter my membership", MEMBERSHIP_FORM)

    @property
    def contact(self) -> str:
        """Whom to write to: the coordinators with their addresses, or else the association."""
        coordinators = self.settings.coordinators_of(self.association)
        names = [f"{coordinator.name} ({coordinator.email})" for coordinator in coordinators]
        if not names:
            return f"your association ({self.standing.plan.rulebook.name})"
        return format_alternatives(names)


def render_renewal(facts: NoticeFacts) -> NoticeText:
    """A renewal that is short: what is missing, and by when."""
    number = len(list_short(facts.standing))
    requirements = "one requirement" if number == 1 else f"{number} requirements"
    headline = f"You have {requirements} left to meet by {format_date(facts.due_on)}."
    due = f"is due for renewal on {format_date(facts.due_on)}. The whole day counts."
    is_submitted = facts.decision.renewal.facts.submitted is not None
    if is_submitted:
        headline = f"Your renewal is submitted, with {requirements} left to meet."
    grace_ends_on = facts.grace_ends_on
    if facts.days_left < 0 and is_submitted:
        due = f"was due for renewal on {format_date(facts.due_on)}."
    elif facts.days_left < 0 and grace_ends_on:
        overdue = f"{requirements} {'is' if number == 1 else 'are'} overdue."
        headline = (
            f"{overdue[:1].upper()}{overdue[1:]} "
            f"Your grace period ends on {format_date(grace_ends_on)}."
        )
        due = f"was due for renewal on {format_date(facts.due_on)}."
    return NoticeText(
        subjects=_list_renewal_subjects(facts),
        headline=headline,
        intro=(
            f"Your {facts.category} endorsement ({facts.association}) {due}"
            f"{_format_last_session_day(facts)}{_format_unrecorded(facts)}"
            f"{_format_done(facts.standing)}"
        ),
        alone=facts.missing,
        section=_renewal_section(
            facts, f"{_format_last_session_day(facts)}{_format_unrecorded(facts)}"
        ),
        actions=list_forms(facts),
    )


def render_lapse(facts: NoticeFacts) -> NoticeText:
    """A renewal that was not complete at the end of its grace period: its cycle is closed.

    So the mail leads to no form, which would refuse, but says whom to write to.
    """
    due = format_short_month_day(facts.due_on)
    grace_ends_on = facts.grace_ends_on
    grace = (
        f", and your grace period ended on {format_date(grace_ends_on)}" if grace_ends_on else ""
    )
    return NoticeText(
        subjects=[
            f"{facts.standing.plan.category} renewal due {due} has lapsed",
            "Your renewal has lapsed",
        ],
        headline=f"The renewal of your {facts.category} endorsement has lapsed.",
        intro=(
            f"It was due on {format_date(facts.due_on)}{grace}. Hours for it can no longer be "
            f"logged.{_format_unrecorded(facts)}{_format_done(facts.standing)}"
            f"{_format_removal(facts)} Please write to "
            f"{facts.contact} to find out what you can do."
        ),
        alone=replace(facts.missing, text="Missing when the grace period ended:"),
        section=_renewal_section(
            facts,
            f" Hours for it can no longer be logged.{_format_removal(facts)} Please write to "
            f"{facts.contact}.",
        ),
        actions=(facts.overview,),
    )


def _format_removal(facts: NoticeFacts) -> str:
    """From which day on a lapsed endorsement is removed; empty if the rulebook removes none."""
    grace_ends_on, rulebook = facts.grace_ends_on, facts.standing.plan.rulebook
    rule = block_on(rulebook.removals, grace_ends_on) if grace_ends_on else None
    if rule is None or not rule.removed or grace_ends_on is None:
        return ""
    kept = format_date(rule.kept_through(grace_ends_on))
    verb = "is" if rule.by_itself else "can be"
    return f" Your endorsement {verb} removed after {kept}, unless you get a later due date."


def render_membership(facts: NoticeFacts) -> NoticeText:
    """A membership that ends, or has ended."""
    due = format_short_month_day(facts.due_on)
    verb = "ended" if facts.days_left < 0 else "ends"
    subject = f"{verb} {due}"
    if facts.days_left > 1:
        # The days left tell one reminder's subject from the next, so no shorter form omits them.
        subject += f", in {facts.days_left} days"
    headline = f"Your membership {verb} on {format_date(facts.due_on)}."
    requirement = next(
        r.requirement for r in facts.standing.results if r.requirement.counts == "membership"
    )
    todo = f"Please renew it. Accepted: {requirement.about}.{_format_membership_grace(facts)}"
    following = find_next_membership(facts.standing, facts.due_on)
    if following:
        todo = (
            f"Your next membership on record starts on {format_date(following.starts_on)}. The "
            "days in between are not covered. Please check the dates, or renew for these days as "
            f"well. Accepted: {requirement.about}."
        )
    actions = [facts.membership_form]
    if facts.decision.is_about_application:
        actions.append(facts.overview)
    return NoticeText(
        subjects=[f"{facts.association} membership {subject}", f"Membership {subject}"],
        headline=headline,
        intro=f"Your {facts.subject} ({facts.association}) requires a current membership.",
        alone=Section("", todo),
        section=Section(facts.title("Membership"), f"{headline} {todo}"),
        actions=tuple(actions),
    )


def _format_membership_grace(facts: NoticeFacts) -> str:
    """Through when the membership counts after its last day; empty if it does not."""
    grace = facts.standing.plan.membership_grace
    if grace is None:
        return ""
    return f" Without a new one, it counts through {format_date(grace.ends_on(facts.due_on))}."


def render_cutoff(facts: NoticeFacts) -> NoticeText:
    """A provider whose sessions stop counting, for people who saw them recently."""
    cutoff = facts.decision.cutoff
    if cutoff is None:
        raise ValueError("a cutoff decision names its provider")
    name, last_day, left = cutoff.provider_name, facts.due_on, facts.countdown
    months = facts.config.provider_cutoff.used_within_months
    text = (
        f"Sessions through {format_date(last_day)} count. Later sessions will not count. "
        "Please find another qualified provider before then."
    )
    hours = format_hours_with_unit(cutoff.minutes)
    details = (
        f"{format_ending(cutoff.ending, facts.as_of)}.",
        f"You logged {hours} with this provider in the last {months} months.",
    )
    return NoticeText(
        subjects=[
            f"{left}: RSC with {name} counts until {format_short_date(last_day)}",
            f"{left}: RSC with {name} counts until {format_short_month_day(last_day)}",
            f"{left}: a provider counts until {format_short_date(last_day)}",
        ],
        headline=f"Sessions with {name} count until {format_date(last_day)}.",
        intro=f"Your {facts.subject} requires {RSC_IN_FULL} with a qualified provider.",
        alone=Section("", text, details=details),
        section=Section(facts.title(f"Sessions with {name}"), text, details=details),
        actions=(facts.overview,),
    )


def render_window(facts: NoticeFacts) -> NoticeText:
    """An applicant's RSC window that closes while hours are missing."""
    decision, closes_on = facts.decision, facts.due_on
    # Some hours lie inside others, so the largest gap is what is missing in all.
    largest = max(decision.lacking, key=lambda result: result.short)
    hours = format_short(ShortRequirement(largest.requirement.counts, None, largest.short))
    window = decision.lacking[0].requirement.rule.window
    months = window.months if window else None
    rule = (
        f"RSC hours count only if they fall within {months} months of each other. "
        f"{format_date(closes_on)} is the last day that counts together with your oldest "
        "sessions. After that day, those sessions no longer count."
    )
    rows = tuple(format_row(result) for result in decision.lacking)
    left, closes = facts.countdown, format_short_month_day(closes_on)
    return NoticeText(
        subjects=[
            f"{left}: {hours} missing, window ends {closes}",
            f"{left}: {hours} missing by {closes}",
            f"{left}: your RSC window ends {closes}",
        ],
        headline=f"You need {hours} more by {format_date(closes_on)}.",
        intro=f"Your {facts.subject} ({facts.association}) requires {RSC_IN_FULL}. {rule}",
        alone=Section("", "Still missing:", rows),
        section=Section(
            facts.title(decision.lacking[0].requirement.label),
            f"{rule} Still missing:",
            rows,
        ),
        actions=(facts.overview,),
    )


def render_references(facts: NoticeFacts) -> NoticeText:
    """References that are missing: in which roles, and who was asked; not what any says."""
    candidate = facts.decision.application.facts.candidate
    result = next(r for r in facts.standing.results if r.requirement.counts == "references")
    rule = result.requirement.rule.references
    if rule is None:
        raise ValueError(f"no references are required: {result.requirement.id}")
    named = judge_named_references(result.requirement, rule, candidate)
    counted, required = named.counted, named.required
    rulebook = facts.standing.plan.rulebook
    rows, to_name = [], 0
    for missing in list_missing_references(rule, candidate):
        progress = "nobody named yet"
        if missing.waits_for:
            progress = f"not received from {missing.waits_for} yet"
        rows.append(Row(format_slot(rulebook, missing.roles), progress))
        to_name += not missing.waits_for
    todo = "On your references page, see who has not answered yet, or name someone else."
    if to_name:
        todo = f"Please name {to_name} more."
    received = sum(reference.received for reference in candidate.references)
    text = f"Received: {counted} of {required}."
    if received > counted:
        idle = format_count(received - counted, "reference is", "references are")
        text += f" {idle} in roles that are filled already or not required."
    text += f" {todo} Still missing:"
    path = f"/application/{facts.standing.facts.subject_id}/references"
    return NoticeText(
        subjects=[f"After {-facts.days_left} days: {counted} of {required} references received"],
        headline=f"{counted} of {required} references received.",
        intro=f"Your {facts.subject} ({facts.association}) requires {required} references.",
        alone=Section("", text, tuple(rows)),
        section=Section(facts.title("References"), text, tuple(rows)),
        actions=(facts.link_to("View my references", path),),
    )


# What a notice says of a requirement that is short and not about hours.
_MISSING = {
    "membership": "no current membership",
    "paid": "not paid yet",
    "submitted": "not submitted yet",
    "signed": "not signed yet",
}


def format_row(result: Result) -> Row:
    """A row: ``Reflective supervision (RSC) | 8.5 of 12 hours | 3.5 short``."""
    requirement = result.requirement
    if not requirement.is_of_sessions:
        return Row(requirement.label, _MISSING[requirement.counts])
    counted = format_measure_number(result.counted, requirement.unit)
    progress = f"{counted} of {format_measure(result.required, requirement.unit)}"
    if result.can_attest:
        return Row(requirement.label, f"{progress} logged", "log or attest to it")
    label = requirement.label
    if requirement.counts == "rsc" and not requirement.topic and "RSC" not in label:
        label = f"{label} (RSC)"
    return Row(label, progress, f"{format_measure_number(result.short, requirement.unit)} short")


def _list_missing_for_subject(facts: NoticeFacts) -> list[str]:
    """What is missing, the fullest form first."""
    results = list_short(facts.standing)
    # As on My year: what can be attested to is not missing.
    missing = [result for result in results if not result.can_attest]
    short = [ShortRequirement.of_result(result) for result in missing or results]
    number = format_count(len(short), "requirement")
    return [*list_missing_briefly(short), f"{format_short(short[0])} and more", number]


def _list_renewal_subjects(facts: NoticeFacts) -> list[str]:
    texts = _list_missing_for_subject(facts)
    due, left = format_short_month_day(facts.due_on), facts.days_left
    grace_ends_on = facts.grace_ends_on
    if left < 0 and grace_ends_on:
        return _list_overdue_subjects(facts, texts, grace_ends_on)
    if left == 0:
        return [f"Today: {text} due {due}" for text in texts]
    if left == 1:
        return [f"Tomorrow: {text} due {due}" for text in texts]
    return [f"{left} days left: {text} due {due}" for text in texts]


def _list_overdue_subjects(
    facts: NoticeFacts, texts: Sequence[str], grace_ends_on: date
) -> list[str]:
    overdue = f"{format_count(-facts.days_left, 'day')} overdue"
    if facts.decision.renewal.facts.submitted is not None:
        return [f"{overdue}: {text}" for text in texts]
    until = f"grace ends {format_short_month_day(grace_ends_on)}"
    return [*(f"{overdue}: {text}, {until}" for text in texts), f"{overdue}, {until}"]


def list_forms(facts: NoticeFacts) -> tuple[Action, ...]:
    """The forms for what is missing, hours first, filled in with the first that are missing.

    Hours that can be attested to come last, once the renewal can be submitted. The form to submit
    a renewal only opens in its window. Without any form, as for a fee, the overview, which says
    how to pay it.
    """
    short = list_short(facts.standing)
    counted = {result.requirement.counts for result in short}
    hours = [result for result in short if result.requirement.is_of_sessions]
    log = tuple(_link_to_log(facts, result.requirement) for result in hours[:1])
    submit = _link_to_submission(facts, counted)
    if "membership" in counted:
        return (*log, facts.membership_form, *submit)
    can_attest = all(result.can_attest for result in hours)
    return ((*submit, *log) if can_attest else (*log, *submit)) or (facts.overview,)


def _link_to_submission(facts: NoticeFacts, missing: Collection[str]) -> tuple[Action, ...]:
    """The form to submit the renewal, if that is missing and its window is open."""
    path = find_submit_path(facts.decision.renewal, facts.as_of)
    is_missing = path and "submitted" in missing
    return (facts.link_to("Submit my renewal", path),) if is_missing else ()


def _link_to_log(facts: NoticeFacts, requirement: PlannedRequirement) -> Action:
    topic = f"&topic={requirement.topic}" if requirement.topic else ""
    return facts.link_to("Log hours", f"/log?activity={requirement.counts}{topic}")


def _renewal_section(facts: NoticeFacts, note: str) -> Section:
    due = f"Due {format_date(facts.due_on)}.{note}"
    title = f"{facts.category}, {facts.association}"
    return replace(facts.missing, title=title, text=f"{due} {facts.missing.text}")


def _format_unrecorded(facts: NoticeFacts) -> str:
    """What it means that the association's first day in this system falls in the cycle."""
    standing = facts.decision.renewal
    first_day = standing.unrecorded_until
    if first_day is None:
        return ""
    text = f" Hours held before {format_date(first_day)} may not be in this system yet"
    return f"{text}." if standing.status is Status.LAPSED else f"{text}: please log them as well."


def _format_last_session_day(facts: NoticeFacts) -> str:
    """Only sessions held in the cycle count, even with a later due date."""
    cycle = facts.decision.renewal.plan.cycle
    is_about_hours = any(r.requirement.is_of_sessions for r in list_short(facts.standing))
    if cycle is None or not is_about_hours:
        return ""
    if facts.due_on > cycle.ends_on and facts.days_left >= 0:
        log_by, held_by = format_month_day(facts.due_on), format_month_day(cycle.ends_on)
        return f" Log by {log_by} what was held by {held_by}."
    if facts.as_of <= cycle.ends_on:
        return ""
    return f" Only sessions on or before {format_date(cycle.ends_on)} count."


def _format_done(standing: AnyStanding) -> str:
    done = [r.requirement.hours_name for r in standing.results if r.outcome is Outcome.MET]
    return f" Done: {format_list(done)}." if done else ""
