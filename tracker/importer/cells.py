"""Types of cells of CSV files: text becomes a value, or is refused with what would be right."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, cast

from dateutil.relativedelta import relativedelta
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo

from tracker.db.audit import Change
from tracker.formatting import MINUTES_IN_DAY, format_alternatives, parse_hours
from tracker.importer.problems import Progress
from tracker.importer.vocabulary import Vocabulary, suggest
from tracker.plain_text import looks_like_link, normalize_text, space_initials
from tracker.rules.application.work import PLAUSIBLE_YEARS
from tracker.rules.cycles import Cycle
from tracker.rules.model import RatingQuestion
from tracker.rules.requirement import AGES
from tracker.services.entry_rules import EntryRules
from tracker.services.reference_submission import Rating, format_ratings
from tracker.spreadsheet_csv import unescape_formula

Topics = tuple[tuple[str, int], ...]
RowValues = Mapping[str, Any]


@dataclass(frozen=True)
class ImportContext:
    """What an import goes by, and what counts its progress. Pydantic's validation context.

    ``as_of`` is the last day (inclusive) on which something that has happened may lie. ``actor``
    and ``now`` (aware) go into the audit log. ``similar`` decides for all rows that look like a
    stored session whether each is that session ("same") or a "new" one; None: each row decides.
    ``month_first``: 3/4/2026 is March 4, though a file does not show that it writes dates so.
    ``audits_all``: also rosters leave an audit event for each record, as all changes on a desk do.
    """

    vocabulary: Vocabulary
    as_of: date
    actor: str
    now: datetime
    progress: Progress = field(default_factory=Progress)
    similar: Literal["same", "new"] | None = None
    month_first: bool = False
    audits_all: bool = False

    @cached_property
    def entry_rules(self) -> EntryRules:
        """What every entry must satisfy: as on the pages, with the topics of all rulebooks.

        An RSC session without a provider can be imported: the provider is added later.
        """
        training, rsc = self.vocabulary.training_topics, self.vocabulary.rsc_topics
        topics = {
            "training": {topic: topic for topic in sorted(training)},
            "rsc": {topic: topic for topic in sorted(rsc)},
        }
        return EntryRules(self.as_of, topics, requires_provider=False)

    def change(self, table: str, row_id: int, before: RowValues | None, after: RowValues) -> Change:
        """The audit event of a row that this import adds or changes."""
        return Change(self.actor, self.now, table, row_id, before, after)


def _context(info: ValidationInfo) -> ImportContext:
    return cast("ImportContext", info.context)


_LINE_BREAKS = re.compile(r"\s*[\t\r\n]+\s*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean(cell: str) -> str:
    """A cell as one normalized line, without the apostrophe that disables a formula.

    A line break or tab becomes a blank. Raises ValueError for any other control character: no
    page or mail could show it.
    """
    text = cell.strip()
    if not text.isprintable():
        text = _LINE_BREAKS.sub(" ", text)
        if control := _CONTROL.search(text):
            raise ValueError(f"contains the invisible character U+{ord(control[0]):04X}: remove it")
    return unescape_formula(normalize_text(text))


def clean_literally(cell: str) -> str:
    """A cell as `clean` made it before it normalized text: digests of that time contain it."""
    text = cell.strip()
    if not text.isprintable():
        text = _LINE_BREAKS.sub(" ", text)
    return unescape_formula(text)


_ISO_DATE = re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})", re.ASCII)
# What a US spreadsheet makes of an ISO date.
_US_DATE = re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})", re.ASCII)
_DATE_FORMATS = "write the date as YYYY-MM-DD or M/D/YYYY"
# No career is longer; a date beyond is a typing error.
_YEARS_BACK = 80
_YEARS_AHEAD = 100


# As in a file's text, wherever it stands.
_SLASHED = re.compile(r"(?<![\d/])(\d{1,2})/(\d{1,2})/\d{4}(?![\d/])", re.ASCII)
_MONTHS = 12


def find_ambiguous_date(text: str) -> re.Match[str] | None:
    """The first date of a file's text that is read as month and day and could be day and month.

    None if there is none, or if another date shows that the file writes the month first.
    """
    ambiguous = None
    for match in _SLASHED.finditer(text):
        first, second = int(match[1]), int(match[2])
        if first <= _MONTHS < second:
            return None
        if first != second and first <= _MONTHS and ambiguous is None:
            ambiguous = match
    return ambiguous


def read_date(text: str) -> tuple[int, int, int] | None:
    """Year, month, and day of a date in either notation, whether there is such a day or not."""
    match = _ISO_DATE.fullmatch(text) or _US_DATE.fullmatch(text)
    return (int(match["year"]), int(match["month"]), int(match["day"])) if match else None


def _parse_date(text: str, info: ValidationInfo) -> date:
    parts = read_date(text)
    if not parts:
        raise ValueError(_DATE_FORMATS)
    year, month, day = parts
    try:
        parsed = date(year, month, day)
    except ValueError:
        raise ValueError(f"there is no such day; {_DATE_FORMATS}") from None
    this_year = _context(info).as_of.year
    first, last = this_year - _YEARS_BACK, this_year + _YEARS_AHEAD
    if not first <= year <= last:
        raise ValueError(f"the year must be between {first} and {last}")
    return parsed


# In the column of a last day: there is none.
FOR_LIFE = "life"


def _parse_membership_end(text: str, info: ValidationInfo) -> date | None:
    if text.lower() == FOR_LIFE:
        return None
    try:
        return _parse_date(text, info)
    except ValueError as error:
        raise ValueError(f"{error}, or {FOR_LIFE} if the membership has no last day") from None


def _check_membership_end(ends_on: date | None, info: ValidationInfo) -> date | None:
    return None if ends_on is None else _check_end(ends_on, info)


def _check_past(day: date, info: ValidationInfo) -> date:
    if day > _context(info).as_of:
        raise ValueError(f"must be {_context(info).as_of} or earlier")
    return day


def _check_end(ends_on: date, info: ValidationInfo) -> date:
    starts_on = info.data.get("starts_on")
    if starts_on and ends_on < starts_on:
        raise ValueError(f"must be {starts_on} (the start) or later")
    return ends_on


_ENDORSEMENT = {"association", "category", "endorsed_on"}


def _find_cycle(info: ValidationInfo, day: date) -> Cycle | None:
    row, vocabulary = info.data, _context(info).vocabulary
    return vocabulary.cycle_of(row["association"], row["category"], row["endorsed_on"], day)


def _check_cycle_start(day: date, info: ValidationInfo) -> date:
    if not info.data.keys() >= _ENDORSEMENT:
        return day
    cycle = _find_cycle(info, day)
    if cycle is None:
        since = info.data["endorsed_on"]
        raise ValueError(f"an endorsement that began on {since} has no renewal cycle on that day")
    if cycle.starts_on != day:
        raise ValueError(f"the cycle of that day begins on {cycle.starts_on}")
    return day


def _check_extended_due_date(day: date, info: ValidationInfo) -> date:
    last = _context(info).as_of + relativedelta(years=PLAUSIBLE_YEARS)
    if day > last:
        raise ValueError(f"must be {last} or earlier: no extension is that long")
    if {*_ENDORSEMENT, "cycle_starts_on"} <= info.data.keys():
        cycle = _find_cycle(info, info.data["cycle_starts_on"])
        if cycle and day <= cycle.due_on:
            raise ValueError(
                f"must be later than {cycle.due_on}, the due date without an extension"
            )
    return day


Day = Annotated[date, PlainValidator(_parse_date)]
PastDay = Annotated[Day, AfterValidator(_check_past)]
MembershipEnd = Annotated[
    date | None, PlainValidator(_parse_membership_end), AfterValidator(_check_membership_end)
]
EndDay = Annotated[Day, AfterValidator(_check_end)]
CycleStart = Annotated[Day, AfterValidator(_check_cycle_start)]
ExtendedDueDate = Annotated[Day, AfterValidator(_check_extended_due_date)]


# A file names the same few people in many rows, and each check takes a tenth of a millisecond.
@lru_cache(maxsize=50_000)
def parse_email(text: str) -> str:
    """An address in lower case, in the form in which mail servers carry it.

    Reserved example domains are allowed; nothing is looked up.
    """
    try:
        address = validate_email(
            text, check_deliverability=False, test_environment=True, allow_smtputf8=False
        )
    except EmailNotValidError as error:
        raise ValueError(f"is not an email address: {error}") from None
    return (address.ascii_email or address.normalized).lower()


def _check_other_person(email: str, info: ValidationInfo) -> str:
    if email == info.data.get("email"):
        raise ValueError("must be another person, not the one in column email")
    return email


Email = Annotated[str, PlainValidator(parse_email)]
OtherEmail = Annotated[Email, AfterValidator(_check_other_person)]


def check_known(name: str, known: Collection[str], what: str) -> str:
    """``name`` if it is among ``known``. Otherwise raises ``what`` with a suggestion."""
    if name not in known:
        raise ValueError(f"{what}; {suggest(name, known)}")
    return name


def known_name(
    what: str, find: Callable[[Vocabulary, dict[str, Any]], Collection[str]]
) -> AfterValidator:
    """Accept the names that ``find`` returns for the vocabulary and the row's earlier cells.

    ``what`` says what is wrong with any other name. ``find`` raises KeyError for an earlier cell
    that is empty or wrong: then every name is accepted, because that cell has its own problem.
    """

    def check(name: str, info: ValidationInfo) -> str:
        row = {column: value for column, value in info.data.items() if value is not None}
        try:
            known = find(_context(info).vocabulary, row)
        except KeyError:
            return name
        return check_known(name, known, what.format(**row))

    return AfterValidator(check)


def _check_name(name: str) -> str:
    """A person's name as the pages store it."""
    spaced = space_initials(name)
    if looks_like_link(spaced):
        raise ValueError("looks like a link or an address: enter only the name")
    return spaced


Text40 = Annotated[str, Field(max_length=40)]
Text200 = Annotated[str, Field(max_length=200)]
Text300 = Annotated[str, Field(max_length=300)]
Text500 = Annotated[str, Field(max_length=500)]
PersonName = Annotated[Text200, AfterValidator(_check_name)]
Association = Annotated[str, known_name("is unknown", lambda names, _: names.categories)]
Organization = Annotated[str, known_name("is unknown", lambda names, _: names.organizations)]


def _check_endorsing(name: str, info: ValidationInfo) -> str:
    """A known organization by its id, or any association by its name, of at least two words."""
    if " " in name:
        return name
    known = _context(info).vocabulary.organizations
    return check_known(name, known, "is unknown: write the whole name of any other association")


EndorsingAssociation = Annotated[Text200, AfterValidator(_check_endorsing)]
Category = Annotated[
    Text40,
    known_name(
        "{association} has no such category",
        lambda names, row: names.categories[row["association"]],
    ),
]
RefereeCategory = Annotated[
    Text40,
    known_name(
        "{endorsed_by} has no such category",
        lambda names, row: names.categories_used_by(row["endorsed_by"]),
    ),
]
Role = Annotated[
    Text40,
    known_name(
        "{association} {category} has no such role for referees",
        lambda names, row: names.roles[row["association"], row["category"]],
    ),
]
AttestationName = Annotated[
    Text40,
    known_name(
        "{association} has no such attestation",
        lambda names, row: names.attestations[row["association"]],
    ),
]
RequirementId = Annotated[
    str,
    Field(max_length=80),
    known_name(
        "a renewal of {category} has no such requirement",
        lambda names, row: names.requirements[row["association"], row["category"]],
    ),
]


def one_of(*words: str) -> PlainValidator:
    """Accept one of a few words, in upper or lower case; the value is in lower case."""

    def check(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be {format_alternatives(words)}")
        return text.lower()

    return PlainValidator(check)


YesNo = Annotated[bool, one_of("yes", "no"), AfterValidator(lambda text: text == "yes")]


LOG_EACH_DAY = (
    "for a course over several days, log each day: give each day a row, or list all of them in a "
    "column days, like YYYY-MM-DD 6; YYYY-MM-DD 5.5"
)


def _parse_session_length(text: str) -> int:
    minutes = parse_hours(text)
    if minutes > MINUTES_IN_DAY:
        raise ValueError(f"must be more than 0 and at most 24 hours; {LOG_EACH_DAY}")
    return _check_length(minutes)


def _parse_topic_length(text: str) -> int:
    return _check_length(parse_hours(text))


def _check_length(minutes: int) -> int:
    if not 0 < minutes <= MINUTES_IN_DAY:
        raise ValueError("must be more than 0 and at most 24 hours")
    return minutes


def _parse_topics(text: str, info: ValidationInfo) -> Topics:
    vocabulary = _context(info).vocabulary
    known = {*vocabulary.training_topics, *vocabulary.rsc_topics}
    topics = dict[str, int]()
    for part in _split(text):
        name, colon, hours = (piece.strip() for piece in part.partition(":"))
        if not colon:
            raise ValueError("write topics as name:hours, separated by semicolons")
        check_known(name, known, f"{name!r} is not a known topic")
        if name in topics:
            raise ValueError(f"{name} appears twice: give its hours once")
        topics[name] = _parse_topic_length(hours)
    return tuple(sorted(topics.items()))


def _parse_ratings(text: str, info: ValidationInfo) -> str:
    """What a referee rated, as it is stored, in the order of the rulebook's questions."""
    questions = _find_questions(info)
    rated = dict[str, str]()
    for part in _split(text):
        name, colon, step = (piece.strip() for piece in part.partition(":"))
        if not colon:
            raise ValueError("write ratings as question:rating, separated by semicolons")
        check_known(name, questions, f"{name!r} is not a question of the rulebook")
        check_known(step, questions[name].scale, f"{step!r} is not on the scale of {name}")
        if name in rated:
            raise ValueError(f"{name} appears twice: give one rating")
        rated[name] = step
    if not rated:
        raise ValueError("names no rating: write ratings as question:rating")
    ordered = [each for each in questions.values() if each.id in rated]
    return format_ratings([Rating(each.id, each.asks, rated[each.id]) for each in ordered])


def _find_questions(info: ValidationInfo) -> dict[str, RatingQuestion]:
    """What the row's referee was to rate on the day on which the reference was received."""
    row, context = info.data, _context(info)
    day = row.get("received_on") or context.as_of
    questions = context.vocabulary.ratings.get(row.get("association", ""), ())
    return {each.id: each for each in questions if each.is_asked(row.get("category", ""), day)}


Ratings = Annotated[str, PlainValidator(_parse_ratings)]


def _known_names(what: Literal["service", "statement"], max_length: int) -> PlainValidator:
    """Known names, each once and in alphabetical order, separated by semicolons."""

    def parse(text: str, info: ValidationInfo) -> str:
        vocabulary = _context(info).vocabulary
        known = vocabulary.services if what == "service" else vocabulary.statements
        names = sorted(set(_split(text)))
        if not names:
            raise ValueError(f"names no {what}: separate them with semicolons")
        for name in names:
            check_known(name, known, f"{name!r} is not a known {what}")
        joined = "; ".join(names)
        if len(joined) > max_length:
            raise ValueError(f"must have at most {max_length} characters, and has {len(joined)}")
        return joined

    return PlainValidator(parse)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _parse_ages(text: str) -> str:
    """One age group, or both separated by a semicolon; in lower case and in order."""
    groups = {group.lower() for group in _split(text)}
    if not groups or not groups <= set(AGES):
        raise ValueError(f"must be {format_alternatives(AGES)}, or both separated by a semicolon")
    return "; ".join(group for group in AGES if group in groups)


# More than anyone serves in a working life.
_MOST_FAMILIES = 100_000


def _parse_families(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_FAMILIES))
    if not is_number or int(text) > _MOST_FAMILIES:
        raise ValueError(f"must be a whole number from 0 to {_MOST_FAMILIES}")
    return int(text)


# Whole minutes.
SessionLength = Annotated[int, PlainValidator(_parse_session_length)]
# Minutes by topic, in the order of the names.
TopicMinutes = Annotated[Topics, PlainValidator(_parse_topics)]
Services = Annotated[str, _known_names("service", 200)]
Statements = Annotated[str, _known_names("statement", 400)]
Ages = Annotated[str, PlainValidator(_parse_ages)]
Families = Annotated[int, PlainValidator(_parse_families)]
