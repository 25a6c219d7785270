"""One mail a person a day, holding all that is due: several endorsements, associations, zones."""

from datetime import timedelta

import pytest

from tests.jobs.harness import BOB, TWO, JobHarness, at
from tests.rules.case_data import REAL
from tracker.rulebooks import Rulebooks

AUTUMN = at("2024-09-15")
DAY = timedelta(days=1)


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


def with_zone(zone: str) -> Rulebooks:
    """The real rules, with CT-AIMH moved to another time zone."""
    moved = REAL.associations["CT-AIMH"].model_copy(update={"time_zone": zone})
    associations = {"NCIMHA": REAL.associations["NCIMHA"], "CT-AIMH": moved}
    return Rulebooks(associations, REAL.organizations, TWO.digest)


def tell_of_grace(jobs: JobHarness) -> None:
    """Grace holds two endorsements at one association and one at another, all without hours."""
    with jobs.storing(AUTUMN) as people:
        people.add("Grace", ["NCIMHA IFS 2020-01-01", "CT-AIMH IFS 2021-01-01"])
        people.hold("Grace", "CT-AIMH ECFS 2021-01-01")
        people.join("Grace: NCIMHA 2024-01-01..2026-12-31")
        people.join("Grace: CT-AIMH 2024-01-01..2026-12-31")


def test_all_endorsements_of_a_person_are_told_of_in_one_mail(jobs: JobHarness) -> None:
    tell_of_grace(jobs)
    jobs.run(AUTUMN, at("2024-12-01"))
    [mail] = jobs.mails()
    assert {d["message_id"] for d in jobs.decisions(outcome="sent")} == {mail.message_id}
    assert len(jobs.sent()) == 3
    for section in (
        "Infant Family Specialist, NCIMHA",
        "Infant Family Specialist, CT-AIMH",
        "Early Childhood Family Specialist, CT-AIMH",
    ):
        assert section in mail.text


def test_a_membership_and_a_renewal_on_one_day_are_one_mail(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", ["NCIMHA IFS 2020-01-01"])
        people.join("NCIMHA 2024-01-01..2024-12-31")
    jobs.run(AUTUMN, at("2024-12-01"))
    [mail] = jobs.mails()
    assert jobs.sent() == ["renewal -30 2024-12-31", "membership -30 2024-12-31"]
    assert "Your membership ends on December 31, 2024." in mail.text


def test_a_membership_that_the_renewal_lists_as_missing_is_told_of_once(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", ["NCIMHA IFS 2020-01-01"])
        people.join("NCIMHA 2024-01-01..2024-11-30")
        people.log("training 15h 2024-02-01")
    jobs.run(AUTUMN, at("2024-11-30"), at("2024-12-01"))
    assert jobs.sent()[-2:] == ["renewal -30 2024-12-31", "membership 1 2024-11-30"]
    text = jobs.mails()[-1].text
    assert "Membership: no current membership" in [line.strip(" *") for line in text.splitlines()]
    assert "Your membership ended on November 30, 2024. Please renew it. Accepted: " in text
    # No heading of its own.
    assert [line for line in text.splitlines() if line.strip() == "Membership"] == []
    assert "DEIA training: 0 of 1 hour, 1 short" in text


def test_an_association_further_west_adds_no_second_mail(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, rulebooks=with_zone("Pacific/Honolulu"))
    tell_of_grace(jobs)
    hours = [at("2024-11-30 07:00") + hour * timedelta(hours=1) for hour in range(60)]
    jobs.run(AUTUMN, at("2024-11-01 18:00"), *hours)
    jobs.engine.dispose()
    assert [mail.dedupe_key for mail in jobs.mails()] == ["day:1:2024-11-01", "day:1:2024-12-01"]
    assert jobs.sent().count("renewal -30 2024-12-31") == 3


def test_news_of_a_day_that_had_its_mail_waits_for_the_next(jobs: JobHarness) -> None:
    tell_of_grace(jobs)
    jobs.run(AUTUMN, at("2024-11-30"))
    # NCIMHA sends its morning notices; then an endorsement comes in, before CT-AIMH's own run.
    jobs.execute("DELETE FROM run_ledger WHERE association = 'CT-AIMH'")
    jobs.run(at("2024-12-01"))
    told = len(jobs.mails())
    with jobs.storing(at("2024-12-01 10:00")) as people:
        people.hold("Grace", "CT-AIMH IMHS 2019-01-01")
    jobs.execute("DELETE FROM run_ledger WHERE job = 'notices' AND local_date = '2024-12-01'")
    jobs.run(at("2024-12-01 11:00"))
    assert len(jobs.mails()) == told
    jobs.run(at("2024-12-02"))
    assert len(jobs.mails()) == told + 1
    assert jobs.sent(category="IMHS") == ["renewal -30 2024-12-31"]
    assert "Infant Mental Health Specialist" in jobs.mails()[-1].text


def test_what_waits_is_not_lost_where_another_zone_is_a_day_ahead(sqlite_url: str) -> None:
    jobs = JobHarness(sqlite_url, rulebooks=with_zone("Pacific/Kiritimati"))
    tell_of_grace(jobs)
    hours = [at("2024-11-28 07:00") + hour * timedelta(hours=1) for hour in range(120)]
    jobs.run(AUTUMN, *hours)
    jobs.engine.dispose()
    for category in ("IFS", "ECFS"):
        assert jobs.sent(association="CT-AIMH", category=category)[-1] == "renewal -30 2024-12-31"


def test_the_reply_goes_to_the_coordinator_of_the_news_that_leads(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Bob", [BOB], provides_rsc=True)
        # At NCIMHA only the membership ends; at CT-AIMH the renewal is short, and leads.
        people.add("Grace", ["NCIMHA IFS 2024-02-01", "CT-AIMH IFS 2021-01-01"])
        people.join("Grace: NCIMHA 2024-01-01..2024-12-31")
    jobs.run(AUTUMN, at("2024-12-01"))
    [mail] = jobs.mails()
    assert "CT-AIMH) is due for renewal on December 31, 2024" in " ".join(mail.text.split())
    assert mail.message["Reply-To"] == "carla@ct.example"
    assert mail.association == "CT-AIMH"


def test_nobody_gets_the_mail_of_another(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", ["NCIMHA IFS 2020-01-01"])
        people.add("Zed", ["NCIMHA IFS 2020-01-01"])
        people.log("Zed: training 15h DEIA 1h 2024-02-01")
    jobs.run(AUTUMN, at("2024-12-01"))
    mails = {mail.recipient: mail for mail in jobs.mails()}
    assert "0 of 15 hours" in mails["alice@example.org"].text
    assert "0 of 15 hours" not in mails["zed@example.org"].text
    assert "Zed" not in mails["alice@example.org"].text
