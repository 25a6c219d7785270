"""Endorsees see why hours with a declined provider do not count, and get one email about it."""

from dataclasses import replace

import pytest

from tests.support.cast import ALICE, BOOKS, CAROL, CONFIG, NOW, Cast
from tests.web.client import WebClient, text_of
from tracker.db.engine import writing
from tracker.mail.compose import load_composer
from tracker.notifications.provider_mail import notify_declined
from tracker.rulebooks import load_notice_configs
from tracker.services.context import Actor, ServiceContext
from tracker.services.provider_answers import decline_names, take_back_decline
from tracker.services.team import FixedTeam
from tracker.services.waiting_names import list_waiting_names
from tracker.settings import templates_folder

WHY = "NCIMHA did not confirm Jo Hart as an RSC provider: Jo left the field"


class MailParts:
    """What it takes to write a mail, without a site."""

    def __init__(self, cast: Cast) -> None:
        self.settings = cast.settings
        self.team = FixedTeam(self.settings)
        self.rulebooks = BOOKS
        self.notices = load_notice_configs(CONFIG, BOOKS.associations)
        self.composer = load_composer(templates_folder(), self.settings.base_url)


@pytest.fixture
def declined_web(web: WebClient) -> WebClient:
    """Jo Hart, whom Alice named, is declined."""
    with writing(web.cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)
        names = list_waiting_names(session, "NCIMHA", NOW.date())
        ids = decline_names(context, "NCIMHA", names, "Jo left the field.")
        # The cast's sessions came in a file; of those nobody is told.
        logged = [entry._replace(logged_at=NOW) for name in names for entry in name.entries]
        told = [replace(names[0], entries=tuple(logged))]
        for each in (names, told):
            declined = list(zip(each, ids, strict=True))
            notify_declined(MailParts(web.cast), context, "NCIMHA", declined)
    return web


def test_the_entry_says_why_and_what_to_do(declined_web: WebClient) -> None:
    alice = declined_web.visit(ALICE)
    words = text_of(alice.get(f"/entries/{declined_web.cast.entries['unknown']}"))
    assert WHY in words
    assert "If the name is wrong, correct it in the entry." in words
    assert "did not confirm Jo Hart" in text_of(alice.get("/my-year"))


def test_the_transcript_has_the_reason(declined_web: WebClient) -> None:
    path = f"/transcript/{declined_web.cast.endorsements[ALICE]}/2026-01-01.csv"
    assert WHY in declined_web.visit(ALICE).get(path).text


def test_one_email_names_the_sessions_and_the_reason(declined_web: WebClient) -> None:
    [mail] = declined_web.mails()
    words = " ".join(mail.split())
    assert "NCIMHA did not confirm Jo Hart as an RSC provider." in words
    assert "October 19, 2026: 1 hour" in words
    assert "NCIMHA writes: Jo left the field." in words
    [row] = declined_web.cast.rows("outbox")
    assert (row["recipient"], row["about_kind"]) == (ALICE, "declined_provider")


def test_a_name_that_waits_again_says_so(declined_web: WebClient) -> None:
    with writing(declined_web.cast.engine) as session:
        context = ServiceContext(session, BOOKS, Actor(CAROL, None, ("NCIMHA",)), NOW)
        take_back_decline(context, "NCIMHA", "jo hart")
    alice = declined_web.visit(ALICE)
    words = text_of(alice.get(f"/entries/{declined_web.cast.entries['unknown']}"))
    assert "Jo Hart is not yet confirmed as qualified" in words
