"""What an application asks about besides hours and references, and what is on record for it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session, col, select

from tracker.db.applications import (
    Application,
    Attestation,
    Degree,
    ExamResult,
    Position,
)
from tracker.rules.model import Rulebook
from tracker.rules.plan import value_in_force
from tracker.rules.requirement import Purpose, Requirement


@dataclass(frozen=True, slots=True)
class PortfolioTerms:
    """What an application can ask about, as of a day.

    ``services`` and ``statements`` are those of positions, ``attestations`` what is signed, each
    with its words; ``requirements`` are those in force.
    """

    rulebook: Rulebook
    requirements: tuple[Requirement, ...]

    @property
    def services(self) -> Mapping[str, str]:
        """What a position may offer, in the rulebook's order."""
        return self.rulebook.services

    @property
    def statements(self) -> dict[str, str]:
        """What an applicant confirms about a position."""
        return {
            key: text
            for requirement in self.requirements
            if requirement.work
            for key, text in requirement.work.statements.items()
        }

    @property
    def attestations(self) -> dict[str, str]:
        """What an applicant signs or confirms once; not what the reviewers confirm."""
        words = self.rulebook.attestations
        return {
            key: words[key]
            for requirement in self.requirements
            if not requirement.reviewed
            for key in requirement.signed
        }

    @property
    def asks_exam(self) -> bool:
        """Whether a written exam is required."""
        return any(requirement.counts == "exam" for requirement in self.requirements)

    @property
    def takes_internships(self) -> bool:
        """Whether an internship may replace work."""
        return any(r.work and r.work.internship for r in self.requirements)


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All that is on record for an application besides sessions, memberships, and references."""

    degrees: Sequence[Degree]
    positions: Sequence[Position]
    attestations: Mapping[str, Attestation]
    exams: Sequence[ExamResult]

    @property
    def signed(self) -> Collection[str]:
        """The keys of what is signed."""
        return self.attestations.keys()


def find_terms(
    rulebook: Rulebook, category: str, day: date, purpose: Purpose = "application"
) -> PortfolioTerms:
    """What an application for ``category``, or a reinstatement, asks about on ``day``."""
    requirements = rulebook.requirements_of(category, purpose)
    in_force = tuple(r for r in requirements if value_in_force(r, day, category))
    return PortfolioTerms(rulebook, in_force)


def load_portfolio(session: Session, application: Application) -> Portfolio:
    """The portfolio of an application, the newest degrees and positions first."""
    person_id = application.person_id
    degrees = select(Degree).where(Degree.person_id == person_id)
    positions = select(Position).where(Position.person_id == person_id)
    signed = select(Attestation).where(Attestation.application_id == application.id)
    exams = select(ExamResult).where(ExamResult.application_id == application.id)
    return Portfolio(
        session.exec(degrees.order_by(col(Degree.awarded_on).desc(), col(Degree.id))).all(),
        session.exec(positions.order_by(col(Position.starts_on).desc(), col(Position.id))).all(),
        {one.what: one for one in session.exec(signed)},
        session.exec(exams.order_by(col(ExamResult.taken_on).desc())).all(),
    )
