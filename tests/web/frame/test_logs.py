"""What is logged says what went wrong and where, and nothing that anybody typed or was sent."""

import asyncio
import json
import logging
import logging.config
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlencode

import pytest
import structlog
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy.exc import IntegrityError
from starlette.types import Message

from tests.support.cast import ALICE, BASE_URL
from tests.web.client import TRAINING, WebClient
from tests.web.signing import CODE
from tracker import logs
from tracker.logs import (
    ForeignLogFilter,
    ForeignLogFormatter,
    configure_logs,
    describe_error,
    server_log_config,
)

SECRET = "SECRET-REASON"


@pytest.fixture(autouse=True)
def _as_served() -> Iterator[None]:
    configure_logs()
    yield
    structlog.reset_defaults()


def refuse(web: WebClient, table: str) -> None:
    """Have the database refuse every new row, as a full disk would."""
    with web.cast.engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER full_{table} BEFORE INSERT ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{SECRET}'); END"
        )


def record(error: BaseException, message: str) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__)
    return logging.LogRecord("uvicorn.error", logging.ERROR, "", 1, message, None, info)


def test_a_failed_sign_in_logs_no_secrets(
    sqlite_web: WebClient, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(sqlite_web, "outbox")
    visitor = sqlite_web.visit()
    visitor.post("/sign-in", {"email": ALICE})
    sqlite_web.settle()
    written = capsys.readouterr()
    line = json.loads(written.err)
    assert (line["event"], line["level"]) == ("work failed", "error")
    assert "sqlite3.IntegrityError SQLITE_CONSTRAINT_TRIGGER\n" in line["exception"]
    assert "sign_in" in line["exception"]
    for secret in (ALICE, SECRET, *visitor.client.cookies.values()):
        assert secret not in written.err + written.out
    assert not re.search(rf"{CODE}|{CODE.replace('-', '')}", line["exception"])


def test_log_lines_carry_the_request_id(
    sqlite_web: WebClient, capsys: pytest.CaptureFixture[str]
) -> None:
    for table in ("outbox", "entry"):
        refuse(sqlite_web, table)
    cookies = sqlite_web.visit(ALICE).client.cookies
    client = TestClient(sqlite_web.app, cookies=cookies, raise_server_exceptions=False)
    origin = {"Origin": BASE_URL, "X-Request-ID": SECRET}
    form = {**TRAINING, "form_key": "0" * 32}
    answers = [
        client.post("/sign-in", data={"email": ALICE}, headers=origin, follow_redirects=False),
        client.post("/log", data=form, headers=origin),
        client.get("/healthz"),
    ]
    sqlite_web.settle()
    assert [answer.status_code for answer in answers] == [303, 500, 200]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len({*ids}) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = {(line["event"], line["request_id"]) for line in lines}
    assert found == {("work failed", ids[0]), ("a page failed", ids[1])}


def test_server_log_lines_carry_the_request_id(sqlite_web: WebClient) -> None:
    refuse(sqlite_web, "entry")
    cookie = sqlite_web.visit(ALICE).client.cookies["session"]
    body = urlencode({**TRAINING, "form_key": "0" * 32}).encode()
    headers = {
        "host": "testserver",
        "origin": BASE_URL,
        "cookie": f"session={cookie}",
        "content-type": "application/x-www-form-urlencoded",
    }
    scope = {
        "type": "http", "method": "POST", "path": "/log", "query_string": b"", "scheme": "http",
        "http_version": "1.1", "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }  # fmt: skip
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    async def answer_as_uvicorn_does() -> str:
        with pytest.raises(Exception, match=SECRET) as caught:
            await sqlite_web.app(scope, receive, send)
        return ForeignLogFormatter().format(record(caught.value, "Exception in ASGI application\n"))

    line = json.loads(asyncio.run(answer_as_uvicorn_does()))
    assert sent[0]["status"] == 500
    assert line["request_id"].encode() == dict(sent[0]["headers"])[b"x-request-id"]


def test_a_failed_save_logs_nothing_typed(sqlite_web: WebClient) -> None:
    refuse(sqlite_web, "entry")
    with pytest.raises(Exception, match=SECRET) as caught:
        sqlite_web.visit(ALICE).log({**TRAINING, "title": "SECRET-TITLE"})
    line = json.loads(
        ForeignLogFormatter().format(record(caught.value, "Exception in ASGI application\n"))
    )
    assert line["event"] == "Exception in ASGI application"
    assert "entries.py" in line["exception"]
    assert "SECRET" not in json.dumps(line)


def test_database_errors_show_no_parameters(sqlite_web: WebClient) -> None:
    with (
        pytest.raises(IntegrityError) as caught,
        sqlite_web.cast.engine.begin() as connection,
    ):
        connection.exec_driver_sql("INSERT INTO person (email) VALUES (?)", (SECRET,))
    assert SECRET not in str(caught.value)
    assert SECRET not in describe_error(caught.value)


def test_errors_logged_as_text_lose_their_message() -> None:
    text = f'Traceback (most recent call last):\n  File "a.py", line 1\n    x\nValueError: {SECRET}'
    line = ForeignLogFormatter().format(
        logging.LogRecord("uvicorn.error", 40, "", 1, text, None, None)
    )
    assert json.loads(line)["exception"] == '  File "a.py", line 1\nValueError'


def test_server_log_lines_look_like_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    structlog.get_logger().warning("one of ours")
    ours = json.loads(capsys.readouterr().err)
    said = logging.LogRecord("uvicorn.error", 20, "", 1, "Started process [%d]\n", (7,), None)
    theirs = json.loads(ForeignLogFormatter().format(said))
    assert [*theirs] == ["event", "logger", "level", "timestamp"]
    assert [*ours] == ["event", "level", "timestamp"]
    assert (theirs["event"], theirs["level"]) == ("Started process [7]", "info")
    at = [datetime.fromisoformat(line["timestamp"]) for line in (ours, theirs)]
    assert at[0] <= at[1]


def test_repeated_lines_are_counted_and_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1000):
        structlog.get_logger().warning("refused", request=number)
    structlog.get_logger().warning("another kind")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("repeated") for line in lines] == [*[None] * 10, 100, 1000, None]
    assert lines[-1]["event"] == "another kind"


def test_repeated_lines_are_logged_again_after_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seconds in (0.0, 59.0, 60.0):
        monkeypatch.setattr(logs, "stopwatch", lambda now=seconds: now)
        for _ in range(11):
            structlog.get_logger().warning("refused")
    assert len(capsys.readouterr().err.splitlines()) == 20


def test_repeated_server_errors_are_counted_by_their_place() -> None:
    def failed(error: Exception) -> logging.LogRecord:
        try:
            raise error
        except type(error) as raised:
            return record(raised, "Exception in ASGI application\n")

    lines = ForeignLogFilter()
    found = [failed(ValueError()) for _ in range(100)]
    assert sum(lines.filter(one) for one in found) == 11
    assert found[-1].getMessage() == "Exception in ASGI application (100 times within a minute)"
    assert lines.filter(failed(KeyError()))


def test_logs_on_a_terminal_are_plain_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logs()
    structlog.get_logger().warning("one of ours")
    said = logging.LogRecord("uvicorn.error", 20, "", 1, "Started", (), None)
    lines = [capsys.readouterr().err, ForeignLogFormatter().format(said)]
    plain = [re.sub(r"\x1b\[\d+m", "", line) for line in lines]
    assert all(re.match(r"20\d\d-\d\d-\d\dT\S+Z \[(warning|info)", line) for line in plain)


def test_a_process_without_a_server_uses_our_log_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("psycopg.pool")
    monkeypatch.setattr(logger, "propagate", False)
    logger.warning("can't connect\n%s", SECRET)
    try:
        int(SECRET)
    except ValueError:
        logger.exception("stopping worker")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["can't connect", "stopping worker"]
    assert all(line["logger"] == "psycopg.pool" for line in lines)
    assert SECRET not in str(lines)


def test_the_server_uses_our_log_format(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(logging.config, "dictConfig", given.append)
    uvicorn.Config("none:none", log_config=server_log_config())
    assert given
    assert (
        server_log_config()["formatters"]["lines"]["()"]
        == f"{ForeignLogFormatter.__module__}.{ForeignLogFormatter.__name__}"
    )
