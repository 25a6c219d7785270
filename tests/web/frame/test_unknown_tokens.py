"""Links that need no sign-in: a token that is nobody's asks for no turn to write."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import Engine, delete
from sqlmodel import Session

from tests.support.cast import ALICE
from tests.support.referees import ANSWER
from tests.web.applying.test_references import Applying
from tests.web.client import WebClient, text_of
from tests.web.frame.test_small_pages import token_for
from tracker.db import writer
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.notification_preferences import create_choice_token
from tracker.web.pages import referee

FORMS = ("/unsubscribe/{}", "/unsubscribe/mail/{}", "/reference/{}", "/reference/{}/decline")
NOT_THERE = 404


def test_unknown_tokens_never_wait_to_write(
    sqlite_web: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever does ask for a turn fails here, and does not hang.
    monkeypatch.setattr(writer, "_SQLITE_TIMEOUT", 0.2)
    monkeypatch.setattr(referee, "writing", partial(writing, timeout=0.2))
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

    @contextmanager
    def after_the_removal(engine: Engine) -> Iterator[Session]:
        with writing(engine) as session:
            session.connection().execute(delete(METADATA.tables["reference"]))
        with writing(engine) as session:
            yield session

    monkeypatch.setattr(referee, "writing", after_the_removal)
    answer = page.pat.post(f"{link}{end}", ANSWER)
    assert answer.status_code == NOT_THERE
    assert text_of(answer).startswith("This link does not work.")
