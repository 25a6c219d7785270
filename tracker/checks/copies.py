"""Findings that a database must not have after it was upgraded, or restored to try a backup."""

from datetime import datetime

from sqlmodel import Session

from tracker.checks.contents import check_contents
from tracker.checks.environment import Finding, Level, check_key
from tracker.rulebooks import Rulebooks
from tracker.settings import Settings

# Problems of the days before, which neither an upgrade nor a restore makes or solves.
_EARLIER = {"T503", "T504"}


def list_problems(
    session: Session, rulebooks: Rulebooks, settings: Settings, now: datetime
) -> list[str]:
    """The problems that `tracker check` finds in the contents and the keys, one a line."""
    findings = [*check_contents(session, rulebooks, settings, now), *check_key(session, settings)]
    return [
        f"{finding.id}: {finding.message}"
        for finding in findings
        if isinstance(finding, Finding)
        and finding.level is Level.PROBLEM
        and finding.id not in _EARLIER
    ]
