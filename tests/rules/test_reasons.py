"""What stands behind a verdict, in words: rules with their sources, the provider, the remedy."""

from collections.abc import Mapping
from datetime import date

from tests.rules.case_data import IMAGINED, REAL
from tracker.rules.explain import (
    Background,
    LoggedEntry,
    Verdict,
    describe_background,
    explain,
)
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
    assert remedy_of(named) == (
        "It counts once Jo Hart is confirmed, as IMHM-C, ERS, or vetted by NCIMHA, for May 2, 2026",
        True,
    )
    nobody, _ = judged(rsc())
    assert remedy_of(nobody) == ("It can count once the entry names the RSC provider", False)


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
