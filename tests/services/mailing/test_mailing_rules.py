"""Who gets a mailing, and why the others are skipped."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tracker.rules.notice_config import MembershipSteps, NoticeConfig, RenewalSteps
from tracker.rules.notification_preferences import OptionalNotice
from tracker.services.dashboard import ShortRequirement
from tracker.services.evaluation import StoredResult
from tracker.services.mailing_rules import (
    MailingField,
    MailingPlan,
    MailingRules,
    MailingTemplate,
    Recipient,
    RecipientRenewal,
    SkipReason,
    find_optional_kind,
    find_skip_reason,
    lacks_membership,
    plan_mailing,
)

DAY = timedelta(days=1)
TODAY, DUE = date(2026, 11, 22), date(2026, 12, 31)
SHORT = StoredResult("rsc", "RSC", "rsc", None, 720, 510, 210, "short", too_late=True)
RENEWAL = RecipientRenewal(1, "IFS", date(2026, 1, 1), "open", DUE, None, (SHORT,), (SHORT,))
MET = RENEWAL._replace(state="met", results=(SHORT._replace(outcome="met"),), short_results=())
LAPSED = RENEWAL._replace(state="lapsed")
WORK, HOME = "alice@work.example", "alice@home.example"
ALICE = Recipient(1, "Alice", WORK, "", False, True, False, renewals=(RENEWAL,))  # noqa: FBT003
CONFIG = NoticeConfig(
    renewal=RenewalSteps(optional_before=39), membership=MembershipSteps(before=(7, 30))
)
FREE, REMINDER = MailingTemplate.FREE, MailingTemplate.REMINDER
MEMBERSHIP, DOCUMENTS = MailingTemplate.MEMBERSHIP, MailingTemplate.DOCUMENTS


def rules(template: MailingTemplate, *fields: MailingField, **values: bool) -> MailingRules:
    return MailingRules(template, frozenset(fields), CONFIG, TODAY, **values)


def with_membership(outcome: str, until: date | None) -> Recipient:
    """Alice with a renewal that requires a membership."""
    result = SHORT._replace(counts="membership", outcome=outcome)
    renewal = RENEWAL._replace(results=(SHORT, result), membership_until=until)
    return replace(ALICE, renewals=(RENEWAL, renewal))


@pytest.mark.parametrize(
    ("changed", "is_unfinished"),
    [
        ({}, True),
        ({"state": "overdue"}, True),
        ({"state": "behind"}, True),
        ({"state": "lapsed"}, False),
        ({"state": "excused"}, False),
        ({"due_on": None}, False),
        ({"short_results": ()}, False),
    ],
)
def test_what_can_still_be_completed_is_unfinished(
    changed: dict[str, Any], *, is_unfinished: bool
) -> None:
    renewal = RENEWAL._replace(**changed)
    assert renewal.is_unfinished is is_unfinished
    assert replace(ALICE, renewals=(MET, renewal)).unfinished == [renewal] * is_unfinished
    assert RENEWAL.short == [ShortRequirement("rsc", None, 210, too_late=True)]


def test_mail_goes_to_the_address_that_works() -> None:
    assert ALICE.address == WORK
    assert replace(ALICE, is_refused=True).address == WORK
    assert replace(ALICE, second_email=HOME).address == WORK
    assert replace(ALICE, second_email=HOME, is_refused=True).address == HOME


@pytest.mark.parametrize(
    ("template", "changed", "reason"),
    [
        (FREE, {"belongs": False}, SkipReason.NOT_ENDORSED),
        (FREE, {"renewals": ()}, None),
        (REMINDER, {"renewals": ()}, SkipReason.NO_RENEWAL),
        (REMINDER, {}, None),
        (REMINDER, {"renewals": (MET, RENEWAL)}, None),
        (REMINDER, {"renewals": (LAPSED,)}, SkipReason.LAPSED),
        (REMINDER, {"renewals": (LAPSED, MET)}, SkipReason.NOTHING_MISSING),
        (MEMBERSHIP, {}, SkipReason.MEMBERSHIP_CURRENT),
        (DOCUMENTS, {}, SkipReason.DOCUMENTED),
        (DOCUMENTS, {"lacks_documents": True}, None),
        (FREE, {"switched_off": frozenset({"membership"})}, None),
        (FREE, {"switched_off": frozenset({"messages"})}, SkipReason.OPTED_OUT),
        (FREE, {"is_refused": True}, SkipReason.BOUNCED),
        (FREE, {"is_refused": True, "second_email": HOME}, None),
        (FREE, {"was_mailed_today": True}, SkipReason.MAILED_TODAY),
        # Those who could be written to tomorrow come last.
        (FREE, {"was_mailed_today": True, "is_refused": True}, SkipReason.BOUNCED),
    ],
)
def test_the_reason_to_skip_is_named(
    template: MailingTemplate, changed: dict[str, Any], reason: SkipReason | None
) -> None:
    assert find_skip_reason(replace(ALICE, **changed), rules(template)) is reason


def test_a_recheck_is_todays_mail_itself() -> None:
    mailed = replace(ALICE, was_mailed_today=True)
    assert find_skip_reason(mailed, rules(FREE, is_recheck=True)) is None


@pytest.mark.parametrize(
    ("name", "changed", "reason"),
    [
        (MailingField.CATEGORY, {}, SkipReason.NO_RENEWAL),
        (MailingField.DUE_DATE, {"due_on": None}, SkipReason.NO_DUE_DATE),
        (MailingField.MISSING, {"short_results": ()}, SkipReason.NOTHING_MISSING),
        (MailingField.MEMBERSHIP_ENDS, {"membership_until": None}, SkipReason.NO_MEMBERSHIP),
    ],
)
def test_a_field_without_a_value_skips_the_person(
    name: MailingField, changed: dict[str, Any], reason: SkipReason
) -> None:
    used = rules(FREE, name, MailingField.NAME)
    assert find_skip_reason(replace(ALICE, renewals=()), used) is reason
    full = RENEWAL._replace(membership_until=DUE)
    assert find_skip_reason(replace(ALICE, renewals=(full,)), used) is None
    if changed:
        # The fields are about the first renewal.
        lacking = replace(ALICE, renewals=(full._replace(**changed), full))
        assert find_skip_reason(lacking, used) is reason


def test_of_several_missing_fields_the_same_one_is_named() -> None:
    nobody = replace(ALICE, renewals=())
    assert find_skip_reason(nobody, rules(FREE, *MailingField)) is SkipReason.NO_RENEWAL
    fields = (MailingField.MEMBERSHIP_ENDS, MailingField.MISSING, MailingField.DUE_DATE)
    assert find_skip_reason(nobody, rules(FREE, *fields)) is SkipReason.NO_DUE_DATE
    # What the template needs comes before the fields.
    met = replace(ALICE, renewals=(MET._replace(due_on=None),))
    assert find_skip_reason(met, rules(REMINDER, *fields)) is SkipReason.NOTHING_MISSING


def test_two_people_with_one_address_get_one_mail() -> None:
    other = replace(ALICE, person_id=2, name="Grace", email=HOME, second_email=WORK)
    moved = replace(other, is_refused=True)
    gone = replace(other, person_id=3, belongs=False)
    last = replace(other, person_id=4)
    assert plan_mailing([gone, ALICE, moved, last], rules(FREE)) == MailingPlan(
        [ALICE, last], [(gone, SkipReason.NOT_ENDORSED), (moved, SkipReason.SAME_ADDRESS)]
    )
    # Somebody who is skipped takes no address.
    assert plan_mailing([replace(gone, email=WORK), ALICE], rules(FREE)).to_send == [ALICE]
    away = replace(ALICE, person_id=5, belongs=False)
    assert plan_mailing([ALICE, away], rules(FREE)).skipped == [(away, SkipReason.NOT_ENDORSED)]


@pytest.mark.parametrize(
    ("mailing", "days", "kind"),
    [
        (rules(MEMBERSHIP), 0, OptionalNotice.MEMBERSHIP),
        (rules(DOCUMENTS), 0, None),
        (rules(FREE), 0, OptionalNotice.MESSAGES),
        (rules(FREE, is_personal=True), 0, None),
        (rules(REMINDER), 0, None),
        (rules(REMINDER), 1, OptionalNotice.EARLY),
    ],
)
def test_optional_mail_has_a_kind(
    mailing: MailingRules, days: int, kind: OptionalNotice | None
) -> None:
    due = DUE + days * DAY
    renewals = (
        RENEWAL._replace(due_on=DUE + 400 * DAY),
        RENEWAL._replace(due_on=due),
        MET._replace(due_on=TODAY),
    )
    assert find_optional_kind(replace(ALICE, renewals=renewals), mailing) is kind
    if mailing.template is REMINDER:
        assert find_optional_kind(replace(ALICE, renewals=(MET,)), mailing) is None


@pytest.mark.parametrize(
    ("outcome", "until", "is_lacking"),
    [
        ("short", None, True),
        ("short", DUE, True),
        ("met", TODAY + 30 * DAY, True),
        ("met", TODAY + 31 * DAY, False),
        ("met", date.max, False),
        ("met", None, False),
        ("waived", TODAY, False),
    ],
)
def test_a_membership_that_ends_soon_is_asked_for(
    outcome: str, until: date | None, *, is_lacking: bool
) -> None:
    alice = with_membership(outcome, until)
    assert lacks_membership(alice, rules(MEMBERSHIP)) is is_lacking
    reason = None if is_lacking else SkipReason.MEMBERSHIP_CURRENT
    assert find_skip_reason(alice, rules(MEMBERSHIP)) is reason


def test_without_reminders_a_membership_ends_today() -> None:
    quiet = replace(rules(MEMBERSHIP), config=NoticeConfig())
    assert lacks_membership(with_membership("met", TODAY), quiet)
    assert not lacks_membership(with_membership("met", TODAY + DAY), quiet)
