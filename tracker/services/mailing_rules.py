"""What a mailing is, what is known of its recipients, and who is skipped and why. Reads nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracker.rules.notice_config import NoticeConfig
from tracker.rules.notification_preferences import OptionalNotice
from tracker.rules.standing import Outcome, Status
from tracker.services.dashboard import ShortRequirement
from tracker.services.evaluation import StoredResult

_MEMBERSHIP = "membership"
# States of renewals that can no longer be completed, or need not be.
_CLOSED = {Status.LAPSED.value, Status.EXCUSED.value}


class MailingTemplate(StrEnum):
    """What a mailing is about; the value is stored."""

    REMINDER = "reminder"
    MEMBERSHIP = "membership"
    DOCUMENTS = "documents"
    FREE = "free"


class MailingField(StrEnum):
    """What stands in braces in a subject or a text, and is another value for each recipient."""

    NAME = "name"
    ASSOCIATION = "association"
    ASSOCIATION_NAME = "association name"
    CATEGORY = "category"
    DUE_DATE = "due date"
    MISSING = "missing"
    MEMBERSHIP_ENDS = "membership ends"
    MY_YEAR = "my year"
    COORDINATOR = "coordinator"


class SkipReason(StrEnum):
    """Why somebody does not get a mailing; the value is stored."""

    NOT_ENDORSED = "not-endorsed"
    NO_RENEWAL = "no-renewal"
    LAPSED = "lapsed"
    NOTHING_MISSING = "nothing-missing"
    MEMBERSHIP_CURRENT = "membership-current"
    NO_MEMBERSHIP = "no-membership"
    NO_DUE_DATE = "no-due-date"
    DOCUMENTED = "documented"
    OPTED_OUT = "opted-out"
    BOUNCED = "bounced"
    SAME_ADDRESS = "same-address"
    MAILED_TODAY = "mailed-today"
    STOPPED = "stopped"
    CHANGED = "changed"


class RecipientRenewal(NamedTuple):
    """One renewal of a recipient, from the stored standing; ``state`` is its status, or BEHIND.

    ``short_results`` are those of the requirements that are short.
    """

    endorsement_id: int
    category: str
    cycle_starts_on: date
    state: str
    due_on: date | None
    membership_until: date | None
    results: tuple[StoredResult, ...]
    short_results: tuple[StoredResult, ...]

    @property
    def short(self) -> list[ShortRequirement]:
        """What is short, in the rulebook's order."""
        return [ShortRequirement.of_stored(result) for result in self.short_results]

    @property
    def is_unfinished(self) -> bool:
        """Whether something is missing that the endorsee can still complete."""
        is_open = self.state not in _CLOSED
        return is_open and self.due_on is not None and bool(self.short_results)


class Training(NamedTuple):
    """A training in a recipient's log that has no supporting document."""

    held_on: date
    title: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person as a mailing sees them.

    ``belongs``: they hold an endorsement of the association, apply for one, or are vetted there.
    ``is_refused``: mail to their first address bounces. ``second_email`` is empty if it does, too.
    ``renewals`` are the listed ones of the
    association, the most urgent first. ``lacks_documents``: some training has no document;
    ``trainings`` are those, once the mail is written.
    """

    person_id: int
    name: str
    email: str
    second_email: str
    is_refused: bool
    belongs: bool
    was_mailed_today: bool
    switched_off: frozenset[str] = frozenset()
    renewals: tuple[RecipientRenewal, ...] = ()
    lacks_documents: bool = False
    trainings: tuple[Training, ...] = ()

    @property
    def unfinished(self) -> list[RecipientRenewal]:
        """The renewals that lack something."""
        return [renewal for renewal in self.renewals if renewal.is_unfinished]

    @property
    def address(self) -> str:
        """The address that mail reaches: the second one while the first is refused."""
        return self.second_email if self.is_refused and self.second_email else self.email


@dataclass(frozen=True, slots=True)
class MailingRules:
    """What decides who is skipped: the template, the fields in its text, and the configuration.

    ``is_personal``: it was written to one person, so no kind of mail that they switched off.
    ``is_recheck``: its messages are written already, and are today's mail themselves.
    """

    template: MailingTemplate
    fields: frozenset[MailingField]
    config: NoticeConfig
    today: date
    is_personal: bool = False
    is_recheck: bool = False


@dataclass(slots=True)
class MailingPlan:
    """Who gets a mailing, by name, and who does not, with the reason."""

    to_send: list[Recipient] = field(default_factory=list)
    skipped: list[tuple[Recipient, SkipReason]] = field(default_factory=list)


def plan_mailing(recipients: Iterable[Recipient], rules: MailingRules) -> MailingPlan:
    """Decide for each recipient; the first of several with one address gets the mail."""
    plan, taken = MailingPlan(), set[str]()
    for recipient in recipients:
        reason = find_skip_reason(recipient, rules)
        if reason is None and recipient.address in taken:
            reason = SkipReason.SAME_ADDRESS
        if reason is None:
            taken.add(recipient.address)
            plan.to_send.append(recipient)
        else:
            plan.skipped.append((recipient, reason))
    return plan


def find_skip_reason(recipient: Recipient, rules: MailingRules) -> SkipReason | None:
    """Why a recipient is skipped; None if the mail goes out.

    Today's mail comes last: those it holds back can be written to tomorrow.
    """
    if not recipient.belongs:
        return SkipReason.NOT_ENDORSED
    if reason := _find_lacking_fact(recipient, rules):
        return reason
    kind = find_optional_kind(recipient, rules)
    if kind is not None and kind.value in recipient.switched_off:
        return SkipReason.OPTED_OUT
    if recipient.is_refused and not recipient.second_email:
        return SkipReason.BOUNCED
    if recipient.was_mailed_today and not rules.is_recheck:
        return SkipReason.MAILED_TODAY
    return None


def find_optional_kind(recipient: Recipient, rules: MailingRules) -> OptionalNotice | None:
    """The kind of optional mail that a mailing is for this recipient; None if it always goes out.

    A reminder of a due date that is near, like the automatic one, and a letter to one person are
    always sent.
    """
    if rules.template is MailingTemplate.MEMBERSHIP:
        return OptionalNotice.MEMBERSHIP
    if rules.template is MailingTemplate.FREE:
        return None if rules.is_personal else OptionalNotice.MESSAGES
    if rules.template is MailingTemplate.REMINDER:
        early = timedelta(days=rules.config.renewal.optional_before)
        due = [renewal.due_on for renewal in recipient.unfinished if renewal.due_on]
        return OptionalNotice.EARLY if due and min(due) > rules.today + early else None
    return None


def lacks_membership(recipient: Recipient, rules: MailingRules) -> bool:
    """Whether a required membership is missing, has ended, or ends soon."""
    soon = rules.today + timedelta(days=max(rules.config.membership.before, default=0))
    for renewal in recipient.renewals:
        for result in renewal.results:
            if result.counts != _MEMBERSHIP:
                continue
            until = renewal.membership_until
            ends_soon = until is not None and until <= soon
            is_met = result.outcome == Outcome.MET.value
            if result.outcome == Outcome.SHORT.value or (is_met and ends_soon):
                return True
    return False


def _find_lacking_fact(recipient: Recipient, rules: MailingRules) -> SkipReason | None:
    """Why the template, or a field in the text, has nothing to say to a recipient."""
    if check := _CHECKS.get(rules.template):
        reason = check(recipient, rules) if recipient.renewals else SkipReason.NO_RENEWAL
        if reason is not None:
            return reason
    lacking = (name for name in _LACKING if name in rules.fields and _lacks(recipient, name))
    return next((_LACKING[name] for name in lacking), None)


def _check_reminder(recipient: Recipient, _rules: MailingRules) -> SkipReason | None:
    if recipient.unfinished:
        return None
    has_lapsed = all(renewal.state == Status.LAPSED.value for renewal in recipient.renewals)
    return SkipReason.LAPSED if has_lapsed else SkipReason.NOTHING_MISSING


def _check_membership(recipient: Recipient, rules: MailingRules) -> SkipReason | None:
    return None if lacks_membership(recipient, rules) else SkipReason.MEMBERSHIP_CURRENT


def _check_documents(recipient: Recipient, _rules: MailingRules) -> SkipReason | None:
    return None if recipient.lacks_documents else SkipReason.DOCUMENTED


# What a template needs of each recipient; free text needs nothing.
_CHECKS: dict[MailingTemplate, Callable[[Recipient, MailingRules], SkipReason | None]] = {
    MailingTemplate.REMINDER: _check_reminder,
    MailingTemplate.MEMBERSHIP: _check_membership,
    MailingTemplate.DOCUMENTS: _check_documents,
}
# Why a recipient without a value for a field is skipped; the first reason that fits is named.
_LACKING = {
    MailingField.CATEGORY: SkipReason.NO_RENEWAL,
    MailingField.DUE_DATE: SkipReason.NO_DUE_DATE,
    MailingField.MISSING: SkipReason.NOTHING_MISSING,
    MailingField.MEMBERSHIP_ENDS: SkipReason.NO_MEMBERSHIP,
}


def _lacks(recipient: Recipient, name: MailingField) -> bool:
    if not recipient.renewals:
        return True
    renewal = recipient.renewals[0]
    values = {
        MailingField.CATEGORY: renewal.category,
        MailingField.DUE_DATE: renewal.due_on,
        MailingField.MISSING: renewal.short_results,
        MailingField.MEMBERSHIP_ENDS: renewal.membership_until,
    }
    return not values[name]
