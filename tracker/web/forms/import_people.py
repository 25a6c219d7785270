"""The forms of a plan that say who the people of an import are."""

from collections.abc import Iterator
from typing import NamedTuple

from starlette.datastructures import FormData

from tracker.importer.mapping import ImportMapping
from tracker.importer.plan_records import ImportSummary
from tracker.importer.same_address import OWN, SameAddress
from tracker.web.forms.body import text_of

_WHO, _ROWS = "who", "rows"


def parse_people(typed: FormData) -> dict[str, str]:
    """Who people are: a field for each, and the address in another one beside it."""
    return dict(_parse_choices(typed, "email", _WHO))


def parse_addresses(typed: FormData) -> tuple[dict[str, str], dict[str, str]]:
    """What rows with one address are, and the own addresses of their people."""
    own = {}
    for name, text in typed.multi_items():
        if name.startswith(OWN):
            own[name] = str(text).strip()
    return dict(_parse_choices(typed, "key", _ROWS)), own


def _parse_choices(typed: FormData, about: str, chosen: str) -> Iterator[tuple[str, str]]:
    for name, text in typed.multi_items():
        if name.startswith(f"{about}-"):
            choice = text_of(typed, f"{chosen}-{name.removeprefix(f'{about}-')}")
            if choice:
                yield str(text), choice


class AddressField(NamedTuple):
    """Rows with one address, what is chosen for them, and the own addresses of their people."""

    same: SameAddress
    chosen: str
    own: list[str]


def build_address_fields(
    summary: ImportSummary, mapping: ImportMapping, typed: FormData | None = None
) -> tuple[list[AddressField], int]:
    """The fields for rows with one address, and how many are to decide: these come first.

    ``typed`` is what was not saved, because something in it is wrong.
    """
    found = [SameAddress.from_stored(stored) for stored in summary.same_addresses]
    found.sort(key=lambda same: same.read_choice(mapping.addresses) is not None)
    undecided = sum(same.read_choice(mapping.addresses) is None for same in found)
    choices, own = parse_addresses(typed) if typed is not None else ({}, {})
    choices, own = mapping.addresses | choices, mapping.own_addresses | own
    fields = []
    for same in found:
        numbers = range(len(same.versions))
        texts = [own.get(same.field_of(number), "") for number in numbers]
        fields.append(AddressField(same, choices.get(same.key, ""), texts))
    return fields, undecided
