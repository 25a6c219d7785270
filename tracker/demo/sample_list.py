"""A list as associations keep them, to try an import with: other columns, and a few mistakes."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from openpyxl import Workbook

from tracker.demo.people import Cast, DemoEndorsee

SAMPLE_LIST = "to-import.xlsx"
_MOST_MEMBERS = 12
_YEAR = timedelta(days=365)
_NEW_PEOPLE = ("Rosalind Okafor", "Tomas Lindqvist", "Mei-Ling Zhao")
_ONE_ADDRESS, _SHARING = "nair.family@example.org", ("Priya Nair", "Owen Nair")


def write_sample_list(folder: Path, cast: Cast) -> Path:
    """Write a workbook for the first association's coordinator into ``folder``."""
    association = next(iter(cast.rulebooks.associations))
    own = [each for each in cast.endorsees if each.endorsements[0][0] == association]
    workbook = Workbook()
    roster = workbook.worksheets[0]
    roster.title = "Endorsees"
    for row in _list_endorsees(cast, own):
        roster.append(row)
    members = workbook.create_sheet("Members")
    for row in _list_members(cast.today, own):
        members.append(row)
    path = folder / SAMPLE_LIST
    workbook.save(path)
    return path


def _list_endorsees(cast: Cast, own: list[DemoEndorsee]) -> Iterator[list[str]]:
    """New people, of whom two share an address, others with another one, a last day, or none."""
    yield ["Full name", "E-mail", "Endorsement", "Date endorsed", "Endorsement ends", "T-shirt"]
    association, category, _ = own[0].endorsements[0]
    label = cast.rulebooks.associations[association].categories[category].name
    start = _format(cast.today - 2 * _YEAR)
    for name in _NEW_PEOPLE:
        yield [name, f"{name.lower().replace(' ', '.')}@example.org", label, start, "", "M"]
    for name in _SHARING:
        yield [name, _ONE_ADDRESS, label, start, "", "M"]
    known, ended = own[0], own[1]
    yield [known.name, f"new.{known.email}", label, _format(known.endorsements[0][2]), "", "S"]
    _, kind, since = ended.endorsements[0]
    yield [ended.name, ended.email, kind, _format(since), _format(cast.today), "L"]
    yield ["No Address", "", "Level 2", start, "", ""]


def _list_members(today: date, own: list[DemoEndorsee]) -> Iterator[list[str]]:
    yield ["Member", "Email", "Member since", "Membership expires", "Paid"]
    for endorsee in own[:_MOST_MEMBERS]:
        yield [endorsee.name, endorsee.email, _format(today), _format(today + _YEAR), "check"]


def _format(day: date) -> str:
    """As US spreadsheets write it."""
    return f"{day.month}/{day.day}/{day.year}"
