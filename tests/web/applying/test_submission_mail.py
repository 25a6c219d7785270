"""The email to coordinators about a submitted application, through delivery."""

import asyncio
from functools import partial

import pytest

from tests.mail.sink import Sink
from tests.support.cast import BOOKS, CAROL, CONFIG
from tests.web.applicants import NOW
from tests.web.applying.test_own_portfolio import start
from tests.web.client import WebClient
from tracker.jobs.recheck import recheck
from tracker.mail.delivery import deliver_once
from tracker.mail.smtp_connection import parse_server
from tracker.notifications.context import open_context


def deliver(web: WebClient) -> list[bytes]:
    """What a mail server takes for Carol, the coordinator."""
    settings = web.cast.settings.model_copy(update={"config_dir": CONFIG})
    engine = web.cast.engine
    context = open_context(settings, BOOKS, engine)
    with Sink() as sink:
        asyncio.run(
            deliver_once(
                engine,
                parse_server(sink.url),
                settings.mail,
                lambda: NOW,
                recheck=partial(recheck, context),
            )
        )
        return [taken.content for taken in sink.taken if taken.recipient == CAROL]


def test_coordinators_get_a_submitted_application(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web, key="NCIMHA/IFS")
    eve.post(f"{page}/status/submit")
    [mail] = deliver(applicant_web)
    assert b"Subject: Eve Chen has applied (NCIMHA IFS)" in mail


@pytest.mark.parametrize("change", ["take-back", "withdraw"])
def test_coordinators_get_none_that_is_no_longer_submitted(
    applicant_web: WebClient, change: str
) -> None:
    eve, page = start(applicant_web, key="NCIMHA/IFS")
    eve.post(f"{page}/status/submit")
    eve.post(f"{page}/status/{change}")
    assert deliver(applicant_web) == []
    [row] = applicant_web.cast.rows("outbox", recipient=CAROL)
    assert (row["state"], row["last_error"]) == ("dropped", "already answered or withdrawn")


def test_an_application_submitted_again_is_told_again(applicant_web: WebClient) -> None:
    eve, page = start(applicant_web, key="NCIMHA/IFS")
    eve.post(f"{page}/status/submit")
    eve.post(f"{page}/status/take-back")
    assert deliver(applicant_web) == []
    eve.post(f"{page}/status/submit")
    assert len(deliver(applicant_web)) == 1
