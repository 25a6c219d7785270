"""No value leaves its header."""

from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.mail.compose import find_sender, header, mailbox_header, one_line


def read_back(raw: bytes, name: str) -> str:
    message = message_from_bytes(raw + b"\r\n", policy=policy.SMTP)
    assert message.keys() == [name]
    return str(message[name])


@given(st.text(max_size=300))
def test_any_text_stays_in_its_line_and_comes_back(text: str) -> None:
    raw = header("Subject", text)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    # Folding at a space may swallow or add spaces: the words are what counts.
    assert read_back(raw, "Subject").split() == one_line(text).split()


@given(st.text(max_size=120))
def test_any_name_comes_back_beside_its_address(name: str) -> None:
    raw = mailbox_header("To", name, "alice@example.org")
    message = message_from_bytes(raw + b"\r\n", policy=policy.SMTP)
    [mailbox] = message["To"].addresses
    assert mailbox.addr_spec == "alice@example.org"
    # Without spaces: Python 3.11 reads one too many between the encoded words of a long name.
    assert without_blanks(mailbox.display_name) == without_blanks(one_line(name))


def without_blanks(text: str) -> str:
    return "".join(text.split())


def test_a_line_break_in_a_subject_makes_no_header() -> None:
    assert header("Subject", "Hello\r\nBcc: eve@example.org") == (
        b"Subject: Hello Bcc: eve@example.org\r\n"
    )


def test_what_looks_encoded_is_shown_as_it_was_written() -> None:
    text = "=?utf-8?q?Eve?="
    assert read_back(header("Subject", text), "Subject") == text


def test_an_emoji_and_a_persian_name_survive_and_direction_marks_do_not() -> None:
    assert one_line("می‌خواهم\u202egpj.exe") == "می‌خواهم gpj.exe"


def test_a_domain_beyond_ascii_goes_out_as_the_dns_knows_it() -> None:
    assert mailbox_header("To", "", "alice@bücher.example") == (
        b"To: alice@xn--bcher-kva.example\r\n"
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "alice@",
        "@example.org",
        "a@b@c",
        "alice@example.org\r\nBcc: eve@example.org",
        "alice@example.org, eve@example.org",
        "<alice@example.org>",
        "alice smith@example.org",
        "alice@example.org\x00",
        "alice@ex\u200bample.org",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not an email address"):
        mailbox_header("To", "Alice", address)


def test_what_is_no_header_name_is_refused() -> None:
    with pytest.raises(ValueError, match="not the name of a header"):
        header("X: y\r\nBcc", "eve@example.org")


@given(st.text(max_size=120).filter(lambda name: not set(name) & set("<>")))
def test_the_address_in_from_is_found_behind_any_name(name: str) -> None:
    rest = mailbox_header("To", "Alice Moreno", "alice@example.org") + b"\r\nHello\r\n"
    assert find_sender(mailbox_header("From", name, "r@nc.example") + rest) == "r@nc.example"


def test_a_message_that_does_not_begin_with_from_has_no_sender() -> None:
    assert find_sender(b"To: alice@example.org\r\nFrom: eve@example.org\r\n\r\nHello") is None
    assert find_sender(b"") is None
