"""What a column of a list can mean: a column of one of the kinds of files, in people's words."""

from collections.abc import Iterator, Mapping, Sequence

from tracker.db.applications import STATES, TRANSCRIPTS
from tracker.db.people import DEGREES
from tracker.importer.schemas import SCHEMAS
from tracker.rulebooks import Rulebooks
from tracker.rules.requirement import FORMATS, LEVELS, MEMBERSHIP_KINDS, PAY

# In every kind of file that has them: a list's one column is for all of its kinds.
SHARED = ("email", "association", "category")
# Columns of lists that no file has: they become a name, or say which rows count.
FIRST_NAME, LAST_NAME, INCLUDED = "people.first_name", "people.last_name", "included"
NAME, EMAIL, ASSOCIATION = "people.name", "email", "association"
YES, NO = "yes", "no"
# The text of a value whose rows are left out.
LEAVE_OUT = "-"
YES_OR_NO = {YES: "Yes", NO: "No"}

KIND_NAMES = {
    "people": "People",
    "endorsements": "Endorsements",
    "memberships": "Memberships",
    "entries": "Hours",
    "vetting": "Vetted RSC providers",
    "leave": "Leave",
    "waivers": "Waivers",
    "extensions": "Extended due dates",
    "applications": "Applications",
    "degrees": "Degrees",
    "positions": "Jobs",
    "references": "References",
    "attestations": "Signed statements",
    "exams": "Exams",
}
_LABELS = {
    "email": "Email address",
    "association": "Association",
    "category": "Category",
    INCLUDED: "Whether to import the row",
    FIRST_NAME: "First name",
    LAST_NAME: "Last name",
    "people.provides_rsc": "Provides RSC",
    "people.previous_email": "Previous email address",
    "people.second_email": "Second email address",
    "endorsements.starts_on": "First day",
    "endorsements.ends_on": "Last day",
    "memberships.starts_on": "First day",
    "memberships.ends_on": "Last day",
    "memberships.kind": "Individual or agency",
    "vetting.starts_on": "First day",
    "vetting.ends_on": "Last day",
    "leave.starts_on": "First day",
    "leave.ends_on": "Last day",
    "leave.kind": "Leave, inactive or emeritus",
    "entries.title": "Title or subject",
    "entries.provider_email": "RSC provider's email address",
    "entries.provider_name": "RSC provider's name",
    "entries.similar": "Whether it is a stored session",
    "entries.shared_reference": "Reference that sessions share",
    "positions.gives_rsc": "Provides RSC",
    "references.referee_email": "Referee's email address",
    "references.referee_name": "Referee's name",
    "attestations.what": "What is signed",
}
# How lists call them. Those of one word apply to any kind that has the column.
_GENERIC_NAMES: Mapping[str, Sequence[str]] = {
    "starts_on": ("start", "start date", "starts", "from", "since", "first day", "begin date"),
    "ends_on": ("end", "end date", "ends", "to", "until", "last day", "expires", "expiration"),
    "date": ("date", "day", "session date", "training date"),
    "title": ("title", "subject", "training", "training title", "topic title", "description"),
    "reason": ("reason", "comment", "comments"),
    "state": ("status", "state"),
}
_NAMES: Mapping[str, Sequence[str]] = {
    "email": ("email", "e mail", "email address", "e mail address", "mail", "primary email"),
    "association": ("association", "state association", "aimh"),
    "category": (
        "category",
        "endorsement",
        "endorsement category",
        "endorsement level",
        "credential",
        "level of endorsement",
        "endorsement type",
    ),
    NAME: ("name", "full name", "endorsee", "member", "member name", "participant", "person"),
    FIRST_NAME: ("first name", "given name", "first", "firstname"),
    LAST_NAME: ("last name", "surname", "family name", "last", "lastname"),
    INCLUDED: ("active", "import"),
    "people.second_email": ("second email", "personal email", "alternate email", "other email"),
    "people.previous_email": ("previous email", "old email", "former email"),
    "people.highest_degree": ("highest degree", "degree", "education"),
    "people.provides_rsc": ("provides rsc", "rsc provider", "reflective supervisor"),
    "endorsements.starts_on": (
        "endorsed on",
        "endorsed",
        "endorsement date",
        "date endorsed",
        "endorsed since",
        "endorsement start",
        "date of endorsement",
        "initial endorsement date",
    ),
    "endorsements.ends_on": (
        "endorsement end",
        "endorsement ends",
        "endorsement ended",
        "endorsement end date",
        "endorsement expires",
    ),
    "memberships.organization": ("organization", "membership organization", "member of"),
    "memberships.starts_on": (
        "member since",
        "membership start",
        "membership start date",
        "joined",
        "join date",
        "paid on",
        "payment date",
    ),
    "memberships.ends_on": (
        "membership expires",
        "membership expiration",
        "membership end",
        "membership end date",
        "membership through",
        "paid through",
        "expiration date",
        "renewal date",
        "valid through",
    ),
    "memberships.kind": ("membership kind", "membership type", "type of membership"),
    "entries.activity": ("activity", "type of hours", "hour type"),
    "entries.hours": ("hours", "clock hours", "number of hours", "duration"),
    "entries.topics": ("topics", "topic"),
    "entries.provider_name": ("provider", "supervisor", "rsc provider name", "facilitator"),
    "entries.provider_email": ("provider email", "supervisor email"),
    "entries.format": ("format", "session format"),
    "entries.reference": ("reference", "certificate number"),
    "applications.opened_on": ("opened", "application date", "applied on"),
    "degrees.awarded_on": ("awarded", "graduation date", "date awarded"),
    "degrees.level": ("degree level",),
    "exams.passed": ("passed", "result"),
}
# What the name of a file or sheet says about its kind.
_HINTS: Mapping[str, Sequence[str]] = {
    "people": ("people", "contacts", "persons"),
    "endorsements": ("endorsements", "endorsees", "roster", "endorsement"),
    "memberships": ("memberships", "members", "membership", "dues"),
    "entries": ("entries", "hours", "trainings", "training", "log", "rsc", "sessions"),
    "vetting": ("vetting", "vetted", "providers"),
    "leave": ("leave", "leaves"),
    "waivers": ("waivers",),
    "extensions": ("extensions",),
    "applications": ("applications", "applicants"),
    "degrees": ("degrees", "education"),
    "positions": ("positions", "jobs"),
    "references": ("references",),
    "attestations": ("attestations", "signatures"),
    "exams": ("exams", "exam"),
}
_YES_NO_COLUMNS = (
    INCLUDED,
    "people.provides_rsc",
    "positions.supervised",
    "positions.trained",
    "positions.gives_rsc",
    "references.role_confirmed",
    "references.vetted",
    "exams.passed",
)
_WORDS = {
    "people.highest_degree": DEGREES,
    "memberships.kind": MEMBERSHIP_KINDS,
    "entries.activity": ("training", "rsc"),
    "entries.format": FORMATS,
    "applications.state": STATES,
    "leave.kind": ("leave", "inactive", "emeritus"),
    "degrees.level": LEVELS,
    "degrees.transcript": TRANSCRIPTS,
    "positions.pay": PAY,
}
# What lists write for a value, beside the value itself.
VALUE_NAMES: Mapping[str, Sequence[str]] = {
    YES: ("y", "true", "x", "1", "active", "current", "ok"),
    NO: ("n", "false", "0", "inactive", "lapsed", "former", "retired", "ended"),
    "rsc": ("reflective supervision", "reflective supervision consultation", "supervision"),
    "training": ("workshop", "course", "conference", "webinar", "in service"),
    "master": ("masters", "masters degree", "ma", "ms", "msw", "med", "m ed", "mph"),
    "bachelor": ("bachelors", "bachelors degree", "ba", "bs", "bsw"),
    "doctorate": ("doctoral", "phd", "ph d", "psyd", "edd", "doctor"),
    "associate": ("associates", "associates degree", "aa", "as"),
    "agency": ("organizational", "organization", "group", "employer", "company"),
    "individual": ("one on one", "1 1", "one to one"),
    "peer": ("peers", "peer group", "peer to peer"),
}


def list_targets() -> Iterator[tuple[str, list[str]]]:
    """The targets by kind, in the order in which a page lists them; "" has those for all kinds."""
    yield "", [*SHARED, INCLUDED]
    for kind in KIND_NAMES:
        columns = [column for column in SCHEMAS[kind].columns() if column not in SHARED]
        own = [f"{kind}.{column}" for column in columns]
        yield kind, [NAME, FIRST_NAME, LAST_NAME, *own[1:]] if kind == "people" else own


KNOWN_TARGETS = frozenset(target for _, targets in list_targets() for target in targets)


def kind_of(target: str) -> str:
    """The kind of a target; empty for those of all kinds."""
    return target.partition(".")[0] if "." in target else ""


def column_of(target: str) -> str:
    """The column of a target in its kind's file."""
    return target.rpartition(".")[2]


def label_of(target: str) -> str:
    """A target in words, without its kind."""
    return _LABELS.get(target, column_of(target).replace("_", " ").capitalize())


def describe(target: str) -> str:
    """A target in words with its kind: ``Memberships: last day``."""
    label = label_of(target)
    if kind := kind_of(target):
        return f"{KIND_NAMES[kind]}: {label[0].lower()}{label[1:]}"
    return label


def is_date(target: str) -> bool:
    """Whether a target is a day."""
    column = column_of(target)
    return column == "date" or column.endswith("_on")


def names_of(target: str) -> list[str]:
    """How lists call a target."""
    return [*_NAMES.get(target, ()), column_of(target).replace("_", " ")]


def generic_names_of(column: str) -> Sequence[str]:
    """How lists call a column whatever the list is about."""
    return [*_GENERIC_NAMES.get(column, ()), column.replace("_", " ")]


def hints_of(kind: str) -> Sequence[str]:
    """How files and sheets of a kind are called."""
    return _HINTS[kind]


def choices_of(rulebooks: Rulebooks, association: str) -> dict[str, dict[str, str]]:
    """The values of each target that has only certain ones, with the words for each value."""
    rulebook = rulebooks.associations[association]
    accepted = rulebooks.accepted_by(association)
    choices = dict.fromkeys(_YES_NO_COLUMNS, YES_OR_NO)
    for target, words in _WORDS.items():
        choices[target] = {word: word.upper() if word == "rsc" else word for word in words}
    choices["association"] = {association: f"{association}, {rulebook.name}"}
    choices["category"] = {
        key: f"{key}, {category.name}" for key, category in rulebook.categories.items()
    }
    choices["memberships.organization"] = {
        key: f"{key}, {rulebooks.organizations[key].name}" for key in sorted(accepted)
    }
    requirements = {each.id: each.label for each in rulebook.requirements if each.of == "renewal"}
    choices["waivers.requirement"] = requirements
    choices["references.role"] = dict(rulebook.roles)
    choices["attestations.what"] = dict(rulebook.attestations)
    return choices
