"""Reads what arrives in the mailbox for returned mail: which message it is about, and what it says.

flufl.bounce says first which recipients a report names, because it knows the forms that servers
have invented. The fields of a delivery report (RFC 3464) are the second way, and say why. Reports
of complaints are RFC 5965. Automatic replies of people are no bounces. Nothing here raises: what
cannot be understood is UNCLEAR.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from itertools import pairwise
from typing import NamedTuple

from flufl.bounce import all_failures

from tracker.db.returned_mail import COMPLAINT, DELAYED, HARD, NO_BOUNCE, SOFT, UNCLEAR
from tracker.mail.refusals import find_cause, find_status

# It logs each of its detectors, and each that fails; what failed is dealt with here.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)
# A report holds at most the message that it is about.
LARGEST = 500_000
_MOST_TEXT = 20_000
_MOST_REASON = 500
_MOST_HEADERS = 50
# Where servers write the address that a message was delivered to.
_RECIPIENT_HEADERS = (
    *("to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to"),
    *("x-delivered-to", "x-rcpt-to", "original-recipient", "x-forwarded-to"),
)
# Where the message that came back, and reports about it, name its envelope sender.
_SENDER_HEADERS = ("return-path", "original-mail-from", "x-postfix-sender", "x-envelope-from")
_WENT = ("delivered", "relayed", "expanded")
_SPAM = ("abuse", "fraud", "other", "virus", "opt-out")
_REPLIED = re.compile(
    r"^(?:re: *)?(?:auto(?:matic|mated)?[- ]?(?:reply|response)|out of (?:the )?office"
    r"|automatische antwort|r[ée]ponse automatique|respuesta autom[áa]tica|vacation\b)",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(
    r"^(?:-+ *(?:original message|this is a copy of (?:the|your) message|below this line)"
    r"|reporting-mta:|return-path:|received:)",
    re.IGNORECASE | re.MULTILINE,
)
# A line with a code, or one that says in words what a server said.
_SAID = re.compile(r"(?<![\d.])(?:[45]\d\d[ -]|[45]\.\d{1,3}\.\d{1,3}(?![\d.]))")


class Report(NamedTuple):
    """What a message of the mailbox says.

    ``outcome`` is one of `tracker.db.returned_mail.OUTCOMES`. ``senders`` are texts in which the
    envelope sender of the message that it is about stands, the most reliable first. ``named`` are
    the recipients that it is about, in lower case: of a failure those for whom it failed, and
    ``delivered`` those whom it says to have the message. ``reason`` is what the server said, with
    its code.
    """

    outcome: str
    senders: tuple[str, ...]
    named: frozenset[str] = frozenset()
    reason: str = ""
    delivered: frozenset[str] = frozenset()

    @property
    def status(self) -> str | None:
        """The code of RFC 3463, if the server gave one."""
        return find_status(self.reason)


def read_report(content: bytes) -> Report:
    """Read one message of the mailbox, whatever it is."""
    try:
        message = message_from_bytes(content[:LARGEST])
        senders = tuple(_list_senders(message))
    except Exception:  # noqa: BLE001 - the parser of the library meets whatever was sent
        return Report(UNCLEAR, ())
    try:
        return _classify(message, senders)
    except Exception:  # noqa: BLE001 - as above; what can be told without reading on is kept
        return Report(UNCLEAR, senders)


def _classify(message: Message, senders: tuple[str, ...]) -> Report:
    if feedback := _find_part(message, "message/feedback-report"):
        return _read_complaint(feedback, senders)
    blocks = list(_list_delivery_fields(message))
    if not blocks and _is_auto_reply(message):
        return Report(NO_BOUNCE, senders)
    temporary, permanent = _find_failures(message)
    if blocks:
        return _read_delivery_report(blocks, temporary | permanent, senders)
    reason = _find_reason(message, temporary | permanent)
    if permanent:
        is_hard = find_cause(reason).is_hard
        return Report(HARD if is_hard else SOFT, senders, permanent, reason)
    if temporary:
        return Report(DELAYED, senders, temporary, reason)
    return Report(UNCLEAR, senders, reason=reason)


# --- which message of ours


def _list_senders(message: Message) -> Iterator[str]:
    """Texts that can contain the envelope sender of the message of ours."""
    yield from _list_headers(message, _RECIPIENT_HEADERS)
    for part in message.walk():
        if part is not message:
            yield from _list_headers(part, _SENDER_HEADERS)
        if part.get_content_type() == "text/rfc822-headers":
            yield from _list_headers(message_from_bytes(_decode(part)), _SENDER_HEADERS)


def _list_headers(message: Message, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        for value in message.get_all(name, [])[:_MOST_HEADERS]:
            yield str(value)


# --- what happened to it


def _find_failures(message: Message) -> tuple[frozenset[str], frozenset[str]]:
    """The recipients that flufl.bounce names, for whom it failed for now, and for good."""
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # noqa: BLE001 - it does not promise to understand everything
        return frozenset(), frozenset()
    return _normalize(temporary), _normalize(permanent)


def _normalize(addresses: frozenset[bytes]) -> frozenset[str]:
    texts = (address.decode("ascii", "replace").strip().lower() for address in addresses)
    return frozenset(text for text in texts if "@" in text)


class _Delivery(NamedTuple):
    """The fields of one recipient in a delivery report."""

    recipient: str
    action: str
    reason: str


def _list_delivery_fields(message: Message) -> Iterator[_Delivery]:
    for part in message.walk():
        if part.get_content_type() not in (
            "message/delivery-status",
            "message/global-delivery-status",
        ):
            continue
        for block in _list_blocks(part):
            action = str(block.get("action", "")).strip().lower()
            if action:
                yield _Delivery(_find_recipient(block), action, _join_reason(block))


def _list_blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        return [block for block in payload if isinstance(block, Message)]
    # A part that was encoded, so that the library has not read its fields.
    texts = re.split(rb"\r?\n\r?\n", _decode(part))
    return [message_from_bytes(text.lstrip()) for text in texts[:_MOST_HEADERS]]


def _find_recipient(block: Message) -> str:
    """The address that the server wrote to in the end, or else the one that we wrote to.

    They differ if our recipient forwards mail, and what failed is what is behind it.
    """
    for name in ("final-recipient", "original-recipient"):
        address = str(block.get(name, "")).rpartition(";")[2].strip().strip("<>").lower()
        if "@" in address:
            return address
    return ""


def _join_reason(block: Message) -> str:
    """``5.1.1 smtp; 550 5.1.1 no such user``: the code, and what the other server said."""
    status, said = (str(block.get(name, "")).strip() for name in ("status", "diagnostic-code"))
    # The code of the server that knows the mailbox, which it quotes, is more exact.
    told = find_status(said)
    code = "" if told and not told.endswith(".0.0") else (find_status(status) or "")
    return _in_one_line(f"{code} {said}")


def _read_delivery_report(
    deliveries: list[_Delivery], named: frozenset[str], senders: tuple[str, ...]
) -> Report:
    failed = [each for each in deliveries if each.action.startswith(("fail", "error"))]
    if failed:
        outcome, reason = _find_mildest([each.reason for each in failed])
        delivered = _list_recipients(each for each in deliveries if each.action.startswith(_WENT))
        return Report(outcome, senders, _list_recipients(failed) or named, reason, delivered)
    named |= _list_recipients(deliveries)
    # Delayed means that the server goes on trying; delivered, relayed, and expanded, that it went.
    is_delayed = any(delivery.action.startswith("delayed") for delivery in deliveries)
    return Report(DELAYED if is_delayed else NO_BOUNCE, senders, named, deliveries[0].reason)


def _find_mildest(reasons: Sequence[str]) -> tuple[str, str]:
    """The outcome of one or more failures: the one that says the least of an address decides."""
    soft = [reason for reason in reasons if not find_cause(reason).is_hard]
    return (SOFT, soft[0]) if soft else (HARD, reasons[0])


def _list_recipients(deliveries: Iterable[_Delivery]) -> frozenset[str]:
    return frozenset(delivery.recipient for delivery in deliveries if delivery.recipient)


def _read_complaint(part: Message, senders: tuple[str, ...]) -> Report:
    fields = _list_blocks(part)
    kind = next((str(each["feedback-type"]) for each in fields if each["feedback-type"]), "abuse")
    kind = _in_one_line(kind).lower()
    if not kind.startswith(_SPAM):
        # "not-spam" takes a complaint back, and "auth-failure" is about signatures.
        return Report(NO_BOUNCE, senders, reason=f"feedback: {kind}")
    recipients = [str(value) for each in fields for value in each.get_all("original-rcpt-to", [])]
    named = {address.lower() for _, address in getaddresses(recipients) if "@" in address}
    texts = (str(value) for each in fields for value in each.get_all("original-mail-from", []))
    return Report(COMPLAINT, (*senders, *texts), frozenset(named), f"feedback: {kind}")


# --- no bounce at all


def _is_auto_reply(message: Message) -> bool:
    """Whether a person's mailbox answered by itself: on vacation, or out of office."""
    if message["x-failed-recipients"]:
        return False
    precedence = str(message.get("precedence", "")).strip().lower()
    is_marked = any(message[name] for name in ("x-autoreply", "x-autorespond", "x-auto-reply"))
    if is_marked or precedence in {"auto_reply", "auto-reply"}:
        return True
    if _REPLIED.match(_find_subject(message)):
        return True
    # Mail systems mark their reports like that, too. Both are sent from nobody.
    submitted = str(message.get("auto-submitted", "")).lower()
    sender = str(message.get("from", "")).lower()
    is_from_system = "mailer-daemon" in sender or "postmaster" in sender
    return submitted.startswith(("auto-replied", "auto-notified")) and not is_from_system


def _find_subject(message: Message) -> str:
    raw = str(message.get("subject", ""))
    try:
        return str(make_header(decode_header(raw))).strip()
    except Exception:  # noqa: BLE001 - wrong encodings raise anything
        return raw.strip()


# --- words


def _find_part(message: Message, content_type: str) -> Message | None:
    parts = message.walk()
    return next((part for part in parts if part.get_content_type() == content_type), None)


def _find_reason(message: Message, named: frozenset[str]) -> str:
    """The lines of a report in words that have a code in them, or else what follows an address."""
    lines = [line.strip() for line in _find_text(message).splitlines() if line.strip()]
    said = [line for line in lines if _SAID.search(line)]
    if not said:
        said = [after for line, after in pairwise(lines) if any(a in line.lower() for a in named)]
    return _in_one_line(" ".join(said[:3]))


def _find_text(message: Message) -> str:
    """The first text of a message, without that of the message that came back."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            text = _decode(part)[:_MOST_TEXT].decode("utf-8", "replace")
            return _ORIGINAL.split(text, maxsplit=1)[0]
    return ""


def _decode(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _in_one_line(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_MOST_REASON]
