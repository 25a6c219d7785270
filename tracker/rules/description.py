"""A rulebook in words: whole for the console, in parts for the help page."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from tracker.formatting import (
    capitalize_first,
    format_alternatives,
    format_count,
    format_date,
    format_hours_with_unit,
    format_list,
)
from tracker.rules.absence_description import format_absence_rule
from tracker.rules.category_ends import explain_ends
from tracker.rules.certificates import format_certificate_rule
from tracker.rules.cycle_text import format_scheme, name_month_day
from tracker.rules.cycles import common_cycle
from tracker.rules.fees import describe_fee
from tracker.rules.membership import MembershipRule
from tracker.rules.model import AcceptedProvider, Interpretation, Rulebook
from tracker.rules.plan import cap_in_force
from tracker.rules.reasons import format_reason
from tracker.rules.registry import describe_registry
from tracker.rules.removal_description import list_removal_lines, list_removal_section
from tracker.rules.requirement import (
    MEMBERSHIP_KINDS,
    PURPOSES,
    Cap,
    EducationRule,
    ReferenceRule,
    Requirement,
    Source,
    Value,
    WindowRule,
    WorkRule,
)

LEVEL_NAMES = {
    "cda": "a CDA credential",
    "associate": "an associate's degree",
    "bachelor": "a bachelor's degree",
    "master": "a master's degree",
    "doctorate": "a doctorate",
    "specialization": "a postgraduate specialization",
    "certificate": "a university certificate",
    "other": "another degree or education",
}
_RETURNS = {
    "those who return from leave": "only in the cycle in which a leave ended",
    "those who return from inactive status": "only in the cycle in which inactive status ended",
}
Lines = Iterator[str]


def describe_providers(accepted: AcceptedProvider) -> str:
    """Whose sessions are accepted, as in ``IFRS, held for at least 3 years without a break``."""
    by = format_alternatives(accepted.associations)
    if accepted.vetted:
        return f"vetted by {by or 'the association'}"
    providers = ", ".join(accepted.categories)
    if accepted.degree:
        providers += f" with at least {LEVEL_NAMES[accepted.degree]}"
    if by:
        providers += f" endorsed by {by}"
    if accepted.held_years:
        years = format_count(accepted.held_years, "year")
        providers += f", held for at least {years} without a break"
    return providers


def describe_accepted(accepted: AcceptedProvider) -> str:
    """Whose sessions are accepted, and on which days."""
    days = []
    if accepted.starts_from:
        days.append(f"from {format_date(accepted.starts_from)}")
    if accepted.until:
        days.append(f"through {format_date(accepted.until)}")
    return f"{describe_providers(accepted)}, {' '.join(days) or 'on any day'}"


def format_amount(requirement: Requirement, value: Value) -> str:
    """What a value requires: ``12 hours``, ``9 calendar months``, ``no longer required``."""
    if not value.asked:
        return "not required" if value.held_years else "no longer required"
    if value.hours is not None:
        return format_hours_with_unit(value.minutes)
    if value.months is not None:
        return format_count(value.months, "calendar month")
    if value.years is not None:
        return "1 year" if value.years == 1 else f"{value.years:g} years"
    if value.many is not None:
        return f"at least {value.many} {requirement.unit or 'positions'}"
    return "required"


def format_for_whom(value: Value) -> str:
    """Whom a value is for, such as ``for IFS held for 3 years or more``; empty if for everyone."""
    if not value.categories and not value.held_years:
        return ""
    whom = format_list(value.categories) if value.categories else "endorsements"
    if value.held_years:
        whom += f" held for {format_count(value.held_years, 'year')} or more"
    return f"for {whom}"


def describe_membership(rule: MembershipRule) -> Lines:
    """Of which kinds memberships count, and how long after their last day."""
    if set(rule.kinds) != set(MEMBERSHIP_KINDS):
        yield f"only {format_alternatives(rule.kinds)} memberships count"
    if rule.grace_days:
        days = format_count(rule.grace_days, "day")
        yield f"a membership counts through the {days} after its last day"
    elif rule.grace_until:
        until = name_month_day(rule.grace_until)
        yield f"a membership counts through the first {until} after its last day"


def format_limit(cap: Cap, value: Value) -> str:
    """What of a requirement's hours a cap lets count: ``at most 6 hours of peer sessions``."""
    if not value.asked:
        return f"no limit {_format_limited(cap)}"
    return f"at most {format_hours_with_unit(value.minutes)} {_format_limited(cap)}"


def _format_limited(cap: Cap) -> str:
    if cap.topic:
        return f"about {cap.topic}"
    return f"of {format_list(cap.formats)} sessions"


def describe_sessions(requirement: Requirement, today: date | None = None) -> Lines:
    """When and how the sessions of a renewal's requirement are held for their hours to count.

    With ``today``, only what limits them then; without it, the limits of all days.
    """
    if requirement.formats:
        yield f"only {format_list(requirement.formats)} sessions count"
    for cap in requirement.caps:
        for value in cap.values:
            if today is None:
                yield f"{format_limit(cap, value)}, from {format_date(value.starts_from)}"
            elif value is cap_in_force(cap, today):
                yield f"{format_limit(cap, value)} count"
    if any(value.months for value in requirement.values):
        yield "different calendar months with at least one session that counts"
    if requirement.each_year and requirement.counts != "membership":
        yield "in each year of the cycle, counted from its first day"
        yield "a year that begins before the endorsement requires nothing"


def describe_rulebook(rulebook: Rulebook, accepted: Mapping[str, tuple[str, ...]]) -> Lines:
    """The whole rulebook, two spaces of indentation a level; an empty line before each heading.

    ``accepted`` has the accepted organizations by membership rule.
    """
    yield f"{rulebook.id}: {rulebook.name}"
    yield f"Time zone {rulebook.time_zone}. A due date includes its whole day there."
    sections: dict[str, list[str]] = {"Categories": [], "Cycles": []}
    for key, category in rulebook.categories.items():
        purposes = [p for p in PURPOSES if rulebook.requirements_of(key, p)]
        rules = f"rules for its {format_list(purposes)}" if purposes else "no rules"
        sections["Categories"].append(f"{key}: {category.name} ({rules})")
        sections["Categories"] += _indent(list(describe_ends(rulebook, [key])))
    for scheme in rulebook.cycles:
        line = f"from {format_date(scheme.starts_from)}: {format_scheme(scheme, rulebook)}"
        sections["Cycles"].append(line + _see(scheme.interpretation))
    sections["Leave and inactive status"] = list(_absences(rulebook))
    sections["Certificates"] = list(_certificates(rulebook))
    sections |= list_removal_section(rulebook)
    sections["Qualified providers"] = list(_providers(rulebook))
    sections["Memberships"] = memberships = []
    for name, rule in rulebook.memberships.items():
        memberships += [f"{name}: {rule.says}", f"  accepted: {', '.join(accepted[name])}"]
        memberships += _indent(describe_membership(rule))
    for key, document in rulebook.documents.items():
        sections[f"Document {document.file}  {document.title}"] = list(_document(rulebook, key))
    sections["Interpretations of all documents"] = list(_general_interpretations(rulebook))
    sections["Public registry"] = describe_registry(rulebook.registry)
    for title, lines in sections.items():
        yield from ("", title)
        yield from _indent(lines or ["none in this rulebook"])
    yield ""


def describe_ends(rulebook: Rulebook, categories: Iterable[str]) -> Lines:
    """Which categories' endorsements end by a rule, in sentences."""
    for category in categories:
        for reason in explain_ends(rulebook, category):
            yield f"{capitalize_first(format_reason(reason))}."


def _indent(lines: Lines | list[str]) -> Lines:
    for line in lines:
        yield f"  {line}"


def _see(interpretation: str | None) -> str:
    return f" (interpretation: {interpretation})" if interpretation else ""


def _absences(rulebook: Rulebook) -> Lines:
    for rule in rulebook.absences:
        cited = ""
        if rule.source:
            cited = f" [{rulebook.documents[rule.source.document].title}, {rule.source.section}]"
        says = format_absence_rule(rulebook, rule)
        yield f"from {format_date(rule.starts_from)}: {says}{cited}{_see(rule.interpretation)}"


def _certificates(rulebook: Rulebook) -> Lines:
    for rule in rulebook.certificates:
        cited = ""
        if rule.source:
            cited = f" [{rulebook.documents[rule.source.document].title}, {rule.source.section}]"
        days = f"from {format_date(rule.starts_from)}"
        if rule.until:
            days += f" through {format_date(rule.until)}"
        yield f"{days}: {format_certificate_rule(rule)}{cited}{_see(rule.interpretation)}"


def _providers(rulebook: Rulebook) -> Lines:
    for name, rule in rulebook.providers.items():
        yield f"{name}: {rule.says}"
        for accepted in rule.accepts:
            source = accepted.source
            cited = f"[{rulebook.documents[source.document].title}, {source.section}]"
            yield f"  {describe_accepted(accepted)} {cited}{_see(accepted.interpretation)}"


def _document(rulebook: Rulebook, key: str) -> Lines:
    """What the rulebook says on each section of a document, or on each section that it cites."""
    sections = rulebook.documents[key].sections
    if not sections:
        cited = [section for document, section in _list_citations(rulebook) if document == key]
        sections = tuple(dict.fromkeys(cited))
    for section in sections:
        yield section
        lines = list(_document_section(rulebook, Source(document=key, section=section)))
        yield from _indent(lines or ["the rulebook has no rule about this section"])


def _list_citations(rulebook: Rulebook) -> list[tuple[str | None, str]]:
    """The document and section of everything in the rulebook that is about one."""
    sources: list[Source | Interpretation] = [*_list_sources_of_values(rulebook)]
    sources += [absence.source for absence in rulebook.absences if absence.source]
    sources += [rule.source for rule in rulebook.certificates if rule.source]
    dated = (*rulebook.removals, *rulebook.reinstatements)
    sources += [block.source for block in dated if block.source]
    sources += [question.source for question in rulebook.ratings]
    sources += [advice.source for advice in rulebook.advice]
    sources += rulebook.interpretations
    return [(source.document, source.section) for source in sources]


def _list_sources_of_values(rulebook: Rulebook) -> Iterator[Source]:
    for requirement in rulebook.requirements:
        yield from (value.source for value in _list_values(requirement))
    for rule in rulebook.providers.values():
        yield from (accepted.source for accepted in rule.accepts)
    for fee in rulebook.fees:
        yield from (value.source for value in fee.values)


def _list_values(requirement: Requirement) -> list[Value]:
    """The values of a requirement and of its caps."""
    return [*requirement.values, *(value for cap in requirement.caps for value in cap.values)]


def _document_section(rulebook: Rulebook, here: Source) -> Lines:
    # Categories with the same rules are listed together.
    by_lines: dict[tuple[str, ...], list[str]] = {}
    for category in rulebook.categories:
        if lines := tuple(_rules_of_category(rulebook, here, category)):
            by_lines.setdefault(lines, []).append(category)
    for lines, categories in by_lines.items():
        yield ", ".join(categories)
        yield from _indent(list(lines))
    yield from _shared_rules(rulebook, here)
    for interpretation in rulebook.interpretations:
        if (interpretation.document, interpretation.section) == (here.document, here.section):
            yield from _interpretation(interpretation)


def _shared_rules(rulebook: Rulebook, here: Source) -> Lines:
    """The rules of a section that are not about a category."""
    yield from list_removal_lines(rulebook, here)
    for absence in rulebook.absences:
        if absence.source == here:
            says = format_absence_rule(rulebook, absence)
            yield f"absences {absence.kind} from {format_date(absence.starts_from)}: {says}"
    for certificate in rulebook.certificates:
        if certificate.source == here:
            says = format_certificate_rule(certificate)
            yield f"certificates from {format_date(certificate.starts_from)}: {says}"
    for name, rule in rulebook.providers.items():
        for accepted in rule.accepts:
            if accepted.source == here:
                yield f"provider rule {name}: {describe_accepted(accepted)}"


def _rules_of_category(rulebook: Rulebook, here: Source, category: str) -> Lines:
    for requirement in rulebook.requirements:
        if category in requirement.categories:
            yield from _values_for_category(rulebook, requirement, here, category)
            yield from _limits_of(requirement, here)
    for fee in [f for f in rulebook.fees if category in f.categories]:
        yield from describe_fee(fee, here, rulebook.currency_code)
    yield from _ratings_for_category(rulebook, here, category)
    yield from _advice_for_category(rulebook, here, category)


def _values_for_category(
    rulebook: Rulebook, requirement: Requirement, here: Source, category: str
) -> Lines:
    """What a requirement asks of a category by a section, over time; nothing if by another one."""
    values = [value for value in requirement.values_for(category) if value.source == here]
    if not values:
        return
    name = f"{requirement.id} ({requirement.of}): {requirement.label}"
    yield f"{name}{_see(requirement.interpretation)}"
    for value in values:
        amount, whom = format_amount(requirement, value), format_for_whom(value)
        days = f"from {format_date(value.starts_from)}{', ' if whom else ''}{whom}"
        yield f"  {days}: {amount}"
        if first := find_first_cycle(rulebook, requirement, value):
            yield f"    starting with the cycle from {format_date(first)}"
    yield from _indent([requirement.about, *describe_terms(rulebook, requirement)])


def _limits_of(requirement: Requirement, here: Source) -> Lines:
    """What the caps of a requirement come to that a section is the source of."""
    for cap in requirement.caps:
        for value in cap.values:
            if value.source == here:
                since = f"from {format_date(value.starts_from)}"
                limit = f"limit of {requirement.id} {since}: {format_limit(cap, value)}"
                yield f"{limit}{_see(cap.interpretation)}"


def _ratings_for_category(rulebook: Rulebook, here: Source, category: str) -> Lines:
    for question in rulebook.ratings:
        if question.source == here and category in question.categories:
            yield f"rating {question.id}: {question.asks}{_see(question.interpretation)}"
            days = f"from {format_date(question.starts_from)}"
            if question.until:
                days += f" through {format_date(question.until)}"
            yield f"  {days}: {'; '.join(question.scale)}"


def find_first_cycle(rulebook: Rulebook, requirement: Requirement, value: Value) -> date | None:
    """The first day of the first cycle with a value that begins within a cycle; else None."""
    if requirement.of != "renewal" or not value.asked:
        return None
    cycle = common_cycle(rulebook.cycles, value.starts_from)
    if cycle is None or cycle.starts_on == value.starts_from:
        return None
    return cycle.ends_on + timedelta(days=1)


def _advice_for_category(rulebook: Rulebook, here: Source, category: str) -> Lines:
    for advice in rulebook.advice:
        if advice.source == here and category in advice.categories:
            typical = f", typically {advice.hours:g} hours" if advice.hours else ""
            yield f"advice on {advice.requirement}{typical}: {advice.says}"


def _general_interpretations(rulebook: Rulebook) -> Lines:
    """The interpretations that are not about one document."""
    general = [i for i in rulebook.interpretations if i.document is None]
    for section in dict.fromkeys(interpretation.section for interpretation in general):
        yield section
        for interpretation in general:
            if interpretation.section == section:
                yield from _indent(_interpretation(interpretation))


def _interpretation(interpretation: Interpretation) -> Lines:
    categories = f" ({', '.join(interpretation.categories)})" if interpretation.categories else ""
    yield f"Interpretation {interpretation.id}{categories}"
    yield f"  The source: {interpretation.says}"
    for number, reading in enumerate(interpretation.readings, 1):
        yield f"  Reading {number}: {reading}"
    yield f"  Our reading since {format_date(interpretation.since)}: {interpretation.taken}"
    if interpretation.change:
        yield f"  For another reading, change: {interpretation.change}"


def describe_terms(rulebook: Rulebook, requirement: Requirement) -> Lines:
    """Every condition of a requirement other than its amounts, without the rulebook's keys."""
    yield from _alternatives(rulebook, requirement)
    yield from _hours_terms(rulebook, requirement)
    if requirement.membership:
        membership = rulebook.memberships[requirement.membership]
        yield f"membership in {membership.says}"
        yield from describe_membership(membership)
    if requirement.each_year and requirement.membership:
        yield "each year of the cycle"
    if requirement.asked_of != "everyone":
        yield _RETURNS.get(requirement.asked_of, f"only for {requirement.asked_of}")
    if requirement.education:
        yield from _education_terms(requirement.education)
    if requirement.work:
        yield from _work_terms(rulebook, requirement.work)
    if requirement.references:
        yield from _reference_terms(rulebook, requirement.references)
    yield from _signed_terms(rulebook, requirement)


def _signed_terms(rulebook: Rulebook, requirement: Requirement) -> Lines:
    if requirement.signed:
        yield f"signed: {_words(rulebook.attestations, requirement.signed)}"
    if requirement.reviewed:
        yield "the reviewers decide"
    if requirement.counts == "submitted":
        yield "the endorsee submits the renewal"
    if requirement.fee:
        labels = [fee.label for fee in rulebook.fees if fee.id == requirement.fee]
        yield f"paid: {format_list(list(dict.fromkeys(labels)))}"
    if requirement.attested_by:
        words = _words(rulebook.attestations, (requirement.attested_by,))
        yield f"what is not on record is met if this is signed with the renewal: {words}"


def _alternatives(rulebook: Rulebook, requirement: Requirement) -> Lines:
    if requirement.either is None:
        return
    for other in rulebook.requirements:
        has_category = not set(other.categories).isdisjoint(requirement.categories)
        is_alternative = (other.of, other.either) == (requirement.of, requirement.either)
        if is_alternative and other is not requirement and has_category:
            yield f"not needed if “{other.label}” is met, or if the reviewers accept it"


def _hours_terms(rulebook: Rulebook, requirement: Requirement) -> Lines:
    if requirement.topic:
        topic = f"hours about: {_words(rulebook.topic_names, (requirement.topic,))}"
        is_inside = requirement.counts == "training" or requirement.inside
        yield f"{topic}; they are part of the others" if is_inside else topic
    if requirement.besides:
        topics = _words(rulebook.topic_names, requirement.besides)
        yield f"hours about these topics do not count here: {topics}"
    if requirement.providers:
        rule = rulebook.providers[requirement.providers]
        yield f"with a provider who is, on the day of the session: {rule.says}"
    yield from describe_sessions(requirement)
    if window := requirement.window:
        yield from _window_terms(window, requirement)


def _window_terms(window: WindowRule, requirement: Requirement) -> Lines:
    if window.since:
        yield "sessions count starting on the day of the removal"
    elif window.months and requirement.of == "reinstatement":
        months = format_count(window.months, "month")
        yield f"sessions of the {months} before the reinstatement is submitted count"
    elif window.months:
        yield f"sessions count only within the best span of {window.months} months"
    if window.after:
        yield f"sessions count from the day of {LEVEL_NAMES[window.after]} or a higher degree"
    if window.while_giving:
        yield "sessions count on days on which the applicant provided RSC to others"


def _education_terms(education: EducationRule) -> Lines:
    yield f"one of: {_words(LEVEL_NAMES, education.levels)}"
    if education.reviewed:
        yield f"if the reviewers agree: {_words(LEVEL_NAMES, education.reviewed)}"
    if education.transcript != "none":
        yield f"with an {education.transcript} transcript"


def _work_terms(rulebook: Rulebook, work: WorkRule) -> Lines:
    yield f"work that offers one of: {_words(rulebook.services, work.services)}"
    if work.ages:
        yield f"for children {work.ages}"
    if work.paid:
        yield "paid"
    if work.volunteer:
        yield "or as a supervised and trained volunteer, if the reviewers agree"
    if work.beyond_paid:
        yield "some of it in addition to paid work; if all of it is paid, the reviewers decide"
    if work.supervised:
        yield "supervised"
    if work.after:
        yield f"days count starting on the day of {LEVEL_NAMES[work.after]} or a higher degree"
    for statement in work.statements.values():
        yield f"confirmed for each position: {statement}"
    if work.internship:
        years = format_count(work.internship.years, "year")
        yield (
            f"an internship may replace at most {years} of work, if its supervisor was endorsed as "
            f"{format_alternatives(work.internship.supervisors)} and the reviewers agree"
        )


def _reference_terms(rulebook: Rulebook, references: ReferenceRule) -> Lines:
    for number, roles in enumerate(references.slots, 1):
        yield f"reference {number}: {_words(rulebook.roles, roles)}"
    for slots in references.instead:
        others = ", then ".join(_words(rulebook.roles, roles) for roles in slots)
        yield f"instead, if the reviewers agree: {others}"
    if references.endorsed:
        categories = ", ".join(references.categories)
        endorsed = f"at least {references.endorsed} endorsed as one of {categories}"
        if references.vetted:
            endorsed += " or vetted by the association"
        if references.vetted_until:
            endorsed += f" (through {format_date(references.vetted_until)})"
        yield endorsed
    if references.endorsed_roles:
        yield f"always endorsed: {_words(rulebook.roles, references.endorsed_roles)}"


def _words(words: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return "; ".join(words.get(key, key) for key in keys)
