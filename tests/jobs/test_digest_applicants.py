"""The digest's applicants: how many are ready, who waits for a decision, and where to decide."""

from datetime import date

import pytest
from sqlalchemy import update

from tests.jobs.harness import TWO, JobHarness, Mail, at
from tests.rules.applicants import populate
from tests.rules.case_data import ENDORSEE
from tracker.db.applications import Application
from tracker.db.engine import reading, writing
from tracker.db.tables import METADATA
from tracker.rulebooks import Rulebooks
from tracker.rules.notice_config import DigestSize
from tracker.services.attention import list_attention

SUNDAY, MONDAY = at("2024-12-01"), at("2024-12-02")
# All but the competencies, which the reviewers judge.
FULL = {
    "applies": "NCIMHA IFS 2024-02-01",
    "members": ["NCIMHA 2024-01-01..2024-12-31"],
    "work": ["prevention paid 2020-01-01..2022-12-31 infants families=10 confirms=all"],
    "entries": ["training 20h 2024-02-01", "training 10h 2024-03-01"],
    "references": ["program-supervisor as IFS", "rsc-provider", "colleague"],
    "signed": ["ethics", "agreement"],
}


@pytest.fixture
def rulebooks() -> Rulebooks:
    """One association more than in most tests."""
    return TWO


def tell(jobs: JobHarness, name: str, **more: object) -> int:
    """Store an applicant, supervised by somebody of her own; the application's id."""
    provider = f"{name}'s"
    case = {**FULL, "providers": {provider: ["NCIMHA IMHM-C 2015-01-01"]}, **more}
    if "entries" not in more:
        case["entries"] = [*FULL["entries"], f"rsc 24h 2024-03-10 with {provider}"]
    person, application = METADATA.tables["person"], METADATA.tables["application"]
    with writing(jobs.engine) as session:
        people = populate(session, jobs.rulebooks, case)
        own = person.c.id == people.ids[ENDORSEE]
        email = f"{name.lower()}@example.org"
        session.connection().execute(update(person).where(own).values(name=name, email=email))
        found = session.connection().execute(
            application.select().where(application.c.person_id == people.ids[ENDORSEE])
        )
        return int(found.one().id)


def tell_of_all(jobs: JobHarness) -> dict[str, int]:
    """Two are ready (Ruth submitted first), Vic needs review, and Nora has trained only."""
    signed = ["ethics", "agreement", "competencies"]
    return {
        "Rosa": tell(jobs, "Rosa", signed=signed),
        "Ruth": tell(jobs, "Ruth", signed=signed, submitted=at("2024-11-04").date()),
        "Vic": tell(jobs, "Vic", submitted=at("2024-11-05").date()),
        "Nora": tell(jobs, "Nora", entries=FULL["entries"], signed=[]),
    }


def digest_of(jobs: JobHarness, recipient: str = "dana@nc.example") -> Mail:
    return [mail for mail in jobs.mails("digest") if mail.recipient == recipient][-1]


def section(mail: Mail) -> list[str]:
    part = mail.text.partition("APPLICANTS")[2].partition("SINCE LAST WEEK")[0]
    return [line.strip() for line in part.splitlines() if line.strip()]


def needs(mail: Mail) -> list[str]:
    part = mail.text.partition("NEEDS YOUR ATTENTION")[2].partition("APPLICANTS")[0]
    return [line.strip() for line in part.splitlines() if line.strip()]


def test_the_ready_come_first_by_name_with_a_link_to_their_row(jobs: JobHarness) -> None:
    ids = tell_of_all(jobs)
    jobs.run(SUNDAY, MONDAY)
    desk = "https://hours.example.org/coordinator"

    def row(name: str) -> str:
        key = f"application-{ids[name]}"
        return f"{desk}?association=NCIMHA&cause={key}#{key}"

    waits = "They are not endorsed until you decide."
    assert needs(digest_of(jobs)) == [
        "* Rosa, IFS: decide",
        f"application not submitted yet; everything is there. {waits}",
        row("Rosa"),
        "* Ruth, IFS: decide",
        f"application submitted on November 4, 2024; everything is there. {waits}",
        row("Ruth"),
        "* Vic, IFS: review",
        f"application submitted on November 5, 2024; to review: competencies. {waits}",
        row("Vic"),
    ]
    assert section(digest_of(jobs)) == [
        "2 ready, 1 needs review, 1 not ready",
        f"All applicants: {desk}/applicants?association=NCIMHA",
    ]
    with reading(jobs.engine) as session:
        causes = list_attention(session, jobs.rulebooks, "NCIMHA", MONDAY)
        people = {name: session.get_one(Application, ids[name]).person_id for name in ids}
    assert [
        (cause.key, cause.name, cause.category, cause.person_id, cause.since, cause.gravity)
        for cause in causes
    ] == [
        (f"application-{ids[name]}", name, "IFS", people[name], since, gravity)
        for name, since, gravity in (
            ("Rosa", date(2024, 2, 1), 1),
            ("Ruth", date(2024, 11, 4), 1),
            ("Vic", date(2024, 11, 5), 0),
        )
    ]


def test_an_association_with_applicants_only_has_no_renewals_in_its_subject(
    sqlite_jobs: JobHarness,
) -> None:
    tell_of_all(sqlite_jobs)
    sqlite_jobs.run(SUNDAY, MONDAY)
    digest = digest_of(sqlite_jobs)
    assert digest.subject == "NCIMHA: 3 items need your attention"
    assert "Nothing needs your attention" not in digest.text
    assert "Nothing needs your attention" not in digest.html


def test_the_html_says_the_same(sqlite_jobs: JobHarness) -> None:
    ids = tell_of_all(sqlite_jobs)
    sqlite_jobs.run(SUNDAY, MONDAY)
    html = digest_of(sqlite_jobs).html
    part = html.partition("Needs your attention</h2>")[2].partition("Since last week")[0]
    assert "2 ready, 1 needs review, 1 not ready" in part
    assert part.index("Rosa") < part.index("Ruth") < part.index("Vic")
    assert f"#application-{ids['Vic']}" in part
    assert "Nora" not in part


def test_more_than_the_digest_names_are_counted(sqlite_jobs: JobHarness) -> None:
    tell_of_all(sqlite_jobs)
    notices = sqlite_jobs.context.notices.installation
    sqlite_jobs.configure(notices.model_copy(update={"digest": DigestSize(most_people=2)}))
    sqlite_jobs.run(SUNDAY, MONDAY)
    said = needs(digest_of(sqlite_jobs))
    assert "and 1 more on the dashboard" in said
    assert "* Vic, IFS: review" not in said


def test_without_applicants_there_is_no_such_section(jobs: JobHarness) -> None:
    jobs.run(SUNDAY, MONDAY)
    digest = digest_of(jobs)
    assert "APPLICANTS" not in digest.text
    assert "Applicants" not in digest.html


@pytest.mark.parametrize("state", ["endorsed", "declined", "withdrawn"])
def test_who_has_been_decided_about_is_not_told_of(sqlite_jobs: JobHarness, state: str) -> None:
    tell(sqlite_jobs, "Vic")
    sqlite_jobs.change("application", state=state, decided_on=at("2024-11-30").date())
    sqlite_jobs.run(SUNDAY, MONDAY)
    assert "APPLICANTS" not in digest_of(sqlite_jobs).text


def test_a_coordinator_reads_of_no_applicant_of_another_association(jobs: JobHarness) -> None:
    tell_of_all(jobs)
    jobs.run(SUNDAY, MONDAY)
    other = digest_of(jobs, "carla@ct.example")
    for word in ("APPLICANTS", "Ruth", "Vic"):
        assert word not in other.text
        assert word not in other.html


def test_nobody_ready_is_said_as_well(sqlite_jobs: JobHarness) -> None:
    tell(sqlite_jobs, "Nora", entries=[], signed=[])
    sqlite_jobs.run(SUNDAY, MONDAY)
    assert section(digest_of(sqlite_jobs))[0] == "0 ready, 0 need review, 1 not ready"
