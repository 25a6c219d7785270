"""The made-up roster is whole, and shows what it says it does, whatever day the demo starts on."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Engine, text

from tracker.db.engine import open_engine, reading
from tracker.db.signing_keys import body_cipher
from tracker.demo.people import Cast, create_cast
from tracker.demo.roster import write_roster
from tracker.demo.stage import Address, demo_settings, fill, list_logins
from tracker.demo.stories import add_made_up_rulebooks, load_stories
from tracker.jobs.runner import run_due
from tracker.notifications.context import JobContext, open_context
from tracker.rulebooks import load_rulebooks
from tracker.rules.standing import Outcome, Status
from tracker.services.application_facts import judge_applications
from tracker.services.certificate_checks import CertificateState, verify_certificate
from tracker.services.lapse_removals import list_due_removals
from tracker.services.registry import list_registry
from tracker.settings import configuration_folder, load_settings

REAL_BOOKS = load_rulebooks(configuration_folder())
BOOKS = add_made_up_rulebooks(REAL_BOOKS, configuration_folder())
STORIES = load_stories(configuration_folder())
# One person for each story: enough for all days but the one that is looked at closely.
FEW = STORIES.model_copy(update={"endorsees_per_association": len(STORIES.stories)})
SETTINGS = demo_settings(load_settings(), BOOKS, STORIES, Address("127.0.0.1", 8000, 2525))
LATE = date(2026, 11, 22)
DAYS = [
    LATE,
    date(2027, 1, 1),
    date(2027, 1, 15),
    date(2027, 3, 20),
    date(2027, 7, 4),
    date(2028, 2, 29),
    date(2028, 12, 31),
]
MADE_UP = (
    "SELECT status FROM standing s JOIN endorsement en ON en.id = s.endorsement_id "
    "WHERE en.association = '{}'"
)
Filled = Callable[[date], tuple[Path, Cast]]


class Shown(NamedTuple):
    """A demo's people in their database, on a day at 18:00 UTC."""

    engine: Engine
    context: JobContext
    cast: Cast
    now: datetime

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with reading(self.engine) as session:
            return [tuple(row) for row in session.connection().execute(text(query))]

    def statuses(self) -> Counter[object]:
        return Counter(row[0] for row in self.ask("SELECT status FROM standing"))

    def of(self, story: str) -> set[tuple[object, ...]]:
        """(category, status, short minutes, requirements, last day of the cycle).

        Of those whom a story is about, where the rulebook has rules.
        """
        emails = {e.email for e in self.cast.endorsees if e.story.name == story}
        rows = self.ask(
            "SELECT p.email, en.category, s.status, s.short_minutes, s.requirements, "
            "s.cycle_ends_on FROM standing s JOIN endorsement en ON en.id = s.endorsement_id "
            "JOIN person p ON p.id = en.person_id WHERE s.status <> 'no rules'"
        )
        return {row[1:] for row in rows if row[0] in emails}


@pytest.fixture(scope="module")
def filled(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The demo's database as it is on a day, filled once for all who ask; and its people."""

    @cache
    def fill_on(day: date) -> tuple[Path, Cast]:
        folder = tmp_path_factory.mktemp("filled")
        path = Path(shutil.copy(migrated_sqlite, folder / "demo.db"))
        with _shown(path) as (engine, context):
            cast = create_cast(BOOKS, STORIES if day == LATE else FEW, _evening(day))
            fill(context, engine, cast, folder)
            return path, cast

    return fill_on


def _evening(day: date) -> datetime:
    return datetime.combine(day, time(18), UTC)


@contextmanager
def _shown(path: Path) -> Iterator[tuple[Engine, JobContext]]:
    engine = open_engine(f"sqlite:///{path}")
    try:
        yield engine, open_context(SETTINGS, BOOKS, engine)
    finally:
        engine.dispose()


@contextmanager
def demo(filled: Filled, folder: Path, day: date) -> Iterator[Shown]:
    """A demo of one's own on that day."""
    path, cast = filled(day)
    with _shown(Path(shutil.copy(path, folder / "demo.db"))) as (engine, context):
        yield Shown(engine, context, cast, _evening(day))


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_the_roster_is_imported_on_any_day(filled: Filled, tmp_path: Path, day: date) -> None:
    with demo(filled, tmp_path, day) as shown:
        found = shown.statuses()
        assert {"met", "open", "excused", "no rules"} <= set(found)
        assert found["met"] > found["lapsed"] + found["overdue"]
        assert found["no rules"] >= shown.cast.stories.endorsees_per_association


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_applicants_show_every_story_on_any_day(filled: Filled, tmp_path: Path, day: date) -> None:
    with demo(filled, tmp_path, day) as shown, reading(shown.engine) as session:
        found = list(judge_applications(session, BOOKS, lambda _: day))
        statuses = Counter(standing.status for standing in found)
        assert set(statuses) == {Status.READY, Status.NEEDS_REVIEW, Status.NOT_READY}
        assert {s.plan.association for s in found} == {*REAL_BOOKS.associations, "HARBOR"}
        lacking = {
            r.requirement.counts for s in found for r in s.results if r.outcome is Outcome.SHORT
        }
        assert lacking >= {"training", "rsc", "references", "work", "exam", "membership"}
        assert any(r.closes_on for s in found for r in s.results)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_every_day_brings_reminders_and_digests(filled: Filled, tmp_path: Path, day: date) -> None:
    with demo(filled, tmp_path, day) as shown:
        ran = list(run_due(shown.context, shown.now, lambda: shown.now))
        assert {r.job.value for r in ran} == {"evaluate", "notices", "references", "digest"}
        kinds = Counter(row[0] for row in shown.ask("SELECT kind FROM outbox"))
        assert kinds["digest"] == len(BOOKS.associations)
        assert kinds["notices"] >= 20
        sent = {row[0] for row in shown.ask("SELECT kind FROM notice WHERE outcome = 'sent'")}
        assert {"membership", "provider cutoff"} <= sent


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_renewals_are_in_every_state_on_any_day(filled: Filled, tmp_path: Path, day: date) -> None:
    with demo(filled, tmp_path, day) as shown:
        submitted = Counter(row[0] for row in shown.ask("SELECT state FROM submission"))
        audited = Counter(row[0] for row in shown.ask("SELECT state FROM audit_case"))
        statuses = {
            association: {row[0] for row in shown.ask(MADE_UP.format(association))}
            for association in ("HARBOR", "PRAIRIE")
        }
        assert submitted == {"submitted": 8, "accepted": 9, "returned": 3}
        assert audited == {"asked": 2, "sent": 1, "passed": 1, "not passed": 1}
        assert statuses["HARBOR"] >= {"open", "overdue", "lapsed", "met", "excused"}
        assert statuses["PRAIRIE"] >= {"open", "overdue", "lapsed", "met"}
        assert shown.ask("SELECT COUNT(*), SUM(amount_cents) FROM payment") == [(9, 62000)]
        differing = "SELECT COUNT(*) FROM settled_cycle WHERE differs_since IS NOT NULL"
        assert shown.ask(differing) == [(0,)]


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_removed_people_come_back_on_any_day(filled: Filled, tmp_path: Path, day: date) -> None:
    with demo(filled, tmp_path, day) as shown, reading(shown.engine) as session:
        removed = shown.ask("SELECT COUNT(*) FROM endorsement WHERE ended_as = 'removed'")
        asked = Counter(
            shown.ask("SELECT state FROM application WHERE purpose = 'reinstatement'"),
        )
        assert (removed, asked) == ([(6,)], {("submitted",): 2, ("endorsed",): 2})
        harbor = judge_applications(session, BOOKS, lambda _: day, association="HARBOR")
        assert {standing.status for standing in harbor} == {Status.READY}
        due = list_due_removals(session, BOOKS, "HARBOR", lambda _: day)
        assert len(due) == STORIES.renewals_per_state


def test_certificates_are_issued_and_mailed(filled: Filled, tmp_path: Path) -> None:
    with demo(filled, tmp_path, LATE) as shown:
        list(run_due(shown.context, shown.now, lambda: shown.now))
        numbers = {str(row[0]) for row in shown.ask("SELECT number FROM certificate")}
        mails = "".join(_read_mails(shown, "request"))
        with reading(shown.engine) as session:
            states = {
                number: verified.state
                for number in numbers
                if (verified := verify_certificate(session, BOOKS, number, shown.now))
            }
        # The one of the renewal that did not pass its audit is revoked, and was never mailed.
        assert Counter(states.values()) == {CertificateState.VALID: 9, CertificateState.REVOKED: 1}
        valid = {number for number, state in states.items() if state is CertificateState.VALID}
        assert {number for number in numbers if number in mails} == valid


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_registries_list_those_who_agreed(filled: Filled, tmp_path: Path, day: date) -> None:
    with demo(filled, tmp_path, day) as shown, reading(shown.engine) as session:
        for association in ("HARBOR", "PRAIRIE"):
            listed = list_registry(session, BOOKS.associations[association], day)
            assert len(listed) >= STORIES.renewals_per_state * 4
            assert any(person.takes_supervisees for person in listed)


def test_the_digest_compares_with_earlier_weeks(filled: Filled, tmp_path: Path) -> None:
    with demo(filled, tmp_path, LATE) as shown:
        list(run_due(shown.context, shown.now, lambda: shown.now))
        [(mails,)] = shown.ask("SELECT COUNT(*) FROM outbox WHERE kind = 'digest'")
        assert mails == len(BOOKS.associations)
        texts = _read_mails(shown, "digest")
        assert all("healthy" in text and "tell your operator" not in text for text in texts)
        assert any("than last week" in text and "TREND" in text for text in texts)


def _read_mails(shown: Shown, kind: str) -> list[str]:
    """The texts of the queued mails of a kind."""
    rows = shown.ask(
        f"SELECT message_id, body FROM outbox WHERE kind = '{kind}' ORDER BY association"  # noqa: S608
    )
    with reading(shown.engine) as session:
        cipher = body_cipher(session)
        bodies = [cipher.decrypt(str(name), body) for name, body in rows if isinstance(body, bytes)]
    mails = [message_from_bytes(body, policy=policy.default) for body in bodies if body]
    return [part.get_content() for mail in mails if (part := mail.get_body(("plain",)))]


def test_every_story_shows_late_in_the_year(filled: Filled, tmp_path: Path) -> None:
    with demo(filled, tmp_path, LATE) as shown:
        current = {
            story.name: {row[:4] for row in shown.of(story.name) if str(row[4]) >= str(LATE)}
            for story in STORIES.stories
        }
        open_ones = {
            name: [
                (short, str(requirements))
                for _, status, short, requirements in rows
                if status == "open"
            ]
            for name, rows in current.items()
        }
        assert {status for _, status, *_ in current["everything done"]} == {"met"}
        assert {status for _, status, *_ in current["on leave"]} == {"excused"}
        assert any(
            "DEIA" in requirements and short == 60
            for short, requirements in _of(open_ones, "DEIA hour")
        )
        for ended in ("endorsement ended", "does not count"):
            assert all(
                "rsc" in requirements and short >= 60
                for short, requirements in _of(open_ones, ended)
            )
        assert all(
            '"excused"' in str(requirements)
            for _, _, _, requirements in current["in the first year"]
        )
        assert all(
            '"waived"' in str(requirements) for _, _, _, requirements in current[_name("waived")]
        )
        assert all(short == 0 for short, _ in _of(open_ones, "membership lapsed"))
        assert _of(open_ones, "two endorsements")
        before = {row[1] for row in shown.of(_name("DEIA hour")) if str(row[4]) < str(LATE)}
        assert before == {"met"}
        lapsed = {status for _, status, *_ in shown.of(_name("last year"))}
        assert "lapsed" in lapsed


def _name(part: str) -> str:
    return next(story.name for story in STORIES.stories if part in story.name)


def _of(found: dict[str, list[tuple[object, str]]], part: str) -> list[tuple[int, str]]:
    return [(int(str(short)), requirements) for short, requirements in found[_name(part)]]


def test_nobody_has_more_than_a_story_to_mend(filled: Filled, tmp_path: Path) -> None:
    """Providers who hold an endorsement that renews have done their own part."""
    with demo(filled, tmp_path, LATE) as shown:
        providers = {p.email for p in shown.cast.providers}
        rows = shown.ask(
            "SELECT p.email, s.status FROM standing s "
            "JOIN endorsement en ON en.id = s.endorsement_id JOIN person p ON p.id = en.person_id"
        )
        assert {row[1] for row in rows if row[0] in providers} <= {"met", "no rules"}


def test_in_january_some_are_overdue(filled: Filled, tmp_path: Path) -> None:
    with demo(filled, tmp_path, date(2027, 1, 15)) as shown:
        assert shown.statuses()["overdue"] > 0


def test_waivers_and_extensions_leave_audit_events(filled: Filled, tmp_path: Path) -> None:
    with demo(filled, tmp_path, LATE) as shown:
        for table in ("waiver", "renewal"):
            [(rows,)] = shown.ask(f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - two known names
            [(events,)] = shown.ask(
                f"SELECT COUNT(*) FROM audit_event WHERE table_name = '{table}'"  # noqa: S608
            )
            assert rows == events
            assert rows


def test_two_demos_have_the_same_people(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_roster(tmp_path / name, create_cast(BOOKS, STORIES, _evening(LATE)))
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_all_addresses_are_reserved_for_examples() -> None:
    cast = create_cast(BOOKS, STORIES, _evening(LATE))
    emails = {e.email for e in cast.endorsees} | {p.email for p in cast.providers}
    assert all(email.endswith("@example.org") for email in emails)
    assert all(c.email.endswith("@example.org") for c in SETTINGS.coordinators)


def test_every_story_and_every_coordinator_can_be_opened() -> None:
    cast = create_cast(BOOKS, STORIES, _evening(LATE))
    offered = [login.what for login in list_logins(SETTINGS, cast)]
    for story in STORIES.stories:
        [what] = [what for what in offered if what.endswith(f": {story.name}")]
        assert what.startswith(story.shown_at or ""), what
    for association in BOOKS.associations:
        assert f"coordinator of {association}" in offered


def test_the_shipped_demo_is_the_default(
    tmp_path: Path,
) -> None:
    assert load_stories(tmp_path) == STORIES


def test_coordinators_have_asked_about_sessions(filled: Filled, tmp_path: Path) -> None:
    with demo(filled, tmp_path, LATE) as shown:
        asked = Counter(shown.ask("SELECT association, state FROM entry_question"))
        # Not every association has somebody who logs enough.
        expected = {(name, s) for name in ("CT-AIMH", "NCIMHA") for s in ("open", "answered")}
        assert asked.keys() >= expected
        assert set(asked.values()) == {1}


def test_a_group_session_waits_for_confirmation(filled: Filled, tmp_path: Path) -> None:
    with demo(filled, tmp_path, LATE) as shown:
        states = Counter(row[0] for row in shown.ask("SELECT state FROM group_member"))
        assert states == {"asked": 3, "disputed": 1, "confirmed": 1}
        opened = {login.email for login in list_logins(SETTINGS, shown.cast)}
        asked = "SELECT email FROM group_member WHERE state = 'asked'"
        assert shown.cast.group_provider in opened
        assert {row[0] for row in shown.ask(asked)} & opened
