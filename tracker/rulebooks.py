"""Loads the rulebooks from the configuration folder; plans renewals and applications by them."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path

from tracker.errors import UserError
from tracker.formatting import format_list
from tracker.rules.cycles import Cycle, cycle_containing, cycle_counting
from tracker.rules.history import count_years
from tracker.rules.membership import MembershipRule
from tracker.rules.model import Organization, ProviderRule, Rulebook
from tracker.rules.notice_config import NoticeConfigs, NoticesFile
from tracker.rules.parse import RulebookProblem, parse, parse_organizations, parse_rulebook
from tracker.rules.plan import ApplicationPlan, RenewalPlan, plan_application, plan_renewal
from tracker.rules.removal_rules import ReinstatementRule, RemovalRule, block_on
from tracker.rules.requirement import MEMBERSHIP_KINDS, Purpose
from tracker.rules.similar_names import suggest
from tracker.rules.toml_lines import TomlLines
from tracker.settings import Settings, SettingsError

_ORGANIZATIONS = "organizations.toml"


class RulebookError(UserError):
    """The rulebooks have errors: all of them, with file, key, and reason."""

    heading = "The rulebooks have errors:"

    def __init__(self, problems: list[RulebookProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, eq=False, repr=False)
class Rulebooks:
    """Every rulebook and organization; ``digest`` changes when any file's text does.

    ``digests`` are those of each association: of its own file, and of the organizations.
    """

    associations: dict[str, Rulebook]
    organizations: dict[str, Organization]
    digest: str
    digests: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Rulebooks({', '.join(self.associations)})"

    def digest_of(self, association: str) -> str:
        """What changes with the rules of one association: with its own file alone."""
        return self.digests.get(association, self.digest)

    @cached_property
    def topics(self) -> frozenset[str]:
        """Every topic of training that some rulebook counts."""
        return frozenset().union(*(rulebook.topics for rulebook in self.associations.values()))

    @cached_property
    def rsc_topics(self) -> frozenset[str]:
        """Every topic of RSC sessions that some rulebook counts."""
        return frozenset().union(*(rulebook.rsc_topics for rulebook in self.associations.values()))

    @cached_property
    def ending_categories(self) -> dict[str, frozenset[str]]:
        """The categories whose endorsements can end by a rule, by association that has any."""
        found = {}
        for rulebook in self.associations.values():
            names = [name for name, rule in rulebook.categories.items() if rule.ends_by_rule]
            if names:
                found[rulebook.id] = frozenset(names)
        return found

    @cached_property
    def certificate_issuers(self) -> frozenset[str]:
        """The associations that issue certificates, or did."""
        return frozenset(name for name, one in self.associations.items() if one.certificates)

    @cached_property
    def submitting(self) -> frozenset[str]:
        """The associations that have renewals to submit."""
        return frozenset(
            rulebook.id
            for rulebook in self.associations.values()
            if any(r.counts == "submitted" and r.of == "renewal" for r in rulebook.requirements)
        )

    @cached_property
    def provider_rules(self) -> dict[str, tuple[str, ProviderRule]]:
        """Each provider rule with its association, by ``<association>/<name>``."""
        rules = {}
        for rulebook in self.associations.values():
            for name, rule in rulebook.providers.items():
                rules[f"{rulebook.id}/{name}"] = (rulebook.id, rule)
        return rules

    def accepted_organizations(self, membership_rule: str) -> tuple[str, ...]:
        """The organizations that a rule named ``<association>/<name>`` accepts, sorted."""
        association, _, name = membership_rule.partition("/")
        rule: MembershipRule = self.associations[association].memberships[name]
        accepted = set(rule.organizations)
        if rule.any_infant_mental_health_association:
            accepted.update(o.id for o in self.organizations.values() if o.infant_mental_health)
        return tuple(sorted(accepted))

    def accepts_membership(self, membership_rule: str, organization: str, kind: str) -> bool:
        """Whether a rule named ``<association>/<name>`` accepts a membership of that kind."""
        association, _, name = membership_rule.partition("/")
        kinds = self.associations[association].memberships[name].kinds
        return kind in kinds and organization in self.accepted_organizations(membership_rule)

    @cached_property
    def tells_membership_kinds(self) -> bool:
        """Whether it matters to some rule of which kind a membership is."""
        for rulebook in self.associations.values():
            for rule in rulebook.memberships.values():
                if set(rule.kinds) != set(MEMBERSHIP_KINDS):
                    return True
        return False

    def accepted_by(self, association: str) -> frozenset[str]:
        """The organizations that some membership rule of an association accepts."""
        accepted: set[str] = set()
        if rulebook := self.associations.get(association):
            for name in rulebook.memberships:
                accepted.update(self.accepted_organizations(f"{association}/{name}"))
        return frozenset(accepted)

    # Called for every day on which a person logged something, each time a page shows it. Rulebooks
    # live as long as the process, and so may what is kept for them.
    @lru_cache(maxsize=16_384)  # noqa: B019
    def plan(
        self, association: str, category: str, starts_on: date, day: date
    ) -> RenewalPlan | None:
        """What an endorsement that began on ``starts_on`` owes in the cycle containing ``day``.

        None if the rulebook has no cycle on that day, or the endorsement came later. The person's
        other endorsements may change it: see `tracker.services.facts`.
        """
        rulebook = self.associations[association]
        if not rulebook.requirements_of(category):
            return self._plan(association, category, None, 0)
        cycle = cycle_containing(rulebook.cycles, starts_on, day)
        return None if cycle is None else self.plan_for(association, category, cycle, starts_on)

    @lru_cache(maxsize=16_384)  # noqa: B019
    def plan_counting(
        self, association: str, category: str, starts_on: date, day: date
    ) -> RenewalPlan | None:
        """What an endorsement owes in the cycle in which hours held on ``day`` count.

        As `plan`, but months before the first cycle may count in it, too.
        """
        rulebook = self.associations[association]
        if not rulebook.requirements_of(category):
            return self._plan(association, category, None, 0)
        cycle = cycle_counting(rulebook.cycles, starts_on, day)
        return None if cycle is None else self.plan_for(association, category, cycle, starts_on)

    def plan_for(
        self, association: str, category: str, cycle: Cycle, held_since: date
    ) -> RenewalPlan:
        """What a renewal owes in ``cycle`` if the endorsement has been held since a day.

        One plan is shared by all with that cycle, unless the years held change what it requires.
        """
        years = self.years_that_matter(association, category)
        held_years = 0
        if years:
            held = count_years(held_since, cycle.starts_on)
            held_years = max((each for each in years if each <= held), default=0)
        return self._plan(association, category, cycle, held_years)

    @lru_cache(maxsize=1_024)  # noqa: B019
    def years_that_matter(self, association: str, category: str) -> tuple[int, ...]:
        """The numbers of years held that change what a category's renewal requires, rising."""
        return self.associations[association].years_that_matter(category)

    @lru_cache(maxsize=4_096)  # noqa: B019
    def _plan(
        self, association: str, category: str, cycle: Cycle | None, held_years: int
    ) -> RenewalPlan:
        return plan_renewal(self.associations[association], category, cycle, held_years)

    @lru_cache(maxsize=4_096)  # noqa: B019
    def application_plan(
        self, association: str, category: str, day: date, purpose: Purpose = "application"
    ) -> ApplicationPlan:
        """What an application, or a reinstatement, requires, as the rules stand on ``day``."""
        return plan_application(self.associations[association], category, day, purpose)

    def removal_rule(self, association: str, grace_ends_on: date) -> RemovalRule | None:
        """By which rule what lapsed after ``grace_ends_on`` is removed; None if by none."""
        rule = block_on(self.associations[association].removals, grace_ends_on)
        return rule if rule and rule.removed else None

    def reinstatement_rule(
        self, association: str, category: str, removed_on: date
    ) -> ReinstatementRule | None:
        """How someone removed on a day comes back; None if they have to apply anew."""
        rulebook = self.associations[association]
        rule = block_on(rulebook.reinstatements, removed_on)
        has_rules = bool(rulebook.requirements_of(category, "reinstatement"))
        return rule if rule and rule.allowed and has_rules else None


def load_rulebooks(folder: Path) -> Rulebooks:
    """Read ``organizations.toml`` and ``rulebooks/*.toml`` in the configuration ``folder``.

    Raises RulebookError with every error in every file.
    """
    digest = hashlib.sha256()
    problems: list[RulebookProblem] = []
    files = sorted((folder / "rulebooks").glob("*.toml"))
    if not files:
        problems.append(RulebookProblem(str(folder / "rulebooks"), "*.toml", "has no rulebook"))
    organizations = _load_organizations(folder / _ORGANIZATIONS, problems, digest)
    shared = digest.digest()
    associations: dict[str, Rulebook] = {}
    digests: dict[str, str] = {}
    for file in files:
        text = _read(file, problems, digest)
        if text is None:
            continue
        rulebook, wrong = parse_rulebook(text, file.name)
        problems += wrong
        if rulebook and rulebook.id in associations:
            reason = f"another file already has {rulebook.id!r}"
            problems.append(RulebookProblem(file.name, "id", reason))
        elif rulebook:
            associations[rulebook.id] = rulebook
            digests[rulebook.id] = hashlib.sha256(shared + text.encode()).hexdigest()
            if organizations:
                problems += _list_unknown_organizations(rulebook, file.name, organizations, text)
    if problems:
        raise RulebookError(problems)
    return Rulebooks(associations, organizations, digest.hexdigest(), digests)


def read_changed_rulebook(
    rulebooks: Rulebooks, text: str, file: str
) -> tuple[Rulebook | None, list[RulebookProblem]]:
    """A changed version of one of the ``rulebooks``, checked like the files in their folder."""
    rulebook, problems = parse_rulebook(text, file)
    if rulebook is None:
        return None, problems
    if rulebook.id not in rulebooks.associations:
        known = ", ".join(rulebooks.associations)
        reason = f"there is no rulebook of {rulebook.id!r} to change; there are those of {known}"
        problems.append(RulebookProblem(file, "id", reason))
    else:
        problems += _list_unknown_organizations(rulebook, file, rulebooks.organizations, text)
    return (None, problems) if problems else (rulebook, [])


def read_rulebook_file(file: Path, folder: Path) -> Rulebooks:
    """One rulebook by itself, wherever it is, checked like those in a configuration folder.

    Organizations are those of the file ``organizations.toml`` beside it or in the folder above,
    otherwise of the configuration ``folder``. Raises RulebookError with every error.
    """
    digest = hashlib.sha256()
    problems: list[RulebookProblem] = []
    text = _read(file, problems, digest)
    if text is None:
        raise RulebookError(problems)
    folders = [f for f in (file.parent, file.parent.parent) if (f / _ORGANIZATIONS).is_file()]
    of_file = (*folders, folder)[0] / _ORGANIZATIONS
    organizations = _load_organizations(of_file, problems, digest)
    rulebook, wrong = parse_rulebook(text, file.name)
    problems += wrong
    if rulebook and organizations:
        problems += _list_unknown_organizations(rulebook, file.name, organizations, text)
    if problems or rulebook is None:
        raise RulebookError(problems)
    return Rulebooks({rulebook.id: rulebook}, organizations, digest.hexdigest())


def with_rulebook(rulebooks: Rulebooks, changed: Rulebook) -> Rulebooks:
    """The rulebooks with one changed, to judge by before it is in force."""
    text = changed.model_dump_json()
    digest = hashlib.sha256(f"{rulebooks.digest}\0{text}".encode()).hexdigest()
    associations = rulebooks.associations | {changed.id: changed}
    digests = rulebooks.digests | {changed.id: digest}
    return Rulebooks(associations, rulebooks.organizations, digest, digests)


def _load_organizations(
    file: Path, problems: list[RulebookProblem], digest: "hashlib._Hash"
) -> dict[str, Organization]:
    text = _read(file, problems, digest)
    if text is None:
        return {}
    parsed, wrong = parse_organizations(text, file.name)
    problems += wrong
    return {o.id: o for o in parsed.organizations} if parsed else {}


def load_notice_configs(folder: Path, associations: Collection[str]) -> NoticeConfigs:
    """Read ``notices.toml``, which may have values for each of the ``associations``.

    Raises RulebookError with every error in it.
    """
    file = folder / "notices.toml"
    problems: list[RulebookProblem] = []
    parsed = None
    text = _read(file, problems, hashlib.sha256())
    if text is not None:
        parsed, problems = parse(NoticesFile, text, file.name)
    if text is not None and parsed is not None:
        problems += _list_unknown_associations(parsed, text, file.name, associations)
    if parsed is None or problems:
        raise RulebookError(problems)
    return NoticeConfigs.merge(parsed)


def _list_unknown_associations(
    parsed: NoticesFile, text: str, file: str, known: Collection[str]
) -> list[RulebookProblem]:
    """The associations with steps of their own that have no rulebook."""
    lines = TomlLines(text)
    problems = []
    for name, own in parsed.associations.items():
        if name not in known:
            key = f"associations.{name}"
            # Usually only the tables within have a header.
            found = [lines.find(f"{key}.{table}") for table in own.model_fields_set]
            line = min((number for number in found if number), default=None)
            place = f"line {line}" if line else ""
            reason = describe_unknown_association(name, known)
            problems.append(RulebookProblem(file, key, reason, place))
    return problems


def check_own_settings(settings: Settings, associations: Collection[str]) -> None:
    """Raise SettingsError for settings of an association that is none of these."""
    lines = [
        f"tracker.toml: associations.{name}: {describe_unknown_association(name, associations)}"
        for name in settings.associations
        if name not in associations
    ]
    if lines:
        raise SettingsError("\n".join(lines))


def describe_unknown_association(name: str, known: Collection[str]) -> str:
    """That an association has no rulebook, and which one may be meant."""
    by_small_name = {each.casefold(): each for each in known}
    # Only the likeliest: ids are short, and many resemble each other.
    for similar in get_close_matches(name.casefold(), list(by_small_name), n=1):
        return f"there is no rulebook of {name!r}: did you mean {by_small_name[similar]}?"
    return f"there is no rulebook of {name!r}; there are those of {format_list(sorted(known))}"


def _read(file: Path, problems: list[RulebookProblem], digest: "hashlib._Hash") -> str | None:
    """The file's text, without a byte order mark; adds to ``problems`` if it can't be read."""
    try:
        content = file.read_bytes()
        digest.update(file.name.encode() + b"\0" + content + b"\0")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(RulebookProblem(file.name, "the whole file", explain_unreadable(error)))
    return None


def explain_unreadable(error: OSError | UnicodeDecodeError) -> str:
    """Why a configuration file can't be read as text, and what to do."""
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"line {line} is not UTF-8: save the file as UTF-8"
    if isinstance(error, IsADirectoryError):
        return "is a folder: name a file"
    return error.strerror or str(error)


def _list_unknown_organizations(
    rulebook: Rulebook, file: str, organizations: dict[str, Organization], text: str
) -> list[RulebookProblem]:
    """The association and the organizations that its rules name, if not in organizations.toml."""
    lines = TomlLines(text)
    problems = []
    if rulebook.id not in organizations:
        reason = (
            f"lacks the association {rulebook.id!r}: add [[organizations]] with its id and name"
        )
        problems.append(RulebookProblem(_ORGANIZATIONS, "organizations", reason))
    named = {
        f"memberships.{name}.organizations": rule.organizations
        for name, rule in rulebook.memberships.items()
    }
    for name, rule in rulebook.providers.items():
        for number, accepted in enumerate(rule.accepts, 1):
            named[f"providers.{name}.accepts[{number}].associations"] = accepted.associations
    for key, ids in named.items():
        for organization in ids:
            if organization not in organizations:
                suggestion = suggest(organization, sorted(organizations))
                advice = suggestion or "add it there, or write another"
                reason = f"{organization!r} is not in organizations.toml: {advice}"
                line = lines.find(key)
                place = f"line {line}" if line else ""
                problems.append(RulebookProblem(file, key, reason, place))
    return problems
