"""A reader of the database, as of a stolen backup, opens nothing with what is in it (SQLite)."""

import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from itsdangerous import URLSafeSerializer

from tests.support.cast import ALICE, BASE_URL, BOOKS, CONFIG, NOW, Cast, fill
from tests.support.referees import REF_BOOKS, apply
from tests.web.client import WebClient, settle_all
from tests.web.signing import ask
from tracker.db.engine import open_engine, reading, writing
from tracker.db.tables import METADATA
from tracker.jobs.runner import run_due
from tracker.mail import outbox
from tracker.master_key import MasterKey, MasterKeyError
from tracker.notifications.context import open_context
from tracker.notifications.reference_mail import ask_referee

SECRET_LINK = re.compile(rf"{BASE_URL}(/[\w/-]*?/[\w.-]{{20,}})")
HOME = "alice@home.example.net"


def fill_with_secrets(web: WebClient) -> set[str]:
    """A waiting code of each kind, reminders, digests, a referee, and a calendar: the links."""
    cast = web.cast
    link, code = ask(web, web.visit())
    alice = web.visit(ALICE)
    alice.post("/profile/second-address", {"email": HOME})
    alice.post("/takeaways/calendar")
    web.settle()
    with writing(cast.engine) as session:
        cookie = alice.client.cookies["session"]
        application = apply(session, cast.people[ALICE])
        values = {"application_id": application, "email": "pat@example.org", "name": "Pat"}
        reference = METADATA.tables["reference"]
        number = session.connection().execute(
            reference.insert()
            .values(**values, role="supervisor", named_at=NOW, vetted=False, role_confirmed=False)
            .returning(reference.c.id)
        )
        ask_referee(web.app.state.site, session, number.scalar_one(), NOW)
    settings = cast.settings.model_copy(update={"config_dir": CONFIG})
    list(run_due(open_context(settings, BOOKS, cast.engine), NOW, lambda: NOW))
    page = alice.get("/takeaways").text
    calendar = re.findall(rf"{BASE_URL}(/calendar/[\w.-]+)", page)[0]
    links = set(SECRET_LINK.findall("\n".join(web.mails())))
    return {link, code, cookie, calendar, *links}


def texts_of(cast: Cast) -> set[str]:
    """Every text in the database, and every part of one that could be a secret."""
    found: set[str] = set()
    for table in METADATA.tables:
        for row in cast.rows(table) if table != "outbox" else raw_outbox(cast):
            for value in row.values():
                text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                found |= {text, *re.findall(r"[\w.-]{9,}", text)}
    return found


def raw_outbox(cast: Cast) -> list[dict[str, object]]:
    with reading(cast.engine) as session:
        rows = session.connection().execute(METADATA.tables["outbox"].select()).mappings()
        return [dict(row) for row in rows]


@pytest.fixture
def web(sqlite_url: str) -> WebClient:
    return WebClient(fill(sqlite_url), rulebooks=REF_BOOKS)


def test_no_secret_can_be_read_in_the_file(web: WebClient) -> None:
    secrets = fill_with_secrets(web)
    kinds = {re.sub(r"/[\w.-]{20,}", "", secret) for secret in secrets if "/" in secret}
    assert kinds >= {"/sign-in", "/calendar", "/reference", "/profile/second-address"}
    settle_all()
    web.cast.engine.dispose()
    file = Path(str(web.cast.engine.url.database))
    contents = b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))
    for secret in secrets:
        for text in (secret.rpartition("/")[2], unquote(secret), secret.replace(" ", "")):
            assert text.encode() not in contents, secret


def test_nothing_in_the_database_opens_anything(web: WebClient) -> None:
    fill_with_secrets(web)
    thief = web.visit()
    absent = {"/calendar": ".ics", "/reference": "", "/mail": "", "/unsubscribe": ""}
    texts = {text for text in texts_of(web.cast) if re.fullmatch(r"[\w.=-]{9,300}", text, re.ASCII)}
    assert len(texts) > 50
    for text in sorted(texts):
        for path, ending in absent.items():
            assert thief.get(f"{path}/{text}{ending}").status_code in {404, 405}, path
        assert thief.post(f"/sign-in/{text}", {}).status_code == 422
        thief.client.cookies.set("session", text)
        assert thief.get("/my-year").status_code == 303
        thief.client.cookies.clear()


def test_nothing_in_the_database_signs_a_link(web: WebClient) -> None:
    fill_with_secrets(web)
    [feed] = web.cast.rows("calendar_feed")
    content = [feed["person_id"], feed["nonce"]]
    for key in sorted(texts_of(web.cast)):
        token = URLSafeSerializer(key, salt="calendar").dumps(content)
        assert web.visit().get(f"/calendar/{token}.ics").status_code == 404


def test_the_program_itself_cannot_use_a_stolen_database(web: WebClient) -> None:
    fill_with_secrets(web)
    thief = open_engine(web.cast.url, master_key=MasterKey("a-key-that-a-thief-has-made-up-000"))
    with pytest.raises(MasterKeyError):
        outbox.claim(thief, NOW, 10, timedelta(minutes=5))
    thief.dispose()
    assert {row["state"] for row in web.cast.rows("outbox")} == {"waiting"}


def test_a_sent_message_keeps_no_text(web: WebClient) -> None:
    fill_with_secrets(web)
    claimed = outbox.claim(web.cast.engine, web.now, 100, timedelta(minutes=5))
    sent, dropped, failed, *_ = claimed
    with writing(web.cast.engine) as session:
        outbox.mark_sent(session, [sent], web.now)
        outbox.mark_dropped(session, dropped, web.now, "over")
        outbox.mark_failed(session, failed, web.now, "550", recipient_refused=False)
    ids = {sent.id, dropped.id, failed.id}
    rows = [row for row in raw_outbox(web.cast) if row["id"] in ids]
    assert {row["body"] for row in rows} == {b""}
    assert all(row["kind"] and row["recipient"] and row["subject"] for row in rows)


def test_a_waiting_code_is_dropped_when_it_expires(web: WebClient) -> None:
    ask(web, web.visit())
    web.pass_time(minutes=10)
    assert outbox.claim(web.cast.engine, web.now, 10, timedelta(minutes=5)) == []
    [row] = raw_outbox(web.cast)
    assert (row["state"], row["body"]) == ("dropped", b"")
    assert json.dumps(row["last_error"]) == '"the code has expired"'
