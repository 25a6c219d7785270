"""A mailing is saved, sent, or discarded at the same moment."""

import pytest
from sqlmodel import Session

from tests.support.cast import BOOKS, CAROL, NOW, Cast
from tests.support.overlap import overlap
from tracker.db.engine import writing
from tracker.services import mailings
from tracker.services.context import Actor, NotFound, Refused, ServiceContext
from tracker.services.mailing_rules import MailingTemplate
from tracker.services.mailings import MailingInput, begin_sending, discard_draft, save_draft

MAILING = MailingInput("NCIMHA", MailingTemplate.FREE, "A word", "Hello {name}", "All", (1,), "1")


def carol(session: Session) -> ServiceContext:
    return ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)


def codes(error: object) -> list[str]:
    assert isinstance(error, Refused), error
    return [one.code for one in error.refusals]


def test_a_late_draft_does_not_change_a_sent_mailing(cast: Cast) -> None:
    with writing(cast.engine) as session:
        save_draft(carol(session), MAILING, "Carol")
    overlap(
        cast.engine,
        lambda s: begin_sending(carol(s), MAILING, "Carol"),
        lambda s: save_draft(carol(s), MAILING._replace(text="Unfinished"), "Carol"),
    )
    [mailing] = cast.rows("mailing")
    assert (mailing["state"], mailing["text"]) == ("sent", MAILING.text)


def test_a_mailing_sent_meanwhile_is_not_discarded(cast: Cast) -> None:
    with writing(cast.engine) as session:
        mailing_id = save_draft(carol(session), MAILING, "Carol").id
    _, error = overlap(
        cast.engine,
        lambda s: begin_sending(carol(s), MAILING, "Carol"),
        lambda s: discard_draft(carol(s), mailing_id),
    )
    assert isinstance(error, NotFound)
    assert [row["state"] for row in cast.rows("mailing")] == ["sent"]


def test_two_mailings_at_once_keep_the_days_limit(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailings, "MAX_MAILINGS_A_DAY", 1)
    _, error = overlap(
        cast.engine,
        lambda s: begin_sending(carol(s), MAILING, "Carol"),
        lambda s: begin_sending(carol(s), MAILING._replace(form_key="2"), "Carol"),
    )
    assert codes(error) == ["mailing-day-limit"]
