"""What a requirement of a rulebook asks, in words: one line for each of its terms."""

import sys
from collections.abc import Iterator, Mapping
from textwrap import wrap

import typer

from tracker.formatting import format_date
from tracker.rulebooks import RulebookError, Rulebooks, load_rulebooks
from tracker.rules.description import describe_accepted, describe_cycle, describe_value
from tracker.rules.model import (
    PURPOSES,
    Advice,
    CycleScheme,
    EducationRule,
    Interpretation,
    Purpose,
    ReferenceRule,
    Requirement,
    Rulebook,
    Source,
    WindowRule,
    WorkRule,
)
from tracker.settings import configuration_folder

_LEVELS = {
    "cda": "a CDA credential",
    "associate": "an associate's degree",
    "bachelor": "a bachelor's degree",
    "master": "a master's degree",
    "doctorate": "a doctorate",
    "specialization": "a postgraduate specialization",
    "certificate": "a university certificate",
    "other": "another degree or education",
}


def terms(rulebook: Rulebook, requirement: Requirement) -> Iterator[str]:
    """All that a requirement says beside its amounts."""
    yield requirement.about
    yield from _alternatives(rulebook, requirement)
    yield from _hours(rulebook, requirement)
    if requirement.membership:
        yield f"membership rule {requirement.membership}"
    if requirement.each_year:
        yield "each year of the cycle"
    if requirement.asked_of != "everyone":
        yield f"asked of {requirement.asked_of}"
    if requirement.education:
        yield from _education(requirement.education)
    if requirement.work:
        yield from _work(rulebook, requirement.work)
    if requirement.references:
        yield from _referees(rulebook, requirement.references)
    if requirement.signed:
        yield f"signed: {_words(rulebook.attestations, requirement.signed)}"
    if requirement.reviewed:
        yield "the reviewers judge it"


def _alternatives(rulebook: Rulebook, requirement: Requirement) -> Iterator[str]:
    """The other requirements of which one is enough."""
    if requirement.either is None:
        return
    for other in rulebook.requirements:
        shared = set(other.categories) & set(requirement.categories)
        if other.either == requirement.either and other is not requirement and shared:
            yield f"not needed where {other.id} is met"


def _hours(rulebook: Rulebook, requirement: Requirement) -> Iterator[str]:
    if requirement.topic:
        whole = requirement.inside or requirement.counts
        inside = whole == requirement.inside or requirement.counts == "training"
        about = _word(rulebook.topic_names, requirement.topic)
        yield f"topic {requirement.topic} ({about})" + (f", inside the {whole} hours" * inside)
    if requirement.besides:
        yield f"hours about these topics are left out: {', '.join(requirement.besides)}"
    if requirement.providers:
        rule = rulebook.providers[requirement.providers]
        yield f"provider rule {requirement.providers}: {rule.says}"
    if requirement.window:
        yield from _window(requirement.window)


def _window(window: WindowRule) -> Iterator[str]:
    if window.months:
        yield f"all counted sessions lie within one span of {window.months} months, the best one"
    if window.after:
        yield f"sessions count from the day of {_LEVELS[window.after]}, or a higher one, on"
    if window.while_giving:
        yield "sessions count on days on which the applicant gave RSC to others"


def _education(education: EducationRule) -> Iterator[str]:
    yield f"one of: {_words(_LEVELS, education.levels)}"
    if education.reviewed:
        yield f"if the reviewers agree: {_words(_LEVELS, education.reviewed)}"
    if education.transcript != "none":
        yield f"with an {education.transcript} transcript"


def _work(rulebook: Rulebook, work: WorkRule) -> Iterator[str]:
    yield f"work that offers one of: {_words(rulebook.services, work.services)}"
    if work.ages:
        yield f"for children {work.ages}"
    if work.paid:
        yield "paid"
    if work.volunteer:
        yield "or as a supervised and trained volunteer, if the reviewers agree"
    if work.supervised:
        yield "supervised"
    if work.after:
        yield f"days count from that of {_LEVELS[work.after]}, or a higher one, on"
    for words in work.statements.values():
        yield f"confirmed of each position: {words}"
    if work.internship:
        years = "1 year" if work.internship.years == 1 else f"{work.internship.years} years"
        held = " or ".join(work.internship.supervisors)
        yield (
            f"an internship may stand for {years} at the most, if its supervisor was endorsed as "
            f"{held} and the reviewers agree"
        )


def _referees(rulebook: Rulebook, referees: ReferenceRule) -> Iterator[str]:
    for number, roles in enumerate(referees.slots, 1):
        yield f"reference {number}: {_words(rulebook.roles, roles)}"
    for slots in referees.instead:
        others = ", then ".join(_words(rulebook.roles, roles) for roles in slots)
        yield f"instead, if the reviewers agree: {others}"
    if referees.endorsed:
        vetted = " or vetted by the association" if referees.vetted else ""
        until = (
            f" (to the end of {format_date(referees.vetted_until)})"
            if referees.vetted_until
            else ""
        )
        held = ", ".join(referees.categories)
        yield f"at least {referees.endorsed} endorsed as one of {held}{vetted}{until}"
    if referees.endorsed_roles:
        yield f"endorsed so in any case: {_words(rulebook.roles, referees.endorsed_roles)}"


def _words(words: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return "; ".join(_word(words, key) for key in keys)


def _word(words: Mapping[str, str], key: str) -> str:
    return words.get(key, key)


Lines = Iterator[str]


def describe_sections(rulebook: Rulebook, key: str) -> Lines:
    """What the rulebook makes of each section of the document ``key``, cell by cell."""
    for section in rulebook.documents[key].sections or _cited(rulebook, key):
        here = Source(document=key, section=section)
        yield section
        lines = [*_cells(rulebook, here), *_readings(rulebook, here)]
        yield from (f"  {line}" for line in lines or ["the rulebook holds no rule of this section"])


def describe_reading(found: Interpretation) -> Lines:
    """An interpretation in full; the categories that it is about, if not all."""
    about = f" ({', '.join(found.categories)})" if found.categories else ""
    yield f"Interpretation {found.id}{about}"
    yield f"  The source: {found.says}"
    for number, reading in enumerate(found.readings, 1):
        yield f"  Reading {number}: {reading}"
    yield f"  Taken since {format_date(found.since)}: {found.taken}"
    if found.change:
        yield f"  For another, change: {found.change}"


def see(interpretation: str | None) -> str:
    """The interpretation that a rule rests on, for the end of its line."""
    return f" (interpretation: {interpretation})" if interpretation else ""


def _cited(rulebook: Rulebook, key: str) -> tuple[str, ...]:
    """The sections that are cited of a document that lists none, in the order of the rulebook."""
    sources = (v.source for r in rulebook.requirements for v in r.values)
    return tuple(dict.fromkeys(s.section for s in sources if s.document == key))


def _cells(rulebook: Rulebook, here: Source) -> Lines:
    """What each category is told; those that are told the same stand together."""
    told: dict[tuple[str, ...], list[str]] = {}
    for category in rulebook.categories:
        lines = (
            *(x for r in rulebook.requirements for x in _requirement(rulebook, r, here, category)),
            *(x for a in rulebook.advice for x in _advice(a, here, category)),
        )
        if lines:
            told.setdefault(lines, []).append(category)
    for lines, categories in told.items():
        yield ", ".join(categories)
        yield from (f"  {line}" for line in lines)
    for name, rule in rulebook.providers.items():
        for accepted in rule.accepts:
            if accepted.source == here:
                yield f"provider rule {name}: {describe_accepted(accepted)}"


def _requirement(
    rulebook: Rulebook, requirement: Requirement, here: Source, category: str
) -> Lines:
    values = [value for value in requirement.values if value.source == here]
    if not values or category not in requirement.categories:
        return
    name = f"{requirement.id} ({requirement.of}): {requirement.label}"
    yield f"{name}{see(requirement.interpretation)}"
    yield from (f"  {describe_value(requirement, value)}" for value in values)
    yield from (f"  {term}" for term in terms(rulebook, requirement))


def _advice(advice: Advice, here: Source, category: str) -> Lines:
    if advice.source == here and category in advice.categories:
        typical = f", typically {advice.hours:g} hours" if advice.hours else ""
        yield f"advice on {advice.requirement}{typical}: {advice.says}"


def _readings(rulebook: Rulebook, here: Source) -> Lines:
    for found in rulebook.interpretations:
        if (found.document, found.section) == (here.document, here.section):
            yield from describe_reading(found)


_WIDTH = 100


def describe_rulebook(rulebook: Rulebook, accepted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The lines that tell all of a rulebook; ``accepted`` organizations by membership rule."""
    yield f"{rulebook.id}: {rulebook.name}"
    yield f"Time zone {rulebook.time_zone}; a due date includes its whole day there."
    yield from _part("Categories", _categories(rulebook))
    yield from _part("Cycles", (_cycle(c) for c in rulebook.cycles))
    yield from _part("Qualified providers", _providers(rulebook))
    yield from _part("Memberships", _memberships(rulebook, accepted))
    for key, document in rulebook.documents.items():
        title = f"Document {document.file}  {document.title}"
        yield from _part(title, describe_sections(rulebook, key))
    yield from _part("Interpretations of all documents", _readings_of_all(rulebook))
    yield ""


def _part(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield from ("", title)
    empty = True
    for line in lines:
        empty = False
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        yield from wrap(
            line.lstrip(),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=f"{indent}  ",
            break_on_hyphens=False,
        )
    if empty:
        yield "  none in this rulebook"


def _categories(rulebook: Rulebook) -> Iterator[str]:
    for key, category in rulebook.categories.items():
        held = [p for p in PURPOSES if rulebook.requirements_of(key, p)]
        rules = f"rules for its {' and '.join(held)}" if held else "no rules"
        yield f"{key}: {category.name} ({rules})"


def _cycle(scheme: CycleScheme) -> str:
    since = format_date(scheme.starts_from)
    return f"from {since}: {describe_cycle(scheme)}{see(scheme.interpretation)}"


def _providers(rulebook: Rulebook) -> Iterator[str]:
    for name, rule in rulebook.providers.items():
        yield f"{name}: {rule.says}"
        for accepted in rule.accepts:
            cited = _cite(rulebook, accepted.source)
            yield f"  {describe_accepted(accepted)} {cited}{see(accepted.interpretation)}"


def _memberships(rulebook: Rulebook, accepted: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for name, rule in rulebook.memberships.items():
        yield f"{name}: {rule.says}"
        yield f"  accepted: {', '.join(accepted[name])}"


def _readings_of_all(rulebook: Rulebook) -> Iterator[str]:
    """The interpretations that are about no one document."""
    found = [each for each in rulebook.interpretations if each.document is None]
    for section in dict.fromkeys(each.section for each in found):
        yield section
        readings = (each for each in found if each.section == section)
        yield from (f"  {line}" for each in readings for line in describe_reading(each))


def _cite(rulebook: Rulebook, source: Source) -> str:
    return f"[{rulebook.documents[source.document].title}, {source.section}]"


def check() -> None:
    """Print what each rulebook holds, or every error in every file; exit code 1 on any."""
    folder = configuration_folder()
    try:
        rulebooks = load_rulebooks(folder)
    except RulebookError as wrong:
        count = len(wrong.problems)
        for problem in wrong.problems:
            sys.stderr.write(f"{problem}\n")
        sys.stderr.write(f"{count} {'problem' if count == 1 else 'problems'} in {folder}.\n")
        raise typer.Exit(1) from None
    sys.stdout.writelines(f"{line}\n" for line in _summary(rulebooks))
    sys.stdout.write(f"All rulebooks in {folder} are right.\n")


def _summary(rulebooks: Rulebooks) -> Iterator[str]:
    for rulebook in rulebooks.associations.values():
        rules = "; ".join(f"{p} rules for {_ruled(rulebook, p)}" for p in PURPOSES)
        readings = f"{len(rulebook.interpretations)} interpretations"
        yield f"{rulebook.id}: {len(rulebook.categories)} categories; {rules}; {readings}"
    yield f"organizations.toml: {len(rulebooks.organizations)} organizations"


def _ruled(rulebook: Rulebook, purpose: Purpose) -> str:
    return (
        ", ".join(c for c in rulebook.categories if rulebook.requirements_of(c, purpose)) or "none"
    )


def show(association: str | None) -> None:
    """Print every rulebook, or the one of ``association``; exit code 1 if there is none."""
    rulebooks = load_rulebooks(configuration_folder())
    if association is not None and association not in rulebooks.associations:
        known = ", ".join(rulebooks.associations)
        sys.stderr.write(f"No rulebook is about {association!r}: there are {known}.\n")
        raise typer.Exit(1)
    for name, rulebook in rulebooks.associations.items():
        if association in (None, name):
            accepted = {
                rule: rulebooks.accepted_organizations(f"{name}/{rule}")
                for rule in rulebook.memberships
            }
            sys.stdout.writelines(f"{line}\n" for line in describe_rulebook(rulebook, accepted))
