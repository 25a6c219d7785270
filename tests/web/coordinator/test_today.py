"""The start page: what needs attention, snoozes, and how the system is doing."""

import io
from datetime import date, datetime, timedelta

import openpyxl
import pytest
from httpx2 import Response
from sqlalchemy import insert, update

from tests.support.cast import ALICE, BOB, BOOKS, CAROL, DAN, NOW
from tests.web.client import Visitor, WebClient, text_of
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people
from tracker.services.notification_preferences import Subscription, unsubscribe

TODAY = NOW.date()
CAUSE = "/coordinator/snooze?association=NCIMHA&cause="


def execute(web: WebClient, *statements: object) -> None:
    with writing(web.cast.engine) as session:
        for statement in statements:
            session.connection().execute(statement)  # type: ignore[call-overload]


def bob_lapsed(web: WebClient) -> str:
    """The key of Bob's renewal of last year, which lapsed."""
    return f"renewal-{web.cast.endorsements[BOB]}-2025-01-01"


def bounce(web: WebClient, email: str) -> str:
    """Let email to somebody bounce; returns the key of the cause."""
    person = METADATA.tables["person"]
    refused = {"email_refused_at": NOW, "second_email": None}
    execute(web, update(person).where(person.c.email == email).values(refused))
    return f"address-{web.cast.people[email]}"


def snooze(carol: Visitor, key: str, until: date, note: str = "", replaces: int = 0) -> Response:
    form = {"association": "NCIMHA", "cause": key, "choice": until.isoformat()}
    return carol.post("/coordinator/snooze", {**form, "note": note, "replaces": str(replaces)})


def queue_of(carol: Visitor) -> str:
    """What is open, in words."""
    page = text_of(carol.get("/coordinator")).partition("Is the system healthy?")[0]
    return page.partition("Snoozed")[0].replace("\xa0", " ")


def test_a_row_says_who_why_since_when_and_what_to_do(web: WebClient) -> None:
    page = web.visit(CAROL).get("/coordinator")
    rows = text_of(page).replace("\xa0", " ")
    assert "3 items need your attention, and 0 of 3 renewals are complete." in rows
    lapsed = rows.index("Bob Osei IFS Lapsed, was due December 31, 2025")
    assert "Stays lapsed unless you extend it or reopen the cycle. Reach out" in rows[lapsed:]
    provider = rows.index("Jo Hart RSC provider named by Alice Moreno, not confirmed yet")
    assert "1 hour of RSC does not count. The first renewal is due December 31, 2026." in rows
    assert lapsed < provider < rows.index("Alice Moreno IFS 3.5 RSC hours and one DEIA hour to go")
    assert "/coordinator/providers/names/confirm?association=NCIMHA&amp;name=Jo+Hart" in page.text
    alice = web.cast.people[ALICE]
    mail = f"/coordinator/mail/new?association=NCIMHA&amp;person={alice}&amp;template=reminder"
    assert mail in page.text
    assert f'href="/coordinator/person/{alice}"' in page.text
    assert f'id="{bob_lapsed(web)}" data-cause' in page.text


def test_each_kind_has_its_count_and_its_filter(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    assert "All 3 Lapsed 1 Providers to confirm 1 Behind 1" in text_of(carol.get("/coordinator"))
    lapsed = text_of(carol.get("/coordinator?association=NCIMHA&kind=lapsed"))
    assert "Bob Osei IFS Lapsed" in lapsed
    assert "Jo Hart" not in lapsed


@pytest.mark.parametrize("query", ["kind=%00", "kind=nonsense", "page=99999", "cause=%3Cb%3E"])
def test_odd_questions_are_no_error(sqlite_web: WebClient, query: str) -> None:
    assert sqlite_web.visit(CAROL).get(f"/coordinator?{query}").status_code == 200


def test_old_addresses_lead_to_the_list_of_people(sqlite_web: WebClient) -> None:
    answer = sqlite_web.visit(CAROL).get("/coordinator?association=NCIMHA&status=lapsed")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/coordinator/people?association=NCIMHA&status=lapsed"


def test_nothing_of_another_association_is_shown(sqlite_web: WebClient) -> None:
    dan = sqlite_web.visit(DAN)
    for word in ("Bob Osei", "Jo Hart"):
        assert word not in dan.get("/coordinator").text
    assert dan.get("/coordinator?association=NCIMHA").status_code == 404
    assert dan.get(CAUSE + bob_lapsed(sqlite_web)).status_code == 404
    assert snooze(dan, bob_lapsed(sqlite_web), TODAY + timedelta(days=1)).status_code == 404
    own = {"association": "CT-AIMH", "cause": bob_lapsed(sqlite_web)}
    until = (TODAY + timedelta(days=1)).isoformat()
    page = dan.follow(dan.post("/coordinator/snooze", {**own, "choice": until}))
    assert "no longer needs your attention" in text_of(page)
    assert sqlite_web.cast.rows("snooze") == []


def test_the_queue_empties(sqlite_web: WebClient) -> None:
    execute(sqlite_web, update(METADATA.tables["standing"]).values(status="met"))
    execute(sqlite_web, update(METADATA.tables["entry"]).values(provider_name=None))
    page = text_of(sqlite_web.visit(CAROL).get("/coordinator"))
    assert "Nothing needs your attention, and 2 of 2 renewals are complete." in page


def test_an_association_without_endorsees_says_what_to_do(sqlite_web: WebClient) -> None:
    execute(sqlite_web, METADATA.tables["standing"].delete())
    page = text_of(sqlite_web.visit(DAN).get("/coordinator"))
    assert "No endorsements yet." in page
    assert "Import your endorsees" in page


def test_many_causes_come_in_pages_and_a_link_finds_its_row(sqlite_web: WebClient) -> None:
    requests = METADATA.tables["time_request"]
    number = sqlite_web.cast.endorsements[ALICE]
    rows = [
        {
            "endorsement_id": number,
            "kind": "leave",
            "starts_on": TODAY,
            "reason": "Study",
            "form_key": str(n),
            "asked_at": NOW - timedelta(days=n),
            "state": "asked",
        }
        for n in range(60)
    ]
    execute(sqlite_web, insert(requests).values(rows))
    carol = sqlite_web.visit(CAROL)
    first = carol.get("/coordinator")
    assert first.text.count("data-cause") - first.text.count("data-causes") == 25
    assert "Page 1 of 3" in text_of(first)
    last = f"renewal-{number}-2026-01-01"
    assert f'id="{last}"' not in first.text
    assert f'id="{last}"' in carol.get(f"/coordinator?association=NCIMHA&cause={last}").text


def test_a_link_to_what_is_solved_says_so(sqlite_web: WebClient) -> None:
    page = sqlite_web.visit(CAROL).get("/coordinator?association=NCIMHA&cause=address-1")
    assert "no longer needs your attention" in text_of(page)


def test_the_download_has_the_kind_that_is_shown(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    address = "/coordinator/attention.csv?association=NCIMHA&kind=lapsed"
    assert address.replace("&", "&amp;") in carol.get("/coordinator?kind=lapsed").text
    _, *rows = carol.get(address).text.splitlines()
    assert [row.split(",")[1] for row in rows] == ["lapsed"]
    address = address.replace(".csv", ".xlsx")
    assert address.replace("&", "&amp;") in carol.get("/coordinator?kind=lapsed").text
    sent = carol.get(address)
    assert "attention-ncimha-2026-11-22.xlsx" in sent.headers["content-disposition"]
    sheet = openpyxl.load_workbook(io.BytesIO(sent.content)).active
    assert sheet is not None
    heading, bob = ([cell.value for cell in row] for row in sheet.iter_rows())
    found = dict(zip(heading, bob, strict=True))
    assert (found["Name"], found["Kind"]) == ("Bob Osei", "lapsed")
    assert found["Since"] == datetime(2026, 2, 1)  # noqa: DTZ001 - a day


# --- snoozes


def test_a_snoozed_cause_is_left_out_until_its_day(web: WebClient) -> None:
    key, carol = bounce(web, ALICE), web.visit(CAROL)
    assert "Email to alice@example.org bounced" in queue_of(carol)
    fix = f"/coordinator/person/{web.cast.people[ALICE]}/change/email"
    assert fix in carol.get("/coordinator").text
    until = TODAY + timedelta(days=7)
    page = carol.follow(snooze(carol, key, until, "She is moving"))
    assert "Snoozed. It is listed below until then." in text_of(page)
    assert "She is moving" in text_of(page)
    assert "bounced; no second address" not in queue_of(carol)
    assert "alice@example.org" not in carol.get("/coordinator/attention.csv").text
    web.pass_time(days=7)
    shown = queue_of(carol)
    assert "Email to alice@example.org bounced" in shown
    assert "Back from a snooze by Carol Reyes: “She is moving”" in shown


def test_a_snooze_is_audited_without_its_note(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    snooze(carol, bob_lapsed(sqlite_web), TODAY + timedelta(days=1), "Private")
    [event] = sqlite_web.cast.rows("audit_event", table_name="snooze")
    assert event["who"] == CAROL
    assert bob_lapsed(sqlite_web) in event["after"]
    assert "Private" not in event["after"]


def test_a_cause_that_gets_worse_comes_back(web: WebClient) -> None:
    number, carol = web.cast.endorsements[ALICE], web.visit(CAROL)
    key = f"renewal-{number}-2026-01-01"
    snooze(carol, key, TODAY + timedelta(days=90))
    assert "one DEIA hour to go" not in queue_of(carol)
    web.now = NOW.replace(year=2027, month=1, day=5)
    with writing(web.cast.engine) as session:
        evaluate_people(session, BOOKS, [web.cast.people[ALICE]], web.now)
    carol = web.visit(CAROL)
    assert "Alice Moreno IFS Overdue, was due December 31, 2026" in queue_of(carol)
    assert "Lapses in 27 days, on February 1, 2027." in queue_of(carol)


def test_a_solved_cause_ends_its_snooze(sqlite_web: WebClient) -> None:
    key, carol = bounce(sqlite_web, ALICE), sqlite_web.visit(CAROL)
    snooze(carol, key, TODAY + timedelta(days=30))
    execute(sqlite_web, update(METADATA.tables["person"]).values(email_refused_at=None))
    assert 'class="snoozed"' not in carol.get("/coordinator").text


def test_ending_a_snooze_brings_the_cause_back_once(sqlite_web: WebClient) -> None:
    carol, key = sqlite_web.visit(CAROL), bob_lapsed(sqlite_web)
    snooze(carol, key, TODAY + timedelta(days=30))
    path, form = "/coordinator/snooze/end", {"association": "NCIMHA", "cause": key}
    assert sqlite_web.visit(DAN).post(path, form).status_code == 404
    assert len(sqlite_web.cast.rows("snooze")) == 1
    assert "back in the list" in text_of(carol.follow(carol.post(path, form)))
    assert "Bob Osei IFS Lapsed" in queue_of(carol)
    assert "not snoozed anymore" in text_of(carol.follow(carol.post(path, form)))
    assert len(sqlite_web.cast.rows("audit_event", table_name="snooze")) == 2


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("", "Choose when to show it again"),
        ("tomorrow", "Choose when to show it again"),
        (TODAY.isoformat(), "Choose a day after today, November 22, 2027 at the latest"),
        ("2027-11-23", "Choose a day after today, November 22, 2027 at the latest"),
        ("other", "Enter the day to show it again"),
    ],
)
def test_a_wrong_day_is_explained_and_the_note_kept(
    sqlite_web: WebClient, choice: str, words: str
) -> None:
    carol = sqlite_web.visit(CAROL)
    form = {"association": "NCIMHA", "cause": bob_lapsed(sqlite_web), "choice": choice}
    page = carol.post("/coordinator/snooze", {**form, "note": "Waiting for her"})
    assert page.status_code == 422
    assert words in text_of(page)
    assert 'value="Waiting for her"' in page.text
    assert sqlite_web.cast.rows("snooze") == []


def test_a_typed_day_counts_only_if_it_is_chosen(sqlite_web: WebClient) -> None:
    carol, typed = sqlite_web.visit(CAROL), {"month": "dec", "day": "24", "year": "2026"}
    form = {"association": "NCIMHA", "cause": bob_lapsed(sqlite_web), **typed}
    both = carol.post("/coordinator/snooze", {**form, "choice": "2026-11-29"})
    assert "leave the other day empty" in text_of(both)
    carol.post("/coordinator/snooze", {**form, "choice": "other"})
    assert sqlite_web.cast.rows("snooze")[0]["until"] == date(2026, 12, 24)


def test_a_note_that_is_too_long_is_refused(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    page = snooze(carol, bob_lapsed(sqlite_web), TODAY + timedelta(days=1), "x" * 501)
    assert page.status_code == 422
    assert sqlite_web.cast.rows("snooze") == []


def test_two_coordinators_at_once_do_not_overwrite_each_other(sqlite_web: WebClient) -> None:
    first, second = sqlite_web.visit(CAROL), sqlite_web.visit(CAROL)
    key, soon, late = bob_lapsed(sqlite_web), TODAY + timedelta(days=7), TODAY + timedelta(days=60)
    snooze(first, key, soon)
    page = snooze(second, key, late)
    assert page.status_code == 422
    assert "snoozed this until November 29, 2026 while this page was open" in text_of(page)
    [row] = sqlite_web.cast.rows("snooze")
    snooze(second, key, late, replaces=row["id"])
    assert sqlite_web.cast.rows("snooze")[0]["until"] == late


def test_what_is_gone_cannot_be_snoozed(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    page = carol.follow(snooze(carol, "address-1", TODAY + timedelta(days=1)))
    assert "no longer needs your attention" in text_of(page)
    assert sqlite_web.cast.rows("snooze") == []


# --- causes of other kinds


def test_a_person_whose_email_bounces_stands_here_once(sqlite_web: WebClient) -> None:
    table = METADATA.tables["endorsement"]
    second = {"person_id": sqlite_web.cast.people[ALICE], "association": "NCIMHA"}
    second |= {"category": "IFA", "starts_on": date(2024, 1, 1)}
    execute(sqlite_web, insert(table).values(second))
    with writing(sqlite_web.cast.engine) as session:
        evaluate_people(session, BOOKS, [sqlite_web.cast.people[ALICE]], NOW)
    bounce(sqlite_web, ALICE)
    shown = queue_of(sqlite_web.visit(CAROL))
    assert shown.count("Email to alice@example.org bounced") == 1


def test_a_job_that_failed_comes_first(sqlite_web: WebClient) -> None:
    failure = {"job": "notices", "association": "NCIMHA", "error": "boom", "attempts": 3}
    times = {"first_failed_at": NOW, "last_failed_at": NOW}
    table = METADATA.tables["run_failure"]
    alice = str(sqlite_web.cast.people[ALICE])
    execute(sqlite_web, insert(table).values({**failure, **times, "subject": alice}))
    page = sqlite_web.visit(CAROL).get("/coordinator")
    shown = text_of(page)
    assert shown.index("This system Reminders failed") < shown.index("Bob Osei")
    assert "Reminders failed for Alice Moreno. We keep trying." in shown
    assert "boom" not in page.text


def test_missing_nights_are_a_cause(sqlite_web: WebClient) -> None:
    at = NOW - timedelta(days=5)
    run = {"job": "evaluate", "association": "NCIMHA", "local_date": at.date(), "report": "{}"}
    table = METADATA.tables["run_ledger"]
    execute(sqlite_web, insert(table).values({**run, "started_at": at, "finished_at": at}))
    shown = queue_of(sqlite_web.visit(CAROL))
    assert "This system The nightly evaluation has not run Nov 18, 2026" in shown


def fail_mail(web: WebClient, number: int, finished_days_ago: int, state: str) -> None:
    message = {
        "dedupe_key": str(number),
        "message_id": str(number),
        "kind": "notices",
        "association": "NCIMHA",
        "person_id": web.cast.people[ALICE],
        "recipient": ALICE,
        "subject": "Hours",
        "body": b"",
        "state": state,
        "attempts": 1,
        "fence": 1,
        "created_at": NOW - timedelta(days=20),
        "next_attempt_at": NOW,
        "finished_at": NOW - timedelta(days=finished_days_ago),
    }
    execute(web, insert(METADATA.tables["outbox"]).values(message))


def test_email_that_never_left_is_a_cause_until_a_later_one_arrives(web: WebClient) -> None:
    carol = web.visit(CAROL)
    fail_mail(web, 1, 3, "failed")
    assert "1 email The mail server did not take them" in queue_of(carol)
    assert "0 bounced, 1 could not be sent" in text_of(carol.get("/coordinator"))
    fail_mail(web, 2, 1, "sent")
    assert "The mail server did not take them" not in queue_of(carol)


def test_a_membership_that_ended_is_a_cause(sqlite_web: WebClient) -> None:
    standing = METADATA.tables["standing"]
    results = (
        '[{"id": "m", "label": "Membership", "counts": "membership", "topic": null, '
        '"required": 1, "counted": 0, "short": 1, "outcome": "short"}]'
    )
    own = (standing.c.endorsement_id == sqlite_web.cast.endorsements[ALICE]) & (
        standing.c.due_on > TODAY
    )
    values = {"status": "open", "falls_behind_on": None, "requirements": results}
    ended = {**values, "membership_until": date(2026, 10, 31)}
    execute(sqlite_web, update(standing).where(own).values(ended))
    carol = sqlite_web.visit(CAROL)
    assert "Alice Moreno IFS Membership ended on October 31, 2026 Nov 1, 2026" in queue_of(carol)
    execute(sqlite_web, update(standing).where(own).values(membership_until=None))
    assert "Membership missing" not in queue_of(carol)
    sqlite_web.pass_time(days=14)
    assert "Alice Moreno IFS Membership missing" in queue_of(carol)


# --- the other panels


def test_an_endorsement_that_ends_before_it_is_due_is_coming_up(sqlite_web: WebClient) -> None:
    table = METADATA.tables["endorsement"]
    held = table.c.person_id == sqlite_web.cast.people[ALICE]
    execute(sqlite_web, update(table).where(held).values(ends_on=date(2026, 12, 20)))
    with writing(sqlite_web.cast.engine) as session:
        evaluate_people(session, BOOKS, [sqlite_web.cast.people[ALICE]], NOW)
    page = text_of(sqlite_web.visit(CAROL).get("/coordinator")).replace("\xa0", " ")
    assert "December 20, 2026 : Alice Moreno" in page
    assert "IFS endorsement ends, before it is due on December 31, 2026." in page


def test_health_says_when_the_next_jobs_run(sqlite_web: WebClient) -> None:
    page = text_of(sqlite_web.visit(CAROL).get("/coordinator")).replace("\xa0", " ")
    assert "Last evaluation Not yet" in page
    assert "Email waiting None" in page
    # It is Sunday noon; nothing has ever run.
    assert "The nightly evaluation Due now" in page


def test_last_cycle_without_records_is_said_not_drawn(sqlite_web: WebClient) -> None:
    at = NOW - timedelta(days=30)
    run = {"job": "evaluate", "association": "NCIMHA", "local_date": at.date(), "report": "{}"}
    table = METADATA.tables["run_ledger"]
    execute(sqlite_web, insert(table).values({**run, "started_at": at, "finished_at": at}))
    page = sqlite_web.visit(CAROL).get("/coordinator")
    assert "the first evaluation here was on October 23, 2026" in text_of(page).replace("\xa0", " ")
    assert 'class="this" points' in page.text
    assert 'class="last" points' not in page.text


def test_only_the_desk_has_a_script_of_our_own(sqlite_web: WebClient) -> None:
    carol = sqlite_web.visit(CAROL)
    page = carol.get("/coordinator")
    assert page.headers["content-security-policy"].endswith("; script-src 'self'")
    assert page.text.count("<script") == 1
    assert "script-src" not in carol.get("/help").headers["content-security-policy"]


def test_a_digest_that_ended_can_be_had_again(web: WebClient) -> None:
    carol = web.visit(CAROL)
    notice = "You no longer get the weekly digest"
    assert notice not in text_of(carol.get("/coordinator"))
    with writing(web.cast.engine) as session:
        unsubscribe(session, Subscription(CAROL, "digest", "NCIMHA"), NOW)
    assert notice in text_of(carol.get("/coordinator"))
    page = carol.follow(carol.post("/coordinator/digest", {"association": "NCIMHA"}))
    assert "You will get the weekly digest again." in text_of(page)
    assert web.cast.rows("unsubscribed") == []
    assert notice not in text_of(carol.get("/coordinator"))
    # Pressed twice.
    assert carol.post("/coordinator/digest", {"association": "NCIMHA"}).status_code == 303


def test_the_digest_is_offered_to_coordinators_only(web: WebClient) -> None:
    viewer = {"name": "Ruth Adler", "email": "ruth@example.org", "role": "viewer"}
    assert web.visit(CAROL).post("/coordinator/team/new", viewer).status_code == 303
    with writing(web.cast.engine) as session:
        unsubscribe(session, Subscription("ruth@example.org", "digest", "NCIMHA"), NOW)
    page = text_of(web.visit("ruth@example.org").get("/coordinator"))
    assert "Is the system healthy?" in page
    assert "You no longer get the weekly digest" not in page
