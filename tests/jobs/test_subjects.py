"""What a mail says of a decision: subjects that fit and differ, texts that hold the facts."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jobs.harness import BASE_URL, CARLA, DANA
from tests.rules.test_notices import ALL_HOURS, CONFIG, DUE, alice, decisions
from tracker.formatting import hours_word
from tracker.mail.contents import NoticesMail
from tracker.notifications.notices_mail import NOTICE_KINDS, write_notices_mail
from tracker.rules.notice_config import NoticeConfigs
from tracker.rules.notices import Cutoff, Kind
from tracker.rules.providers import Credential, Ending
from tracker.rules.standing import Span, Status
from tracker.settings import Settings

DAY = timedelta(days=1)
LAST_DAY = date(2024, 9, 30)
CONFIGS = NoticeConfigs(CONFIG)
SETTINGS = Settings(base_url=BASE_URL, coordinators=(DANA, CARLA))


def mail_on(day: date, *, provider: str = "", **facts: Any) -> NoticesMail | None:  # noqa: ANN401
    """The mail that Alice gets on a day, with nothing said before; None where she gets none."""
    vetting = Credential("NCIMHA", None, date(2020, 1, 1), LAST_DAY)
    ending = Ending(provider, LAST_DAY, vetting)
    cutoffs = (Cutoff(7, provider, ending, 300),) if provider else ()
    found = decisions(alice(day, **facts), day, cutoffs=cutoffs)
    sending = [d for d in found if d.skipped is None]
    return write_notices_mail(CONFIGS, SETTINGS, sending, day) if sending else None


def subjects(*days: date, **facts: Any) -> list[str]:  # noqa: ANN401 - fields of Facts
    mails = [mail_on(day, **facts) for day in days]
    assert all(mails)
    return [mail.subject for mail in mails if mail]


def test_every_kind_of_notice_has_a_text_and_a_rank() -> None:
    assert set(NOTICE_KINDS) == set(Kind)
    assert len({kind.rank for kind in NOTICE_KINDS.values()}) == len(Kind)


def test_a_renewals_subjects_say_what_is_missing_and_by_when() -> None:
    minutes = {**ALL_HOURS, "rsc": 510}
    days = [DUE + step * DAY for step in (-90, -60, -30, -14, -7, -1, 1, 14, 32)]
    assert subjects(*days, minutes=minutes) == [
        "90 days left: 3.5 RSC hours due Dec 31",
        "60 days left: 3.5 RSC hours due Dec 31",
        "30 days left: 3.5 RSC hours due Dec 31",
        "14 days left: 3.5 RSC hours due Dec 31",
        "7 days left: 3.5 RSC hours due Dec 31",
        "Tomorrow: 3.5 RSC hours due Dec 31",
        "1 day overdue: 3.5 RSC hours, grace ends Jan 31",
        "14 days overdue: 3.5 RSC hours, grace ends Jan 31",
        "IFS renewal due Dec 31 has lapsed",
    ]


def test_a_subject_that_would_be_too_long_says_less() -> None:
    assert subjects(DUE - 30 * DAY, DUE + DAY) == [
        "30 days left: 15 training and 12 RSC hours due Dec 31",
        "1 day overdue: 15 training and 12 RSC hours, grace ends Jan 31",
    ]


def test_a_subject_names_all_that_is_missing() -> None:
    half_short = {"training": 870, "topic:DEIA": 60, "rsc": 690}
    day = DUE - 33 * DAY
    assert subjects(day, minutes=half_short) == [
        "33 days left: 0.5 training and 0.5 RSC hours due Dec 31"
    ]


def test_a_topic_is_named_with_the_hours_that_hold_it() -> None:
    day = DUE - 30 * DAY
    assert subjects(day, minutes={**ALL_HOURS, "training": 0, "topic:DEIA": 0}) == [
        "30 days left: 15 training hours (one on DEIA) due Dec 31"
    ]
    assert subjects(day, minutes={**ALL_HOURS, "topic:DEIA": 0}) == [
        "30 days left: one DEIA hour due Dec 31"
    ]
    assert subjects(day, minutes={"training": 840, "topic:DEIA": 60, "rsc": 690}) == [
        "30 days left: one training hour and 0.5 RSC hours due Dec 31"
    ]


def test_a_memberships_subjects_differ_at_each_stage() -> None:
    until = date(2024, 8, 15)
    days = [until + step * DAY for step in (-30, -7, 1)]
    found = subjects(*days, minutes=ALL_HOURS, memberships=(Span(date(2024, 1, 1), until),))
    assert found == [
        "NCIMHA membership ends Aug 15, in 30 days",
        "NCIMHA membership ends Aug 15, in 7 days",
        "NCIMHA membership ended Aug 15",
    ]


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("Bob", "30 days left: RSC with Bob counts until Sep 30, 2024"),
        ("Barbara Lee", "30 days left: RSC with Barbara Lee counts until Sep 30, 2024"),
        ("Wilhelmina Vanderbilt-Smythe", "30 days left: a provider counts until Sep 30, 2024"),
    ],
)
def test_a_cutoffs_subject_names_the_provider_where_that_fits(provider: str, expected: str) -> None:
    day = LAST_DAY - 30 * DAY
    assert subjects(day, minutes=ALL_HOURS, provider=provider) == [expected]


@pytest.mark.parametrize("provider", ["Bob", "Wilhelmina Vanderbilt-Smythe"])
def test_a_cutoffs_subjects_differ_at_each_stage(provider: str) -> None:
    days = [LAST_DAY + step * DAY for step in (-180, -90, -30)]
    assert len(set(subjects(*days, minutes=ALL_HOURS, provider=provider))) == 3


minutes = st.fixed_dictionaries(
    {"training": st.integers(0, 1000), "topic:DEIA": st.integers(0, 90), "rsc": st.integers(0, 800)}
)
names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60)


@given(st.dates(date(2024, 6, 1), date(2025, 3, 1)), minutes, names, st.dates(DUE, DUE + 300 * DAY))
def test_no_subject_is_longer_than_65_characters(
    day: date, minutes: dict[str, int], provider: str, due_on: date
) -> None:
    mail = mail_on(day, minutes=minutes, provider=provider, extended_due_on=due_on)
    assert mail is None or 0 < len(mail.subject) <= 65


@given(minutes)
def test_no_two_stages_of_a_renewal_have_the_same_subject(minutes: dict[str, int]) -> None:
    steps = (-90, -60, -30, -14, -7, -1, 1, 14, 32)
    if alice(DUE, minutes=minutes).status is Status.MET:
        return
    found = subjects(*(DUE + step * DAY for step in steps), minutes=minutes)
    assert len(set(found)) == len(steps)


def test_a_reminder_names_the_day_of_the_next_one() -> None:
    steps = (-90, -60, -30, -14, -7, -1, 1, 14)
    mails = [mail_on(DUE + step * DAY) for step in steps]
    assert [mail.next_reminder for mail in mails if mail] == [
        "November 1",
        "December 1",
        "December 17",
        "December 24",
        "December 30",
        "January 1",
        "January 14",
        None,
    ]


def test_an_overdue_renewal_says_when_its_grace_ends() -> None:
    mail = mail_on(DUE + DAY)
    assert mail
    assert (
        mail.headline == "3 requirements are overdue. Your grace period ends on January 31, 2025."
    )


def test_the_due_day_counts_whole_and_is_said_to() -> None:
    mail = mail_on(DUE - DAY)
    assert mail
    assert mail.headline == "You have 3 requirements left to meet by December 31, 2024."
    assert "The whole day counts" in mail.intro


def test_what_is_done_is_named() -> None:
    mail = mail_on(DUE - DAY, minutes={**ALL_HOURS, "rsc": 60})
    assert mail
    assert mail.intro.endswith("Done: training, DEIA, and membership.")


def test_a_cutoff_says_which_sessions_will_not_count_and_why() -> None:
    mail = mail_on(LAST_DAY - 30 * DAY, minutes=ALL_HOURS, provider="Bob")
    assert mail
    [section] = mail.sections
    assert section.text.startswith(
        "Sessions through September 30, 2024 count. Later sessions will not count."
    )
    assert section.details == (
        "Bob's vetting by NCIMHA ends on September 30, 2024.",
        "You logged 5 hours with this provider in the last 12 months.",
    )


@pytest.mark.parametrize(
    ("counts", "topic", "word"),
    [
        ("training", "", "training"),
        ("training", "DEIA", "DEIA"),
        ("rsc", "", "RSC"),
        # Hours of training about RSC are no hours of RSC.
        ("training", "RSC", "RSC training"),
    ],
)
def test_hours_are_called_by_what_they_are_about(counts: str, topic: str, word: str) -> None:
    assert hours_word(counts, topic) == word


def test_in_the_grace_period_only_sessions_of_the_cycle_count_and_the_mail_says_so() -> None:
    rule = "Only sessions on or before December 31, 2024 count."
    before, after = mail_on(DUE - DAY), mail_on(DUE + DAY)
    assert before
    assert after
    assert rule not in before.intro
    assert rule in after.intro
    only_membership = mail_on(DUE + DAY, minutes=ALL_HOURS, memberships=())
    assert only_membership
    assert rule not in only_membership.intro


def test_an_extension_moves_the_logging_and_not_the_sessions() -> None:
    extended_until = date(2025, 4, 30)
    rule = "Log by April 30 what was held by December 31."
    for day in (DUE - 30 * DAY, extended_until - 30 * DAY, extended_until):
        mail = mail_on(day, extended_due_on=extended_until)
        assert mail is None or rule in mail.intro
    overdue = mail_on(extended_until + DAY, extended_due_on=extended_until)
    assert overdue
    assert "Only sessions on or before December 31, 2024 count." in overdue.intro
    only_membership = mail_on(
        extended_until, extended_due_on=extended_until, minutes=ALL_HOURS, memberships=()
    )
    assert only_membership
    assert "held by" not in only_membership.intro


def test_each_kind_of_news_closes_with_its_own_way_out() -> None:
    ended = (Span(date(2024, 1, 1), date(2024, 8, 15)),)
    mails = [
        mail_on(DUE - DAY),
        mail_on(DUE + 32 * DAY),
        mail_on(date(2024, 8, 16), minutes=ALL_HOURS, memberships=ended),
        mail_on(LAST_DAY - 30 * DAY, minutes=ALL_HOURS, provider="Bob"),
    ]
    closings = [mail.closing for mail in mails if mail]
    assert len(set(closings)) == len(mails)
    assert [closing for closing in closings if "before the deadline" in closing] == closings[:1]


def test_a_lapse_names_the_due_date_and_whom_to_write_to() -> None:
    mail = mail_on(DUE + 32 * DAY)
    assert mail
    assert mail.headline == "The renewal of your Infant Family Specialist endorsement has lapsed."
    assert "It was due on December 31, 2024" in mail.intro
    assert "Hours for it can no longer be logged." in mail.intro
    assert "Please write to Dana (dana@nc.example) to find out what you can do." in mail.intro


def test_a_lapse_leads_to_my_year_and_to_no_form() -> None:
    mail = mail_on(DUE + 32 * DAY)
    assert mail
    assert mail.action.url == f"{BASE_URL}/my-year"
    assert not any(section.links for section in mail.sections)
    assert "Log" not in mail.closing


def test_a_lapse_without_coordinator_names_the_association() -> None:
    lapse = [d for d in decisions(alice(DUE + 32 * DAY), DUE + 32 * DAY) if d.skipped is None]
    mail = write_notices_mail(CONFIGS, Settings(base_url=BASE_URL), lapse, DUE + 32 * DAY)
    assert "Please write to your association (North Carolina " in mail.intro


def test_the_button_opens_the_form_for_what_is_missing() -> None:
    day = DUE - DAY
    for minutes, url in (
        ({**ALL_HOURS, "rsc": 0}, "/log?activity=rsc"),
        ({**ALL_HOURS, "topic:DEIA": 0}, "/log?activity=training&topic=DEIA"),
        ({**ALL_HOURS, "training": 0}, "/log?activity=training"),
    ):
        mail = mail_on(day, minutes=minutes)
        assert mail
        assert mail.action.url == BASE_URL + url


def test_the_button_of_a_membership_opens_the_form_for_a_term() -> None:
    ended = (Span(date(2024, 1, 1), date(2024, 8, 15)),)
    mail = mail_on(date(2024, 8, 16), minutes=ALL_HOURS, memberships=ended)
    assert mail
    assert mail.action.url == f"{BASE_URL}/membership/new"


def test_a_memberships_button_ignores_missing_hours() -> None:
    until = date(2024, 8, 15)
    mail = mail_on(until - 30 * DAY, memberships=(Span(date(2024, 1, 1), until),))
    assert mail
    assert mail.headline == "Your membership ends on August 15, 2024."
    assert mail.action.url == f"{BASE_URL}/membership/new"


def test_missing_hours_and_membership_have_a_link_each() -> None:
    mail = mail_on(DUE - DAY, memberships=())
    assert mail
    [section] = mail.sections
    assert mail.action.url == f"{BASE_URL}/log?activity=training"
    assert [link.url for link in section.links] == [f"{BASE_URL}/membership/new"]


def test_a_long_gap_before_the_next_membership_is_named() -> None:
    until, following = date(2024, 8, 15), Span(date(2024, 10, 1), date(2025, 9, 30))
    mail = mail_on(until - 7 * DAY, memberships=(Span(date(2024, 1, 1), until), following))
    assert mail
    [section] = mail.sections
    assert section.text.startswith("Your next membership on record starts on October 1, 2024.")
    assert "Please renew it" not in section.text


def test_a_membership_that_starts_later_is_named_beside_missing_hours() -> None:
    mail = mail_on(DUE - 30 * DAY, memberships=(Span(date(2024, 12, 15), date(2025, 12, 31)),))
    assert mail
    membership = mail.sections[0].rows[-1]
    assert membership.progress == "the next one starts December 15, 2024"
