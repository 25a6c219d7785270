"""OptionalNotice mail that somebody has switched off is decided, and not sent."""

from tests.jobs.harness import JobHarness, at
from tracker.rules.notification_preferences import SWITCHED_OFF

AUTUMN = at("2024-09-15")


def switch_off(jobs: JobHarness, kind: str) -> None:
    jobs.execute(
        "INSERT INTO mail_off (person_id, kind, at) SELECT id, :kind, :at FROM person "
        "WHERE name = 'Alice'",
        kind=kind,
        at="2024-09-01 00:00:00",
    )


def test_early_reminders_that_are_switched_off_are_decided_once(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    switch_off(sqlite_jobs, "early reminders")
    sqlite_jobs.run(AUTUMN, at("2024-10-03"))
    assert sqlite_jobs.mails() == []
    steps = sqlite_jobs.decisions(email="alice@example.org", kind="renewal", step=-90)
    assert ("skipped", SWITCHED_OFF) in [(step["outcome"], step["reason"]) for step in steps]
    sqlite_jobs.execute("DELETE FROM mail_off")
    sqlite_jobs.run(at("2024-10-04"))
    assert sqlite_jobs.mails() == []
    # What is near always comes.
    switch_off(sqlite_jobs, "early reminders")
    sqlite_jobs.run(at("2024-12-01"))
    [mail] = sqlite_jobs.mails()
    assert mail.message["List-Unsubscribe"] is None
    assert "https://hours.example.org/profile/mail" in mail.text
    assert "https://hours.example.org/profile/mail" in mail.html


def test_an_early_reminder_ends_by_one_click(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    sqlite_jobs.run(AUTUMN, at("2024-10-03"))
    [mail] = sqlite_jobs.mails()
    link = mail.message["List-Unsubscribe"]
    assert link.startswith("<https://hours.example.org/unsubscribe/mail/")
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_digest_names_who_asks_for_time(sqlite_jobs: JobHarness) -> None:
    sqlite_jobs.add_alice(AUTUMN)
    number = next(n for key, n in sqlite_jobs.endorsements.items() if "IFS" in str(key))
    sqlite_jobs.execute(
        "INSERT INTO time_request (endorsement_id, kind, starts_on, ends_on, reason, form_key, "
        "asked_at, state) VALUES (:number, 'leave', '2024-10-01', NULL, 'private', 'k', :at, "
        "'asked')",
        number=number,
        at="2024-09-14 00:00:00",
    )
    sqlite_jobs.run(AUTUMN, at("2024-09-16"))
    text = next(m.text for m in sqlite_jobs.mails("digest") if m.association == "NCIMHA")
    assert "requests leave starting October 1, 2024" in " ".join(text.split())
    assert "cause=request-1#request-1" in text
    assert "private" not in text
