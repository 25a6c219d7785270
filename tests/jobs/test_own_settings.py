"""Associations with their own schedule, time zone, sender, and reminder steps, in the same runs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from tests.jobs.harness import ALICE, TWO, JobHarness, at
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import NoticeConfigs, NoticesFile
from tracker.settings import AssociationSettings, JobTimes, MailSender

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AUTUMN = at("2024-10-01")
OWN = {
    "NCIMHA": AssociationSettings(
        schedule=JobTimes(digest_on="thursday", digest_at=time(16), evaluate_at=time(3)),
        mail=MailSender(sender="NCIMHA, Inc. <renewals@ncimha.example>"),
    )
}
INSTALLATION = "renewals@localhost"
ANN = "CT-AIMH IFS 2020-05-01"


def in_zones(nc: str, ct: str) -> Rulebooks:
    zones = {"NCIMHA": nc, "CT-AIMH": ct}
    books = {
        name: rulebook.model_copy(update={"time_zone": zones[name]})
        for name, rulebook in TWO.associations.items()
    }
    return replace(TWO, associations=books)


@pytest.fixture
def jobs(database_url: str) -> Iterator[JobHarness]:
    jobs = JobHarness(database_url, associations=OWN)
    yield jobs
    jobs.engine.dispose()


def from_headers(jobs: JobHarness, kind: str) -> dict[str, set[str]]:
    """Whom mail of a kind is from, by recipient."""
    senders: dict[str, set[str]] = {}
    for mail in jobs.mails(kind):
        senders.setdefault(mail.recipient, set()).add(mail.message["From"].addresses[0].addr_spec)
    return senders


def tick(jobs: JobHarness, first: datetime, hours: int) -> None:
    jobs.run(*(first + number * HOUR for number in range(hours)))


def test_each_association_has_its_digest_on_its_own_day(jobs: JobHarness) -> None:
    jobs.add_alice(AUTUMN)
    tick(jobs, at("2024-12-02 00:00"), 9 * 24)
    # The first tick catches up the digest before it, once for each.
    assert jobs.runs("digest", "NCIMHA") == [date(2024, 11, 28), date(2024, 12, 5)]
    assert jobs.runs("digest", "CT-AIMH") == [
        date(2024, 11, 25),
        date(2024, 12, 2),
        date(2024, 12, 9),
    ]


def test_a_digest_is_due_at_the_hour_of_its_association(jobs: JobHarness) -> None:
    jobs.run(at("2024-12-05 15:59"))
    assert jobs.runs("digest", "NCIMHA") == [date(2024, 11, 28)]
    jobs.run(at("2024-12-05 16:00"))
    assert jobs.runs("digest", "NCIMHA")[-1] == date(2024, 12, 5)
    assert jobs.runs("digest", "CT-AIMH") == [date(2024, 12, 2)]


def test_mail_is_from_the_sender_of_its_association(jobs: JobHarness) -> None:
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", [ALICE])
        people.add("Ann", [ANN])
    jobs.run(at("2024-12-01"), at("2024-12-05 17:00"))
    own = {"renewals@ncimha.example"}
    assert from_headers(jobs, "notices") == {
        "alice@example.org": own,
        "ann@example.org": {INSTALLATION},
    }
    assert from_headers(jobs, "digest") == {
        "dana@nc.example": own,
        "carla@ct.example": {INSTALLATION},
    }
    mail = next(mail for mail in jobs.mails() if mail.association == "NCIMHA")
    assert mail.message["From"].addresses[0].display_name == "NCIMHA, Inc."
    assert mail.message["Reply-To"] == "dana@nc.example"
    assert mail.message_id.endswith("@ncimha.example>")


def configure(jobs: JobHarness) -> None:
    """Steps of the installation 20 days before and 2 after; of NCIMHA 10 days before."""
    text = {
        "renewal": {"before": [20], "after": [2]},
        "associations": {"NCIMHA": {"renewal": {"before": [10]}}},
    }
    configs = NoticeConfigs.merge(NoticesFile.model_validate(text))
    jobs.configure(configs.installation, **dict(configs.own))


def test_each_association_has_its_own_steps(jobs: JobHarness) -> None:
    configure(jobs)
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", [ALICE])
        people.add("Ann", [ANN])
    jobs.run(AUTUMN, *(at("2024-12-05") + day * DAY for day in range(30)))
    sent = {(row["association"], row["step"]) for row in jobs.decisions(outcome="sent")}
    assert sent == {("NCIMHA", -10), ("NCIMHA", 2), ("CT-AIMH", -20), ("CT-AIMH", 2)}


def test_a_person_of_both_gets_the_steps_of_each(jobs: JobHarness) -> None:
    configure(jobs)
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", [ALICE, ANN])
    days = [at("2024-12-05") + day * DAY for day in range(24)]
    jobs.run(AUTUMN, *days)
    mails = jobs.mails()
    assert [mail.association for mail in mails] == ["CT-AIMH", "NCIMHA"]
    senders = [mail.message["From"].addresses[0].addr_spec for mail in mails]
    assert senders == [INSTALLATION, "renewals@ncimha.example"]
    assert {(row["association"], row["step"]) for row in jobs.decisions(outcome="sent")} == {
        ("CT-AIMH", -20),
        ("NCIMHA", -10),
    }


def test_honolulu_and_guam_run_on_their_own_days(database_url: str) -> None:
    rulebooks = in_zones("Pacific/Honolulu", "Pacific/Guam")
    jobs = JobHarness(database_url, rulebooks=rulebooks, associations=OWN)
    # December 5, 11:59 AM, in Honolulu; December 6, 7:59 AM, in Guam.
    jobs.run(datetime(2024, 12, 5, 21, 59, tzinfo=UTC))
    assert jobs.runs("notices", "NCIMHA") == [date(2024, 12, 5)]
    assert jobs.runs("notices", "CT-AIMH") == [date(2024, 12, 6)]
    assert jobs.runs("digest", "NCIMHA") == [date(2024, 11, 28)]
    # Thursday at 4 PM in Honolulu, and one minute before; Friday noon in Guam.
    jobs.run(datetime(2024, 12, 6, 1, 59, tzinfo=UTC))
    assert jobs.runs("digest", "NCIMHA") == [date(2024, 11, 28)]
    jobs.run(datetime(2024, 12, 6, 2, 0, tzinfo=UTC))
    assert jobs.runs("digest", "NCIMHA") == [date(2024, 11, 28), date(2024, 12, 5)]
    assert jobs.runs("digest", "CT-AIMH") == [date(2024, 12, 2)]
    jobs.engine.dispose()


@pytest.mark.parametrize("night", ["2025-03-09", "2025-11-02"])
def test_a_night_of_daylight_saving_holds_each_date_once(sqlite_url: str, night: str) -> None:
    early = {"NCIMHA": AssociationSettings(schedule=JobTimes(evaluate_at=time(2, 30)))}
    rulebooks = in_zones("America/New_York", "Pacific/Guam")
    jobs = JobHarness(sqlite_url, rulebooks=rulebooks, associations=early)
    first = at(f"{night} 00:00") - DAY
    jobs.run(*(first + number * HOUR / 2 for number in range(3 * 48)))
    for association in rulebooks.associations:
        days = jobs.runs("evaluate", association)
        assert days == [days[0] + number * DAY for number in range(len(days))]
    assert date.fromisoformat(night) in jobs.runs("evaluate", "NCIMHA")
    jobs.engine.dispose()


def test_mail_is_in_the_locale_of_its_association(sqlite_url: str) -> None:
    ct = TWO.associations["CT-AIMH"].model_copy(update={"locale": "en_GB"})
    rulebooks = replace(TWO, associations={**TWO.associations, "CT-AIMH": ct})
    jobs = JobHarness(sqlite_url, rulebooks=rulebooks)
    configure(jobs)
    with jobs.storing(AUTUMN) as people:
        people.add("Alice", [ALICE, ANN])
        people.add("Anton", [ALICE])
    # NCIMHA's job comes first, and decides on everything that is due to its people.
    jobs.run(at("2024-12-11"), at("2024-12-21"))
    days = {mail.association: mail.text for mail in jobs.mails()}
    assert "31 December" in days["CT-AIMH"]
    assert "December 31" in days["NCIMHA"]
    assert "31 December" not in days["NCIMHA"]
    jobs.engine.dispose()
