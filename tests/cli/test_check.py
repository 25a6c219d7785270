"""`tracker check`: each finding where it belongs, and none where all is well."""

# ruff: noqa: S608 - what goes into the statements is written in this file

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from sqlalchemy import make_url, text
from typer.testing import CliRunner, Result

from tests.mail.sink import Sink
from tests.support.cast import ALICE, acting, fill
from tracker import clock
from tracker.checks.environment import Finding, Level
from tracker.cli.check import run_checks
from tracker.cli.main import app
from tracker.db.engine import open_engine, writing
from tracker.services.evidence import ReceivedFile, keep_files

CONFIG = Path(__file__).parents[2] / "config"
SETTINGS = """
base_url = "https://hours.example.org"
[mail]
sender = "Renewals <renewals@hours.example.org>"
timeout_seconds = 2
[[coordinators]]
email = "dana@example.org"
name = "Dana"
association = "NCIMHA"
"""


class Mailbox:
    """Takes mail, except for those named noone."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: object, _session: Session, envelope: Envelope, to: str, _options: list[str]
    ) -> str:
        if to.startswith("noone"):
            return "550 nobody of that name"
        envelope.rcpt_tos.append(to)
        return "250 fine"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: object, _session: Session, envelope: Envelope
    ) -> str:
        self.taken.append(envelope)
        return "250 taken"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of config/ with settings in which nothing is amiss."""
    shutil.copytree(CONFIG, tmp_path / "config")
    (tmp_path / "config" / "tracker.toml").write_text(SETTINGS)
    monkeypatch.setenv("TRACKER_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """Give a real server on a free port, without encryption, and point the settings to it."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    monkeypatch.setenv("TRACKER_SMTP_URL", f"smtp://127.0.0.1:{controller.port}?tls=none")
    yield box
    controller.stop()


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a private, migrated database that the settings name."""
    return named(database_url, monkeypatch)


@pytest.fixture
def sqlite_store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same on SQLite, for what is said of other things."""
    return named(sqlite_url, monkeypatch)


def named(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TRACKER_DATABASE_URL", url)
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).chmod(0o600)
    return url


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def checked(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", *words])


def found(test_address: str | None = None) -> list[str]:
    """Return the numbers of what was found."""
    return [f.id for f in run_checks(test_address) if isinstance(f, Finding)]


def execute(url: str, *statements: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


PERSON = (
    "INSERT INTO person (id, email, name, highest_degree, provides_rsc) "
    "VALUES (1, 'alice@example.org', 'Alice', 'none', false)"
)


MEMBERSHIP = (
    "INSERT INTO membership (person_id, organization, starts_on, ends_on) "
    "VALUES (1, 'NOWHERE', '2024-01-01', '2024-12-31')"
)


def endorsed(association: str, category: str) -> str:
    return (
        "INSERT INTO endorsement (person_id, association, category, starts_on) "
        f"VALUES (1, '{association}', '{category}', '2024-01-01')"
    )


def ran(job: str, day: str) -> str:
    return (
        "INSERT INTO run_ledger (job, association, local_date, started_at, finished_at, report) "
        f"VALUES ('{job}', 'NCIMHA', '{day}', '{day} 07:00:00', '{day} 07:00:01', '{{}}')"
    )


def mail(key: str, state: str, day: str) -> str:
    return (
        "INSERT INTO outbox (dedupe_key, message_id, kind, recipient, subject, body, state, "
        "attempts, created_at, next_attempt_at, fence, last_error, finished_at) VALUES "
        f"('{key}', '<{key}@x>', 'notices', 'a@b.org', 'Hours', '', '{state}', 1, "
        f"'{day} 00:00:00', '{day} 00:00:00', 0, '550 unknown', '{day} 00:00:01')"
    )


@pytest.mark.usefixtures("folder", "store", "mailbox")
def test_nothing_is_found_where_all_is_well() -> None:
    done = checked()
    assert done.exit_code == 0, done.stdout
    assert "0 problems, 0 warnings." in done.stdout
    assert found() == []


@pytest.mark.usefixtures("folder", "store", "mailbox")
def test_facts_are_told_of_what_is_well() -> None:
    lines = checked().stdout
    for fact in ("settings: ", "rulebooks: ", "time zones: it is now ", "schema", "mail server: "):
        assert fact in lines
    assert "SQLite" in lines or "PostgreSQL" in lines


@pytest.mark.usefixtures("folder", "sqlite_store")
def test_a_problem_is_numbered_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_SMTP_URL", f"smtp://127.0.0.1:{free_port()}?tls=none")
    done = checked()
    assert done.exit_code == 1
    assert "problem  T705 the mail server 127.0.0.1:" in done.stdout
    assert "Hint: Correct TRACKER_SMTP_URL" in done.stdout
    assert "1 problem, 0 warnings." in done.stdout


@pytest.mark.usefixtures("folder", "sqlite_store")
def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("TRACKER_SMTP_URL", f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        assert "T705" in found()


@pytest.mark.usefixtures("folder", "sqlite_store", "mailbox")
def test_a_server_without_starttls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    url = os.environ["TRACKER_SMTP_URL"]
    monkeypatch.setenv("TRACKER_SMTP_URL", url.removesuffix("?tls=none"))
    assert found() == ["T705"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a key and a certificate for 127.0.0.1 that signs itself."""
    folder = tmp_path_factory.mktemp("certificate")
    key, signed = folder / "key.pem", folder / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(signed)]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)
    return key, signed


def let_in(
    _server: object, _session: object, _envelope: object, _how: str, who: object
) -> AuthResult:
    assert isinstance(who, LoginPassword)
    return AuthResult(success=who.password == b"sesame")


@pytest.fixture
def guarded(certificate: tuple[Path, Path]) -> Iterator[tuple[int, Path]]:
    """Give port and CA file of a server with STARTTLS that lets in who knows the password."""
    key, signed = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(signed, key)
    controller = Controller(
        Mailbox(),
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=let_in,
        auth_required=True,
    )
    controller.start()
    yield controller.port, signed
    controller.stop()


@pytest.mark.usefixtures("folder", "sqlite_store")
@pytest.mark.parametrize(
    ("login", "with_ca", "expected"),
    [
        ("bo:sesame", True, []),
        ("bo:geheim", True, ["T705"]),
        ("bo:sesame", False, ["T705"]),
    ],
)
def test_encryption_certificate_and_login_are_tried(
    guarded: tuple[int, Path],
    monkeypatch: pytest.MonkeyPatch,
    login: str,
    with_ca: bool,  # noqa: FBT001 - a column of the table above
    expected: list[str],
) -> None:
    port, signed = guarded
    query = f"?ca={signed}" if with_ca else ""
    monkeypatch.setenv("TRACKER_SMTP_URL", f"smtp://{login}@127.0.0.1:{port}{query}")
    said = checked().stdout
    assert re.findall(r"^\w+ +(T\d+)", said, re.MULTILINE) == expected
    assert "geheim" not in said


@pytest.mark.usefixtures("folder", "store")
def test_a_rejected_ehlo_name_is_hinted_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink() as sink:
        rejection = b"550 5.7.1 Helo command rejected: invalid name\r\n"
        sink.answers = {"EHLO": rejection, "HELO": rejection}
        monkeypatch.setenv("TRACKER_SMTP_URL", sink.url)
        [finding] = [f for f in run_checks(None) if isinstance(f, Finding)]
    assert finding.id == "T705"
    assert finding.hint.startswith("The server rejects the name")
    assert "mail.ehlo_name" in finding.hint


@pytest.mark.usefixtures("folder", "store")
def test_a_test_mail_arrives(mailbox: Mailbox) -> None:
    done = checked("--send-test-mail", "erin@example.org")
    assert done.exit_code == 0
    assert "the server accepted it for erin@example.org" in done.stdout
    (taken,) = mailbox.taken
    assert taken.rcpt_tos == ["erin@example.org"]
    assert b"https://hours.example.org" in bytes(taken.original_content or b"")


@pytest.mark.usefixtures("folder", "store", "mailbox")
@pytest.mark.parametrize("address", ["noone@example.org", "no address", "a@b\nBcc: c@d.org"])
def test_a_rejected_test_message_is_a_problem(address: str) -> None:
    assert found(address) == ["T706"]


@pytest.mark.usefixtures("folder", "store", "mailbox")
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TRACKER_MAIL__CONNECTIONS", "0", ["T101"]),
        ("TRACKER_CONFIG_DIR", "/nowhere", ["T102"]),
        ("TRACKER_DATABSE_URL", "x", ["T104"]),
        ("TRACKER_BASE_URL", "https://", ["T101"]),
        ("TRACKER_BASE_URL", "http://localhost:8000", ["T106"]),
        ("TRACKER_BASE_URL", "http://hours.example.org", ["T107"]),
        ("TRACKER_DATABASE_URL", "postgresql+psycopg://u:p@127.0.0.1:1/x", ["T201"]),
        ("TRACKER_DATABASE_URL", "nonsense", ["T101"]),
        ("TRACKER_MAIL__SENDER", "Renewals", ["T101"]),
        ("TRACKER_MAIL__SENDER", "Renewals <renewals@localhost>", ["T702"]),
        ("TRACKER_SMTP_URL", "http://x", ["T703"]),
        ("TRACKER_SMTP_URL", "smtp://mail.invalid:2525?tls=none", ["T704", "T705"]),
    ],
)
def test_a_setting_that_is_amiss_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert [n for n in found() if not n.startswith(("T3", "T103"))][: len(expected)] == expected


@pytest.mark.usefixtures("store", "mailbox")
def test_defaults_in_place_of_a_file_are_told(folder: Path) -> None:
    (folder / "tracker.toml").unlink()
    assert "T103" in found()


@pytest.mark.usefixtures("store", "mailbox")
@pytest.mark.parametrize("file", ["rulebooks/ncimha.toml", "notices.toml", "organizations.toml"])
def test_a_broken_rule_is_found_with_its_file(folder: Path, file: str) -> None:
    (folder / file).write_text("words = 1\n")
    assert set(found()) == {"T301"}
    assert Path(file).name in checked().stdout


@pytest.mark.usefixtures("store", "mailbox")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('association = "NOWHERE"', "T302"),
        ('email = "dana"', "T101"),
    ],
)
def test_a_coordinator_that_cannot_be_is_found(folder: Path, line: str, expected: str) -> None:
    lines = (folder / "tracker.toml").read_text().splitlines()
    key = line.partition(" ")[0]
    kept = [old for old in lines if not old.startswith(f"{key} ")]
    (folder / "tracker.toml").write_text("\n".join([*kept, line]))
    assert found() == [expected]


@pytest.mark.usefixtures("store", "mailbox")
def test_a_date_for_an_unknown_association_is_found(folder: Path) -> None:
    text_ = "[judge_renewals_due_from]\nNOWHERE = 2027-01-01\n"
    (folder / "tracker.toml").write_text(f"{SETTINGS}\n{text_}")
    assert found() == ["T304"]


@pytest.mark.usefixtures("store", "mailbox")
def test_settings_of_an_unknown_association_are_found(folder: Path) -> None:
    text_ = '[associations.ncimah.schedule]\ndigest_on = "friday"\n'
    (folder / "tracker.toml").write_text(f"{SETTINGS}\n{text_}")
    assert found() == ["T307"]
    assert "did you mean NCIMHA?" in checked().stdout


@pytest.mark.usefixtures("store", "mailbox")
def test_steps_of_an_unknown_association_are_found(folder: Path) -> None:
    with (folder / "notices.toml").open("a") as file:
        file.write("[associations.CTAIMH.lapse]\nnotify = false\n")
    assert set(found()) == {"T301"}
    assert "did you mean CT-AIMH?" in checked().stdout


@pytest.mark.usefixtures("store", "mailbox")
def test_own_times_and_senders_are_shown(folder: Path) -> None:
    own = '[associations.NCIMHA.mail]\nsender = "NCIMHA <renewals@localhost>"\n'
    own += '[associations.NCIMHA.schedule]\ndigest_on = "friday"\n'
    (folder / "tracker.toml").write_text(f"{SETTINGS}\n{own}")
    assert found() == ["T702"]
    stdout = checked().stdout
    assert "NCIMHA: evaluation at 02:00, notices at 07:00, digest on Friday at 08:00" in stdout
    assert "Set associations.NCIMHA.mail.sender to an address of your own domain" in stdout


@pytest.mark.usefixtures("mailbox")
def test_a_date_that_no_longer_counts_is_found(store: str, folder: Path) -> None:
    execute(
        store,
        "INSERT INTO association_start (association, first_day, is_chosen, reason, set_at, set_by) "
        "VALUES ('NCIMHA', '2026-01-01', true, 'r', '2026-01-01 00:00:00', 'tracker first-day')",
    )
    text_ = "[judge_renewals_due_from]\nNCIMHA = 2027-01-01\n"
    (folder / "tracker.toml").write_text(f"{SETTINGS}\n{text_}")
    assert found() == ["T305"]


@pytest.mark.usefixtures("folder", "mailbox")
def test_a_first_day_that_nobody_chose_is_found(store: str) -> None:
    execute(
        store,
        "INSERT INTO association_start (association, first_day, is_chosen, reason, set_at, set_by) "
        "VALUES ('NCIMHA', '2026-01-01', false, 'r', '2026-01-01 00:00:00', 'tracker import')",
    )
    assert found() == ["T306"]


@pytest.mark.usefixtures("folder", "mailbox")
def test_an_empty_database_is_a_warning(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", empty_database_url)
    assert found() == ["T202"]
    assert checked().exit_code == 0


@pytest.mark.usefixtures("folder", "mailbox")
def test_looking_makes_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{tmp_path}/new/tracker.db")
    assert found() == ["T202"]
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("folder", "mailbox")
def test_an_older_schema_is_a_problem(store: str) -> None:
    execute(store, "UPDATE alembic_version SET version_num = '0000'")
    assert found() in (["T203"], ["T201"])
    assert checked().exit_code == 1


@pytest.mark.usefixtures("folder", "mailbox")
def test_another_programs_database_is_a_problem(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(empty_database_url, "CREATE TABLE theirs (id INTEGER)")
    monkeypatch.setenv("TRACKER_DATABASE_URL", empty_database_url)
    assert found()[-1] == "T201"


@pytest.mark.usefixtures("folder", "mailbox")
def test_a_read_only_database_is_a_problem(
    postgres_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No right can be taken from root, who may run this: so PostgreSQL shows it for both.
    name = make_url(postgres_database_url).database
    execute(postgres_database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    monkeypatch.setenv("TRACKER_DATABASE_URL", postgres_database_url)
    assert found() == ["T204"]


@pytest.mark.usefixtures("folder", "mailbox")
def test_a_database_that_everyone_can_read_is_found(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).chmod(0o644)
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    assert found() == ["T205"]


@pytest.mark.usefixtures("folder", "mailbox")
@pytest.mark.parametrize(
    ("megabytes", "expected"), [(1000, []), (999, ["T206"]), (100, ["T206"]), (99, ["T207"])]
)
def test_a_full_disk_is_found(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, megabytes: int, expected: list[str]
) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).chmod(0o600)
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    usage = shutil.disk_usage("/")._replace(free=megabytes * 1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    assert found() == expected


@pytest.mark.usefixtures("folder", "mailbox")
def test_an_unsafe_upload_folder_is_found(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).chmod(0o600)
    monkeypatch.setenv("TRACKER_DATABASE_URL", sqlite_url)
    before = found()
    (tmp_path / "no folder").touch()
    (tmp_path / "open").mkdir(mode=0o755)
    told = []
    for name in ("no folder/evidence", "open", "made later"):
        monkeypatch.setenv("TRACKER_EVIDENCE_DIR", str(tmp_path / name))
        told.append([number for number in found() if number not in before])
    assert told == [["T210"], ["T211"], []]
    assert not (tmp_path / "made later").exists()
    cast = fill(sqlite_url)
    with writing(cast.engine) as session:
        file = ReceivedFile("a.pdf", "application/pdf", 1, "", "gone")
        keep_files(acting(session, cast, ALICE), "", [file], cast.entries["rsc"])
    cast.engine.dispose()
    assert "T212" in found()


@pytest.mark.usefixtures("folder", "mailbox")
def test_a_relative_database_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKER_DATABASE_URL", "sqlite:///tracker.db")
    assert found() == ["T209", "T202"]


@pytest.mark.usefixtures("folder", "mailbox")
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (endorsed("NOWHERE", "IFS"), "T401"),
        (endorsed("NCIMHA", "XYZ"), "T402"),
        (MEMBERSHIP, "T403"),
        (endorsed("CT-AIMH", "IFS"), "T404"),
        (endorsed("NCIMHA", "IFS"), "T501"),
    ],
)
def test_rows_that_nothing_knows_are_found(store: str, statement: str, expected: str) -> None:
    execute(store, PERSON, statement)
    assert expected in found()


@pytest.mark.usefixtures("folder", "mailbox")
def test_an_association_whose_digest_nobody_gets_is_found(store: str) -> None:
    execute(store, PERSON, endorsed("NCIMHA", "IFS"))
    assert "T405" not in found()
    ended = "('dana@example.org', 'digest', 'NCIMHA', '2026-03-01 00:00:00')"
    execute(store, f"INSERT INTO unsubscribed (email, kind, association, at) VALUES {ended}")
    assert "T405" in found()
    assert "nobody gets the digest of NCIMHA: dana@example.org" in checked().stdout


@pytest.mark.usefixtures("folder", "mailbox")
@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-03-09", ["T502"]), ("2026-03-10", []), ("2026-03-12", []), ("2026-03-15", ["T503"])],
)
def test_a_job_that_stopped_running_is_found(
    store: str, monkeypatch: pytest.MonkeyPatch, day: str, expected: list[str]
) -> None:
    at_noon(monkeypatch)
    execute(store, PERSON, endorsed("NCIMHA", "IFS"), ran("evaluate", day))
    assert found() == expected


@pytest.mark.usefixtures("folder", "mailbox")
def test_runs_far_ahead_are_a_problem(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_noon(monkeypatch)
    execute(store, ran("evaluate", "2027-11-30"))
    [ahead] = [one for one in run_checks(None) if isinstance(one, Finding)]
    assert (ahead.id, ahead.level) == ("T503", Level.PROBLEM)
    assert "up to 2027-11-30" in ahead.message
    assert "restore the backup from before" in ahead.hint


@pytest.mark.usefixtures("folder", "mailbox")
@pytest.mark.parametrize(
    ("state", "day", "expected"),
    [
        ("waiting", "2026-03-10", ["T601"]),
        ("waiting", "2026-03-12", []),
        ("waiting", "2026-03-14", ["T603"]),
        ("failed", "2026-03-10", ["T602"]),
        ("failed", "2026-03-01", []),
        ("sent", "2026-03-01", []),
    ],
)
def test_mail_that_does_not_leave_is_found(
    store: str, monkeypatch: pytest.MonkeyPatch, state: str, day: str, expected: list[str]
) -> None:
    at_noon(monkeypatch)
    execute(store, mail("a", state, day))
    assert found() == expected


def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it noon in UTC on March 12, 2026, for all that asks the clock."""
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 12, 12, tzinfo=UTC))


@pytest.mark.usefixtures("folder", "sqlite_store", "mailbox")
def test_a_mailbox_for_returned_mail_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__MAILBOX", f"maildir://{tmp_path}/bounces")
    assert found() == ["T707", "T708", "T709"]
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__ADDRESS", "bounces@hours.example.org")
    for name in ("new", "cur", "tmp"):
        (tmp_path / "bounces" / name).mkdir(parents=True)
    (tmp_path / "bounces" / "cur" / "1:2,F").write_bytes(b"what is this?")
    assert found() == ["T710", "T709"]


@pytest.mark.usefixtures("folder", "sqlite_store", "mailbox")
def test_messages_of_another_user_are_found_in_the_mailbox(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "bounces" / name).mkdir(parents=True)
    (tmp_path / "bounces" / "new" / "1").write_bytes(b"whose is this?")
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__MAILBOX", f"maildir://{tmp_path}/bounces")
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__ADDRESS", "bounces@hours.example.org")
    # As root, nothing here is forbidden.
    monkeypatch.setattr("tracker.mail.mailboxes.os.access", lambda *_: False)
    assert found() == ["T708", "T709"]
    assert "1 message in the mailbox for returned mail can't be read" in checked().stdout


@pytest.mark.usefixtures("folder", "sqlite_store", "mailbox")
def test_a_mailbox_that_never_worked_says_why(
    sqlite_store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__MAILBOX", f"maildir://{tmp_path}/bounces")
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__ADDRESS", "bounces@hours.example.org")
    values = "(1, '2026-03-12 11:00:00', 'the server refused the login', 0)"
    execute(
        sqlite_store, f"INSERT INTO mailbox_read (id, tried_at, error, unclear) VALUES {values}"
    )
    assert found() == ["T708", "T709"]
    assert "was never read: the server refused the login" in checked().stdout


@pytest.mark.usefixtures("folder", "mailbox")
def test_a_mailbox_that_is_read_is_fine(
    sqlite_store: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "bounces" / name).mkdir(parents=True)
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__MAILBOX", f"maildir://{tmp_path}/bounces")
    monkeypatch.setenv("TRACKER_MAIL__BOUNCES__ADDRESS", "bounces@hours.example.org")
    now = clock.now().strftime("%Y-%m-%d %H:%M:%S")
    values = f"(1, '{now}', '{now}', 0)"
    execute(
        sqlite_store, f"INSERT INTO mailbox_read (id, tried_at, read_at, unclear) VALUES {values}"
    )
    assert found() == []
    assert "returned mail: last read at" in checked().stdout
