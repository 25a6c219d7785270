"""What stands behind a verdict, in words: rules with their sources, the provider, the remedy."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.rules.case_data import IMAGINED, REAL
from tests.rules.planned import change_rulebook
from tracker.rules.caps import limit_by_caps
from tracker.rules.cycles import common_cycle
from tracker.rules.explain import (
    Background,
    CitedRule,
    LoggedEntry,
    Place,
    Verdict,
    describe_background,
    explain,
    list_held_years,
)
from tracker.rules.plan import RenewalPlan, plan_renewal
from tracker.rules.providers import Credential, Provider
from tracker.rules.reasons import Reason, format_reason
from tracker.rules.standing import list_exemptions

DAY = date(2026, 5, 2)
HELD = [
    Credential("NCIMHA", None, date(2020, 1, 1), None),
    Credential("CT-AIMH", "IMHM-C", date(2021, 7, 1), date(2026, 6, 30)),
]
DANA = Provider("Dana Ruiz", "master", tuple(HELD))
STRANGER = Provider("Ida Wells", "none", ())


def training(minutes: int, **topics: int) -> LoggedEntry:
    return LoggedEntry(1, 1, "training", DAY, minutes, "A day", None, None, None, None, topics)


def rsc(name: str | None = None, *, known: bool = False, day: date = DAY) -> LoggedEntry:
    number = 7 if known else None
    return LoggedEntry(1, 1, "rsc", day, 90, "RSC", number, name, None, None, {})


def judged(
    entry: LoggedEntry,
    provider: Provider | None = None,
    exemptions: Mapping[str, Reason] | None = None,
) -> tuple[Verdict, Background]:
    plan = REAL.plan("NCIMHA", "IFS", date(2020, 1, 1), entry.held_on)
    assert plan is not None
    verdict = explain(entry, plan, provider, date(2026, 11, 22))
    return verdict, describe_background(entry, plan, provider, verdict, exemptions or {})


def remedy_of(verdict: Verdict) -> tuple[str, bool]:
    assert verdict.remedy
    return format_reason(verdict.remedy.what), verdict.remedy.by_association


def test_each_part_of_a_training_has_its_rule() -> None:
    _, why = judged(training(360, DEIA=60))
    assert [rule.says for rule in why.rules] == [
        "6 hours toward “Training” (15 hours required)",
        "1 of 6 hours about DEIA toward “DEIA training” (1 hour required)",
    ]
    assert why.rules[0].places[0].section == "Continuing endorsement: Education & Training"
    assert (why.provider, why.qualified) == ("", None)


def test_training_entirely_about_a_topic_counts_whole() -> None:
    _, why = judged(training(60, DEIA=60))
    assert why.rules[1].says == "1 hour about DEIA toward “DEIA training” (1 hour required)"


def test_credentials_are_shown_with_days_and_cutoff() -> None:
    verdict, why = judged(rsc(known=True), DANA)
    assert verdict.counts
    assert why.provider == (
        "Dana Ruiz was vetted by NCIMHA starting January 1, 2020. Dana Ruiz was endorsed as IMHM-C "
        "by CT-AIMH from July 1, 2021 through June 30, 2026. The rule accepts vetted by NCIMHA "
        "through December 21, 2027."
    )
    assert why.qualified is not None
    assert [place.section for place in why.qualified.places] == [
        "Application: Reflective Supervision/Consultation"
    ]


def test_unqualified_provider_can_be_put_on_record() -> None:
    verdict, why = judged(rsc(known=True), STRANGER)
    assert verdict.requirement_ids == ()
    assert remedy_of(verdict) == (
        "If Ida Wells was IMHM-C, ERS, or vetted by NCIMHA on May 2, 2026, "  # noqa: ISC004
        "it counts once that is on record",
        True,
    )
    assert why.provider == "Ida Wells is not known as endorsed or vetted on May 2, 2026."
    assert [rule.says for rule in why.rules] == [
        "Meant for “Reflective supervision” (12 hours required)"
    ]
    assert why.qualified is not None
    assert len(why.qualified.places) == 2


def test_missing_provider_has_a_remedy() -> None:
    named, _ = judged(rsc("Jo Hart"))
    assert reason_of(named) == "Jo Hart is not yet confirmed as qualified"
    assert remedy_of(named) == (
        "It counts once Jo Hart is confirmed, as IMHM-C, ERS, or vetted by NCIMHA, for May 2, 2026",
        True,
    )
    nobody, _ = judged(rsc())
    assert reason_of(nobody) == "no provider is named"
    assert remedy_of(nobody) == ("It can count once the entry names the RSC provider", False)
    assert named.requirement_ids == nobody.requirement_ids == ()


def test_first_cycle_entry_needs_no_remedy() -> None:
    entry = training(60)._replace(held_on=date(2020, 5, 2))
    plan = REAL.plan("NCIMHA", "IFS", date(2020, 1, 1), entry.held_on)
    assert plan is not None
    verdict, why = judged(entry, None, list_exemptions(plan, None))
    assert verdict.remedy is None
    assert why.rules[0].says == "“Training”: no hours are required in the cycle of endorsement"


def test_ended_credential_is_shown_with_its_days() -> None:
    held = [Credential("CT-AIMH", "IMHM-C", date(2021, 7, 1), date(2026, 4, 30)),
            Credential("NCIMHA", None, date(2026, 8, 1), None)]  # fmt: skip
    verdict, why = judged(rsc(known=True), Provider("Joelle Chen", "master", tuple(held)))
    assert verdict.reason
    assert (
        format_reason(verdict.reason)
        == "Joelle Chen's endorsement as IMHM-C ended on April 30, 2026"
    )
    assert why.provider == (
        "Joelle Chen was endorsed as IMHM-C by CT-AIMH from July 1, 2021 through April 30, 2026. "
        "Joelle Chen is vetted by NCIMHA starting August 1, 2026. "
        "Joelle Chen is not known as endorsed or vetted on May 2, 2026."
    )


def test_years_held_are_shown_with_the_credentials() -> None:
    plan = IMAGINED.plan("PROVIDING", "IFS", date(2020, 1, 1), DAY)
    assert plan is not None
    ada = Provider("Ada Obi", "none", (Credential("JUNE", "IFRS", date(2023, 5, 2), None),))
    entry = rsc(known=True)
    verdict = explain(entry, plan, ada, date(2026, 11, 22))
    assert verdict.counts
    assert describe_background(entry, plan, ada, verdict, {}).provider == (
        "Ada Obi was endorsed as IFRS by JUNE starting May 2, 2023. "
        "The rule accepts IFRS after 3 years without a break."
    )


MEMBERSHIP = """
[memberships.any]
says = "any"
any_infant_mental_health_association = true

[[requirements]]
id = "membership"
label = "Membership"
about = "In a year"
categories = ["IFS"]
counts = "membership"
membership = "any"

  [[requirements.values]]
  from = 2020-01-01
  held_years = 3
  source = { document = "guide", section = "Membership" }
"""
TODAY = date(2026, 11, 22)
RAE = Provider("Rae Ito", "master", (Credential("FORMATS", "IFRS", date(2015, 1, 1), None),))


def plan_of(association: str, category: str = "IFS", day: date = DAY) -> RenewalPlan:
    """The plan of someone endorsed in May 2020."""
    plan = IMAGINED.plan_counting(association, category, date(2020, 5, 1), day)
    assert plan is not None
    return plan


def verdict_in(
    plan: RenewalPlan,
    provider: Provider | None = None,
    declined: str | None = None,
    **entry: Any,  # noqa: ANN401 - fields of LoggedEntry
) -> Verdict:
    """The verdict on an RSC session of May 2026."""
    return explain(rsc(known=True)._replace(**entry), plan, provider, TODAY, declined)


def reason_of(verdict: Verdict) -> str:
    assert verdict.reason
    return format_reason(verdict.reason)


OUTSIDE = "it was outside the cycle, January 1, 2025 to December 31, 2027"
AHEAD = (
    "it is still November 22, 2026 at FORMATS; hours on November 23, 2026 count starting that day"
)
LATE = "FORMATS decided that it does not: too late"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"held_on": date(2024, 12, 31)}, OUTSIDE),
        ({"held_on": date(2028, 1, 1)}, OUTSIDE),
        ({"held_on": date(2026, 11, 23)}, AHEAD),
        ({"exclusions": {"FORMATS": "too late"}}, LATE),
        ({"exclusions": {"FORMATS": ""}}, LATE.removesuffix("too late")),
    ],
)
def test_each_exclusion_has_its_reason(entry: dict[str, Any], reason: str) -> None:
    verdict = verdict_in(plan_of("FORMATS"), RAE, **entry)
    assert (reason_of(verdict), verdict.requirement_ids, verdict.remedy) == (reason, (), None)


@pytest.mark.parametrize(
    "entry",
    [
        {"held_on": date(2025, 1, 1)},
        {"held_on": TODAY},
        {"exclusions": {"ELSEWHERE": "not ours"}},
    ],
)
def test_session_within_its_limits_counts(entry: dict[str, Any]) -> None:
    verdict = verdict_in(plan_of("FORMATS"), RAE, **entry)
    assert (reason_of(verdict), verdict.remedy) == ("IFRS on that day", None)
    year = 1 if entry.get("held_on") == date(2025, 1, 1) else 2
    assert verdict.requirement_ids == ("rsc", f"rsc.yearly.{year}", "rsc.months")


def test_category_without_rules_counts_nothing() -> None:
    reason = "we don't track this endorsement's renewal yet; ask FORMATS"
    assert reason_of(verdict_in(plan_of("FORMATS", "IFRS"), RAE)) == reason


def test_hours_before_a_first_cycle_count_from_their_day() -> None:
    plan = IMAGINED.plan("FIRST", "IFS", date(2026, 5, 1), DAY)
    assert plan is not None
    first, eve = date(2025, 9, 1), date(2025, 8, 31)
    assert explain(training(60)._replace(held_on=first), plan, None, TODAY).counts
    reason = (
        "only hours from September 1, 2025 to December 31, 2026 count, also those from before the "
        "cycle"
    )
    assert reason_of(explain(training(60)._replace(held_on=eve), plan, None, TODAY)) == reason


def test_format_that_does_not_count_has_its_reason() -> None:
    associate = plan_of("FORMATS", "IFA")
    peer = verdict_in(associate, RAE, format="peer")
    assert reason_of(peer) == "its format is peer, and only individual and group sessions count"
    assert (peer.remedy, peer.requirement_ids) == (None, ())
    unknown = verdict_in(associate, RAE)
    assert reason_of(unknown) == (
        "its format is not recorded, and only individual and group sessions count"
    )
    assert remedy_of(unknown) == ("It can count once the entry has its format", False)
    assert unknown.requirement_ids == ()
    group = verdict_in(associate, RAE, format="group")
    assert group.requirement_ids == ("rsc",)
    other = explain(training(60), associate, None, TODAY)
    assert (reason_of(other), other.requirement_ids) == ("no training hours are required", ())


def test_declined_name_has_its_words() -> None:
    verdict = verdict_in(
        plan_of("FORMATS"),
        declined="Not endorsed as X. ",
        provider_id=None,
        provider_name="Jo Hart",
    )
    reason = "FORMATS did not confirm Jo Hart as an RSC provider: Not endorsed as X"
    assert (reason_of(verdict), verdict.requirement_ids) == (reason, ())
    assert remedy_of(verdict) == ("If the name is wrong, correct it in the entry", False)


def test_amount_of_years_held_has_its_reason() -> None:
    plan = IMAGINED.plan("HISTORY", "IFS", date(2015, 1, 1), DAY)
    assert plan is not None
    assert list_held_years(plan) == []
    assert list_held_years(plan_of("FORMATS", "IFRS")) == []


def test_membership_for_years_held_has_its_reason() -> None:
    training = '[[requirements]]\nid = "training"'
    rulebook = change_rulebook("history", (training, f"{MEMBERSHIP}\n{training}"))
    plan = plan_renewal(rulebook, "IFS", common_cycle(rulebook.cycles, DAY), 3)
    [reason] = list_held_years(plan)
    assert format_reason(reason) == (
        "“Membership” is required, because the endorsement had been held for 3 years when the "
        "cycle began on January 1, 2026"
    )


def test_format_of_another_year_is_not_named() -> None:
    yearly = change_rulebook(
        "formats", ("each_year = true", 'each_year = true\nformats = ["individual"]')
    )
    rules = [each for each in yearly.requirements if each.id == "rsc.yearly"]
    rulebook = yearly.model_copy(update={"requirements": tuple(rules)})
    plan = plan_renewal(rulebook, "IFS", common_cycle(rulebook.cycles, DAY), 0)
    peer = verdict_in(plan, RAE, format="peer")
    assert reason_of(peer) == "its format is peer, and only individual sessions count"
    later = replace(plan, requirements=plan.requirements[2:])
    assert reason_of(verdict_in(later, RAE, format="peer")) == "no RSC hours are required"


def test_uncounted_topic_is_meant_for_its_rule() -> None:
    _, why = judged(training(60, DEIA=60)._replace(exclusions={"NCIMHA": "too late"}))
    assert [rule.says for rule in why.rules] == [
        "Meant for “Training” (15 hours required)",
        "Meant for “DEIA training” (1 hour required)",
    ]


@pytest.mark.parametrize(
    ("starts_on", "known"),
    [
        (date(2020, 1, 1), "Dana was vetted by NCIMHA starting January 1, 2020."),
        (date(2026, 8, 1), "Dana is vetted by NCIMHA starting August 1, 2026."),
    ],
)
def test_background_has_what_the_association_knows(starts_on: date, known: str) -> None:
    for known_to, is_known in (("NCIMHA", True), ("CT-AIMH", False)):
        vetting = Credential("NCIMHA", None, starts_on, None, known_to)
        verdict, why = judged(rsc(known=True), Provider("Dana", "none", (vetting,)))
        qualifies = is_known and starts_on < DAY
        assert verdict.counts == qualifies
        assert ("Dana was not known" in reason_of(verdict)) == (not is_known)
        assert (known in why.provider) == is_known
        assert ("Dana is not known as" in why.provider) == (not qualifies)
        assert why.qualified is not None
        assert len(why.qualified.places) == (1 if qualifies else 2)


def test_terms_are_shown_through_their_last_day() -> None:
    for day, is_shown in ((date(2027, 12, 21), True), (date(2027, 12, 22), False)):
        _, why = judged(rsc(known=True, day=day), DANA)
        assert why.provider.endswith("through December 21, 2027.") == is_shown


def test_rules_of_other_years_are_left_out() -> None:
    plan = plan_of("FORMATS")
    verdict = verdict_in(plan)
    assert not verdict.counts
    entry = rsc(known=True)
    background = describe_background(entry, plan, None, verdict, {}, {"rsc": 1080})
    assert [rule.says for rule in background.rules] == [
        "Meant for “Reflective supervision” (18 hours required)",
        "Meant for “Yearly reflective supervision, second year” (9 hours required)",
        "Meant for “Months of reflective supervision” (18 months required)",
    ]
    assert background.rules[0].places == (Place("The three-year scheme", "Hours"),)
    assert background.provider == ""
    assert background.qualified == CitedRule(
        "Qualified: IFRS", (Place("The three-year scheme", "Providers"),)
    )


def test_hours_beyond_a_cap_are_shown_in_part() -> None:
    plan = plan_of("FORMATS")
    entry = rsc(known=True)._replace(format="peer", minutes=480)
    [(_, verdict)] = limit_by_caps(plan, [(entry, explain(entry, plan, RAE, TODAY))])
    background = describe_background(entry, plan, RAE, verdict, {})
    assert [rule.says for rule in background.rules] == [
        "6 of 8 hours toward “Reflective supervision” (36 hours required)",
        "8 hours toward “Yearly reflective supervision, second year” (9 hours required)",
        "8 hours toward “Months of reflective supervision” (18 months required)",
    ]
