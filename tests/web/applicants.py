"""Applicants for the tests of pages, described as in tests/rules/applicants.py."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, select, update

from tests.rules.applicants import populate
from tests.rules.case_data import ENDORSEE
from tests.support.cast import ALICE, BASE_URL, BOOKS, CONFIG, COORDINATORS, Cast
from tests.support.databases import FilledDatabase
from tracker.db.engine import writing
from tracker.db.tables import METADATA
from tracker.services.evaluation import evaluate_people
from tracker.settings import Coordinator, Settings

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)
VERA = "vera@example.org"
IDA, IRIS, OLIVE, NORA = (f"{n}@example.org" for n in ("ida", "iris", "olive", "nora"))
WITH_VAIMH = (*COORDINATORS, Coordinator(email=VERA, name="Vera Lane", association="VAIMH"))

# All that an IMHS application at VAIMH asks, but for what a case takes away.
MENTOR, ASSISTANT = ["VAIMH IMHM-C 2015-01-01"], ["VAIMH IFA 2015-01-01"]
SIGNED = ["ethics", "agreement"]
READY = {
    "applies": "VAIMH IMHS 2026-01-05",
    "submitted": date(2026, 11, 2),
    "providers": {"Maya": MENTOR},
    "members": ["VAIMH 2026-01-01..2026-12-31"],
    "degrees": ["master 2020-05-15 official"],
    "work": [
        "imh-services paid 2021-01-01..2023-12-31 infants families=10 supervised confirms=all"
    ],
    "entries": [
        "training 20h 2026-02-01",
        "training 10h 2026-03-01",
        *(f"rsc 10h 2025-0{n}-10 with Maya" for n in range(1, 6)),
    ],
    "references": ["program-supervisor", "rsc-provider by Maya as IMHM-C", "colleague"],
    "signed": SIGNED,
    "exams": ["passed 2026-10-01"],
}
UNREADY = {
    **READY,
    "submitted": None,
    "providers": {"Mara": MENTOR, "Neil": ASSISTANT},
    "degrees": ["master 2025-02-01 official"],
    "work": ["imh-services paid 2025-08-01 infants families=10 supervised confirms=all"],
    "entries": [
        "training 12.5h 2026-02-01",
        "rsc 1.5h 2024-11-10 with Mara",
        "rsc 8.5h 2025-03-10 with Mara",
        "rsc 2h 2026-04-10 with Neil",
        "rsc 1h 2026-05-10 with Newcomer",
    ],
    "references": ["program-supervisor", "rsc-provider waiting"],
    "signed": ["ethics"],
    "exams": ["failed 2026-10-01"],
}

# All but the competencies, which the reviewers judge.
REVIEWED = {
    "applies": "NCIMHA IFS 2026-02-01",
    "providers": {"Omar": ["NCIMHA IMHM-C 2015-01-01"]},
    "members": ["NCIMHA 2026-01-01..2026-12-31"],
    "work": ["prevention paid 2021-01-01..2023-12-31 infants families=10 confirms=all"],
    "entries": [
        "training 20h 2026-02-01",
        "training 10h 2026-03-01",
        "rsc 24h 2026-03-10 with Omar",
    ],
    "references": ["program-supervisor", "rsc-provider by Omar as IMHM-C", "colleague"],
    "signed": SIGNED,
}


_FILLED = FilledDatabase()


class WithApplicants(Cast):
    """A cast that has a coordinator of VAIMH as well."""

    @property
    def settings(self) -> Settings:
        """Settings that name all three coordinators."""
        return Settings(
            database_url=self.url,
            base_url=BASE_URL,
            config_dir=CONFIG,
            coordinators=WITH_VAIMH,
        )


def apply(engine: Engine, email: str, name: str, case: dict[str, Any]) -> tuple[int, int]:
    """Store an applicant as a case tells of one; ids of the person and of the application."""
    person, application = METADATA.tables["person"], METADATA.tables["application"]

    def call(old: str, **values: str) -> None:
        session.connection().execute(update(person).where(person.c.email == old).values(values))

    with writing(engine) as session:
        # The cases know one applicant, whose name somebody of the cast has too.
        call(ALICE, email="aside@example.org")
        people = populate(session, BOOKS, case)
        call(ALICE, email=email, name=name)
        call("aside@example.org", email=ALICE)
        evaluate_people(session, BOOKS, people.ids.values(), NOW)
        number = people.ids[ENDORSEE]
        own = select(application.c.id).where(application.c.person_id == number)
        return number, session.connection().execute(own).scalar_one()


def fill_with_applicants(cast: Cast) -> WithApplicants:
    """Ida is ready and Nora lacks nearly everything at VAIMH; Olive needs review at NCIMHA.

    Nothing has happened to the cast yet.
    """
    found = WithApplicants(cast.url, cast.engine, cast.people, cast.endorsements, cast.entries)
    ids = _FILLED.copy_to(cast.engine)
    if ids is not None:
        found.people, found.applications = ids
        return found
    for email, name, case in (
        (IDA, "Ida Frost", READY),
        (NORA, "Nora Pike", UNREADY),
        (OLIVE, "Olive Kay", REVIEWED),
    ):
        found.people[email], found.applications[email] = apply(cast.engine, email, name, case)
    _FILLED.keep(cast.engine, (found.people, found.applications))
    return found
