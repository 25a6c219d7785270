"""Reports in the shapes of many mail systems: what they say, and that none stops the reader."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mail.returned import NAMES, write_report
from tracker.db.returned_mail import (
    COMPLAINT,
    DELAYED,
    HARD,
    NO_BOUNCE,
    OUTCOMES,
    SOFT,
    UNCLEAR,
)
from tracker.mail.refusals import Cause, find_cause
from tracker.mail.reports import read_report
from tracker.mail.return_paths import ReturnPaths, SignedNumber
from tracker.settings import Bounces

PATHS = ReturnPaths(b"k" * 32, "bounces@renewals.example", "+")
MESSAGE_ID, ALICE = "<c0ffee@renewals.example>", "alice@work.example"
SENDER = PATHS.create(4711, MESSAGE_ID)
EXPECTED = {
    "complaint": (COMPLAINT, None),
    "complaint-redacted": (COMPLAINT, None),
    "complaint-taken-back": (NO_BOUNCE, None),
    "exchange-5.5-plain": (HARD, Cause.NO_MAILBOX),
    "exchange-online-full": (SOFT, Cause.FULL),
    "exchange-online-not-found": (HARD, Cause.NO_MAILBOX),
    "exim-no-mailbox": (HARD, Cause.NO_MAILBOX),
    "exim-plain": (HARD, Cause.NO_MAILBOX),
    "gmail-no-mailbox": (HARD, Cause.NO_MAILBOX),
    "out-of-office": (NO_BOUNCE, None),
    "postfix-alias-elsewhere": (HARD, Cause.NO_MAILBOX),
    "postfix-delayed": (DELAYED, Cause.DELAY),
    "postfix-delivered-and-elsewhere": (HARD, Cause.NO_MAILBOX),
    "postfix-forwarded-elsewhere": (HARD, Cause.NO_MAILBOX),
    "postfix-full": (SOFT, Cause.FULL),
    "postfix-given-up": (SOFT, Cause.DELAY),
    "postfix-no-mailbox": (HARD, Cause.NO_MAILBOX),
    "postfix-policy": (SOFT, Cause.POLICY),
    "qmail-plain": (HARD, Cause.NO_MAILBOX),
    "reply-of-a-person": (UNCLEAR, None),
    "report-only-fields": (HARD, Cause.NO_DOMAIN),
    "sendmail-delivered": (NO_BOUNCE, None),
    "vacation": (NO_BOUNCE, None),
}


@pytest.mark.parametrize("name", NAMES)
def test_each_shape_is_understood(name: str) -> None:
    report = read_report(write_report(name, SENDER, ALICE))
    outcome, cause = EXPECTED[name]
    assert report.outcome == outcome
    if cause is not None:
        assert find_cause(report.reason) is cause
    # Every one of them names the message, wherever it does.
    [signed] = PATHS.find(report.senders)
    assert signed.number == 4711
    assert PATHS.is_ours(signed, MESSAGE_ID)


def test_failures_name_the_recipient() -> None:
    for name in NAMES:
        report = read_report(write_report(name, SENDER, ALICE))
        if report.outcome in (HARD, SOFT) and "elsewhere" not in name:
            assert ALICE in report.named, name


def test_a_failure_elsewhere_names_only_that_address() -> None:
    for name in NAMES:
        if "elsewhere" in name:
            report = read_report(write_report(name, SENDER, ALICE))
            assert report.named == {"old.box@elsewhere.example"}, name
            assert report.delivered == ({ALICE} if "delivered" in name else set()), name


def test_the_mildest_of_several_failures_decides() -> None:
    dead = write_report("postfix-no-mailbox", SENDER, ALICE)
    full = b"\n\nFinal-Recipient: rfc822; b@work.example\nAction: failed\nStatus: 4.2.2\n"
    several = dead.replace(b"\n\nFinal-Recipient:", full + b"\nFinal-Recipient:", 1)
    report = read_report(several)
    assert (report.outcome, report.named) == (SOFT, frozenset({ALICE, "b@work.example"}))
    assert report.status == "4.2.2"


def test_a_server_that_shouts_keeps_the_signature() -> None:
    [signed] = PATHS.find([SENDER.upper()])
    assert PATHS.is_ours(signed, MESSAGE_ID)


@pytest.mark.parametrize(
    "changed",
    [
        SENDER.replace("4711", "4712"),
        SENDER.replace("@renewals", "@other"),
        SENDER.replace("bounces", "x.bounces"),
        f"bounces+4711.{'a' * 16}@renewals.example",
        "bounces+4711." + "\N{LATIN SMALL LETTER LONG S}" * 16 + "@renewals.example",
        "bounces@renewals.example",
    ],
)
def test_a_changed_sender_proves_nothing(changed: str) -> None:
    assert not any(PATHS.is_ours(signed, MESSAGE_ID) for signed in PATHS.find([changed]))


def test_a_number_given_again_has_another_signature() -> None:
    [signed] = PATHS.find([SENDER])
    assert signed == SignedNumber(4711, signed.signature)
    assert not PATHS.is_ours(signed, "<another@renewals.example>")


def test_the_longest_sender_fits_into_64_octets() -> None:
    address = f"{'b' * 27}@renewals.example"
    assert Bounces(address=address).address == address
    longest = ReturnPaths(b"k", address, "+").create(2**63 - 1, MESSAGE_ID)
    assert len(longest.partition("@")[0]) == 64


@pytest.mark.parametrize(
    "address", [f"{'b' * 28}@renewals.example", "bounces", "<b>@x.example", "b+c@x.example"]
)
def test_an_unusable_bounce_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"bounces@your\.domain|too long"):
        Bounces(address=address)


# About a second in all.
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_no_damaged_report_stops_the_reader(name: str, data: st.DataObject) -> None:
    content = bytearray(write_report(name, SENDER, ALICE))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 400))
        content[start : start + length] = data.draw(st.binary(max_size=40))
    assert read_report(bytes(content)).outcome in OUTCOMES


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=500))
def test_no_bytes_stop_the_reader(content: bytes) -> None:
    assert read_report(content).outcome in OUTCOMES


@pytest.mark.parametrize(
    "content",
    [
        b"".join(
            b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (depth, depth)
            for depth in range(2_000)
        ),
        b"Content-Type: message/rfc822\r\n\r\n" * 3_000,
        b"Subject: " + b"=?utf-8?b?" * 5_000 + b"\r\n\r\n",
        b'Content-Type: multipart/report; boundary="b"\r\n\r\n'
        + b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\n" * 500,
    ],
    ids=["nested", "messages", "subject", "parts"],
)
def test_no_hostile_shape_stops_the_reader(content: bytes) -> None:
    assert read_report(content).outcome in OUTCOMES
