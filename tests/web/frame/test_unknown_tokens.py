"""Links that need no sign-in: an unknown token never waits for the write lock."""

from collections.abc import Callable

import pytest
from sqlmodel import Session, delete

from tests.support.cast import ALICE
from tests.support.referees import ANSWER
from tests.web.applying.test_references import Applying
from tests.web.client import WebClient, text_of
from tests.web.frame.test_small_pages import token_for
from tracker.db import writer
from tracker.db.applications import Reference
from tracker.db.engine import writing
from tracker.db.writer import Writer
from tracker.services.notification_preferences import create_choice_token

FORMS = ("/unsubscribe/{}", "/unsubscribe/mail/{}", "/reference/{}", "/reference/{}/decline")
NOT_THERE = 404


def test_unknown_tokens_never_wait_to_write(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A request that waits to write fails here, and does not hang.
    monkeypatch.setattr(writer, "_SQLITE_TIMEOUT", 0.2)
    page = Applying(sqlite_web.cast)
    page.name()
    token = token_for(sqlite_web.cast.engine)
    with writing(sqlite_web.cast.engine) as session:
        create_choice_token(session, sqlite_web.cast.people[ALICE], ["membership"])
    told = {path: page.pat.post(path.format("x"), ANSWER) for path in FORMS}
    with writing(sqlite_web.cast.engine):
        for path, before in told.items():
            for strange in ("x", f"{token}x"):
                answer = page.pat.post(path.format(strange), ANSWER)
                assert (answer.status_code, answer.content) == (NOT_THERE, before.content)


@pytest.mark.parametrize("end", ["", "/decline"])
def test_a_removed_referee_finds_no_form(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    page = Applying(sqlite_web.cast)
    link = page.name()

    save = Writer.run

    def save_after_removal(self: Writer, work: Callable[[Session], object]) -> object:
        with writing(page.web.cast.engine) as session:
            session.exec(delete(Reference))
        return save(self, work)

    monkeypatch.setattr(Writer, "run", save_after_removal)
    answer = page.pat.post(f"{link}{end}", ANSWER)
    assert answer.status_code == NOT_THERE
    assert text_of(answer).startswith("This page does not exist.")
