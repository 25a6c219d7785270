"""Composed mails: what is put in comes out again, and nothing else does."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from tests.mail.samples import (
    BASE_URL,
    DIGEST,
    QUIET_DIGEST,
    REFERENCE_REMINDER,
    REMINDER,
    SAMPLES,
    SIGN_IN,
    TWO_ENDORSEMENTS,
)
from tracker.branding import Branding
from tracker.mail.compose import Composer, Rendered, one_line
from tracker.mail.contents import AnyMail, NoticesMail, unsubscribe_headers
from tracker.settings import templates_folder

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SENDER = "Endorsement renewals <renewals@example.org>"
ALICE = ("Alice Moreno", "alice@example.org")
COMPOSER = Composer(templates_folder(), BASE_URL)


def compose(mail: AnyMail, recipient: tuple[str, str] = ALICE) -> Rendered:
    return COMPOSER.compose(mail, sender=SENDER, recipient=recipient, at=NOON)


def parse(rendered: Rendered) -> EmailMessage:
    message = message_from_bytes(rendered.body, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk()] == [[], [], []]
    return message


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert isinstance(body, EmailMessage)
    return str(body.get_content()).replace("\r\n", "\n")


def test_a_mail_has_the_headers_that_it_needs() -> None:
    rendered = compose(REMINDER)
    message = parse(rendered)
    assert message["From"] == SENDER
    assert message["To"] == "Alice Moreno <alice@example.org>"
    assert message["Subject"] == rendered.subject == "3.5 RSC hours and 1 DEIA hour by Dec 31"
    assert message["Date"] == "Tue, 01 Dec 2026 12:00:00 +0000"
    assert message["Message-ID"] == rendered.message_id
    assert rendered.message_id.endswith("@example.org>")
    assert message["MIME-Version"] == "1.0"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize(
    "sender",
    [
        "NCIMHA, Inc. <r@nc.example>",
        '"NCIMHA, Inc." <r@nc.example>',
        " NCIMHA, Inc.<r@nc.example> ",
    ],
)
def test_a_comma_in_the_senders_name_stays(sender: str) -> None:
    rendered = COMPOSER.compose(REMINDER, sender=sender, recipient=ALICE, at=NOON)
    message = parse(rendered)
    [mailbox] = message["From"].addresses
    assert (mailbox.display_name, mailbox.addr_spec) == ("NCIMHA, Inc.", "r@nc.example")


def test_each_mail_has_a_message_id_of_its_own() -> None:
    assert compose(REMINDER).message_id != compose(REMINDER).message_id


def test_the_same_mail_is_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.mail.compose.secrets.token_hex", lambda size: "1f" * size)
    assert compose(REMINDER) == compose(REMINDER)


def test_a_digest_can_be_stopped_with_one_click() -> None:
    rendered = COMPOSER.compose(
        DIGEST,
        sender=SENDER,
        recipient=ALICE,
        at=NOON,
        headers=unsubscribe_headers(DIGEST.unsubscribe_url),
    )
    message = parse(rendered)
    assert message["List-Unsubscribe"] == f"<{DIGEST.unsubscribe_url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for subtype in ("plain", "html"):
        assert DIGEST.unsubscribe_url in part(message, subtype)


@pytest.mark.parametrize("mail", SAMPLES.values(), ids=SAMPLES)
def test_every_kind_is_plain_ascii_with_short_lines_and_a_short_subject(mail: AnyMail) -> None:
    rendered = compose(mail)
    assert rendered.body.isascii()
    assert all(len(line) <= 998 for line in rendered.body.split(b"\r\n"))
    assert b"\n" not in rendered.body.replace(b"\r\n", b"")
    assert 0 < len(rendered.subject) < 50


@pytest.mark.parametrize("mail", SAMPLES.values(), ids=SAMPLES)
def test_nothing_is_loaded_from_elsewhere_and_nothing_tracks(mail: AnyMail) -> None:
    html = part(parse(compose(mail)), "html")
    assert not any(live in html for live in ("<img", "<link", "<script", "url(", "@import"))


def test_the_text_part_holds_the_same_facts_and_full_links() -> None:
    message = parse(compose(TWO_ENDORSEMENTS))
    text, html = part(message, "plain"), part(message, "html")
    facts = [TWO_ENDORSEMENTS.headline, TWO_ENDORSEMENTS.closing, TWO_ENDORSEMENTS.action.url]
    for section in TWO_ENDORSEMENTS.sections:
        facts += [section.title, section.text, *section.details]
        facts += [cell for row in section.rows for cell in (row.label, row.progress, row.short)]
    assert [fact for fact in facts if fact not in text] == []
    assert [fact for fact in facts if fact not in html] == []


def test_the_next_reminder_is_named_only_if_there_is_one() -> None:
    assert "Next reminder: December 1." in part(parse(compose(REMINDER)), "plain")
    last = replace(REMINDER, next_reminder=None)
    assert "Next reminder" not in part(parse(compose(last)), "plain")


def test_the_style_is_on_the_elements_and_phones_and_dark_mode_keep_their_rules() -> None:
    html = part(parse(compose(REMINDER)), "html")
    assert '<h1 style="' in html
    assert "@media (max-width: 480px)" in html
    assert "@media (prefers-color-scheme: dark)" in html


def test_a_digest_says_who_needs_the_coordinator_and_how_many_more() -> None:
    message = parse(compose(DIGEST))
    for subtype in ("plain", "html"):
        body = part(message, subtype)
        assert DIGEST.period in body
        assert "named a new RSC provider" in body
        assert "and 3 more on the dashboard" in body
        assert "lchen@clinic.example" in body
        assert "October 26" in body


def test_a_quiet_week_says_so_and_prints_zeros() -> None:
    message = parse(compose(QUIET_DIGEST))
    for subtype in ("plain", "html"):
        body = part(message, subtype)
        assert "Nothing needs you." in body
        assert "healthy. 0 reminders went out" in body
        assert "No change" in body


def test_a_sign_in_mail_holds_code_link_and_limit() -> None:
    message = parse(compose(SIGN_IN))
    for subtype in ("plain", "html"):
        body = part(message, subtype)
        assert SIGN_IN.code in body
        assert SIGN_IN.url in body
        assert "10 minutes" in body
    assert SIGN_IN.code in str(message["Subject"])


def test_a_referee_reads_who_asks_for_what_and_who_will_read_it() -> None:
    message = parse(compose(REFERENCE_REMINDER))
    mail = REFERENCE_REMINDER
    facts = [mail.applicant, mail.association, mail.endorsement, mail.role, mail.again, mail.why]
    facts += [mail.action.url, "Only the association reads what you write"]
    for subtype in ("plain", "html"):
        body = part(message, subtype)
        assert [fact for fact in facts if fact not in body] == []


def test_a_missing_fact_is_an_error_and_not_a_gap_in_the_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = [field for field in fields(REMINDER) if field.name != "closing"]
    monkeypatch.setattr("tracker.mail.compose.fields", lambda _: known)
    with pytest.raises(UndefinedError, match="closing"):
        compose(REMINDER)


def test_markup_in_a_name_stays_text() -> None:
    html = part(
        parse(compose(replace(REMINDER, greeting_name="<script>alert(1)</script>"))), "html"
    )
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def hostile(text: str) -> NoticesMail:
    return replace(REMINDER, greeting_name=text, headline=text, subject=text, closing=text)


@given(st.text(max_size=400), st.text(max_size=60))
def test_hostile_text_comes_back_as_it_was_and_adds_nothing(text: str, name: str) -> None:
    rendered = compose(hostile(text), (name, "alice@example.org"))
    message = parse(rendered)
    assert message.keys() == parse(compose(REMINDER)).keys()
    assert part(message, "plain").splitlines()[0] == f"Hello {one_line(text)},"
    assert all(len(line) <= 998 for line in rendered.body.split(b"\r\n"))


@pytest.mark.parametrize(
    "text",
    [
        "--=_endorsement-renewals_=--",
        ".\r\n.\r\nQUIT",
        "x" * 5000,
        "Zoë " * 400,
        "\ud800 lone surrogate",
        "\x00\x1b[31m",
        "{{ 7 * 7 }}",
        "👩‍👩‍👧 \u202egnp.exe",
    ],
)
def test_known_tricks_do_nothing(text: str) -> None:
    mail = replace(hostile(text), subject="x")
    assert part(parse(compose(mail)), "plain").splitlines()[0] == f"Hello {one_line(text)},"


def test_an_association_has_its_band_above_the_mail() -> None:
    branding = Branding(name="North <Carolina>", color="#1d4f7c")
    rendered = COMPOSER.compose(
        REMINDER, sender=SENDER, recipient=ALICE, at=NOON, branding=branding
    )
    html = part(parse(rendered), "html")
    assert "North &lt;Carolina&gt;" in html
    assert "background: #1d4f7c;color: #ffffff" in html
    assert "background: #1d4f7c" not in part(parse(compose(REMINDER)), "html")


def test_text_on_a_light_band_is_black_and_no_logo_is_sent() -> None:
    branding = Branding(name="NCIMHA", color="#f4c20d", logo=Path("logo.png"))
    rendered = COMPOSER.compose(
        REMINDER, sender=SENDER, recipient=ALICE, at=NOON, branding=branding
    )
    message = parse(rendered)
    assert "background: #f4c20d;color: #000000" in part(message, "html")
    assert [each.get_content_type() for each in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
