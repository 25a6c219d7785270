"""A training over several days: each day becomes an entry of its own, all saved or none."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlmodel import col

from tracker.db.log import Entry
from tracker.rules.explain import LoggedEntry
from tracker.services.context import Refusal, Refused, ServiceContext, lock_person
from tracker.services.entries import (
    LOGGED,
    ONE_DAY,
    EntrySource,
    entry_input_of,
    evaluate_entries,
    list_entries,
    list_refusals,
    select_entries,
    store_entry,
)
from tracker.services.entry_rules import (
    DAILY_LIMIT,
    EntryInput,
    EntryRules,
    EntryWarnings,
    find_warnings,
    load_entry_rules,
)

# As many rows as the form has at most.
COURSE_DAYS = 14


@dataclass(frozen=True, slots=True)
class CourseWarning:
    """What a person confirms about one day of a course before any of it is saved.

    ``warnings`` are those that a single entry would have; ``is_repeated``: an earlier row of the
    course has the same day.
    """

    day: EntryInput
    warnings: EntryWarnings
    is_repeated: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """What a form sends back to confirm these warnings."""
        repeated = (_repeated_key(self.day.held_on),) if self.is_repeated else ()
        return (*self.warnings.keys, *repeated)


class CourseNeedsConfirmation(Exception):  # noqa: N818 - reads as the sentence it is
    """Nothing was saved yet: the person is asked whether these warnings are mistakes."""

    def __init__(self, warnings: Sequence[CourseWarning]) -> None:
        super().__init__(f"{len(warnings)} days of a course need to be confirmed")
        self.warnings = warnings


def create_course(
    context: ServiceContext, days: Sequence[EntryInput], source: EntrySource
) -> list[LoggedEntry]:
    """Save an entry for each day of the actor's course, once for each form key.

    A second call returns the stored entries. Raises Refused with every reason, whose fields are
    those of `create_entry` after the number of the day, such as ``2.minutes``; and
    CourseNeedsConfirmation.
    """
    session, person_id = context.session, context.person_id
    lock_person(session, person_id)
    # One more, to see whether a longer course was saved.
    keys = [_form_key(source.form_key, number) for number in range(len(days) + 1)]
    by_key = (col(Entry.person_id) == person_id) & col(Entry.form_key).in_(keys)
    if saved := list(select_entries(session, by_key)):
        return _return_saved(saved, days)
    rules = load_entry_rules(session, context.rulebooks, person_id, context.now)
    if refusals := validate_course(context, days, rules):
        raise Refused(*refusals)
    if source.confirmed is not None:
        _warn(context, days, source.confirmed)
    entries = []
    for key, day in zip(keys, days, strict=False):
        entries.append(store_entry(context, person_id, day, key))
    evaluate_entries(context, person_id)
    return entries


def validate_course(
    context: ServiceContext, days: Sequence[EntryInput], rules: EntryRules
) -> list[Refusal]:
    """Every reason to refuse a course, each with the number of its day."""
    if any(day.activity != "training" for day in days):
        return [Refusal("1.activity", "course-is-no-training")]
    refusals = []
    for number, day in enumerate(days, start=1):
        stored = list_entries(context.session, context.person_id, day.held_on, day.held_on)
        others = list[LoggedEntry | EntryInput](stored)
        others += [each for each in days[: number - 1] if each.held_on == day.held_on]
        refusals += number_refusals(number, list_refusals(day, rules, others))
    return refusals + _check_daily_limit(context, len(days))


def _check_daily_limit(context: ServiceContext, count: int) -> list[Refusal]:
    """Why the actor can't log so many more sessions today, if they can't."""
    since = context.now - ONE_DAY
    parameters = {"person_id": context.person_id, "form_key": None, "since": since}
    _, logged = context.session.connection().execute(LOGGED, parameters).one()
    if logged + count <= DAILY_LIMIT:
        return []
    return [Refusal("1.minutes", "daily-limit-reached", {"limit": DAILY_LIMIT})]


def number_refusals(number: int, refusals: Iterable[Refusal]) -> list[Refusal]:
    """The refusals of one day of a course, with its number before their fields."""
    return [replace(refusal, field=f"{number}.{refusal.field}") for refusal in refusals]


def _warn(context: ServiceContext, days: Sequence[EntryInput], confirmed: Collection[str]) -> None:
    """Raise CourseNeedsConfirmation for warnings that are not confirmed yet."""
    found = []
    seen = set[date]()
    for day in days:
        others = list_entries(context.session, context.person_id, day.held_on, day.held_on)
        warnings = find_warnings(day, others, confirmed) or EntryWarnings()
        is_repeated = day.held_on in seen and _repeated_key(day.held_on) not in confirmed
        warning = CourseWarning(day, warnings, is_repeated)
        if warning.keys:
            found.append(warning)
        seen.add(day.held_on)
    if found:
        raise CourseNeedsConfirmation(found)


def _return_saved(saved: Sequence[LoggedEntry], days: Sequence[EntryInput]) -> list[LoggedEntry]:
    """What a form was saved as the first time. Raises Refused if the form has changed since."""
    by_id = sorted(saved, key=lambda entry: entry.id)
    if [entry_input_of(entry) for entry in by_id] == list(days):
        return by_id
    facts = {"minutes": by_id[0].minutes, "held_on": by_id[0].held_on}
    raise Refused(Refusal("1.form_key", "form-already-saved", facts))


def _form_key(form_key: str, number: int) -> str:
    """The key of one day of a course; the first one has the form's own, as a single entry has."""
    return f"{form_key}-{number + 1}" if number else form_key


def _repeated_key(day: date) -> str:
    return f"{day.isoformat()}again"
