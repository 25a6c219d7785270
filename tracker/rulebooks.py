"""Loads the rulebooks from the configuration folder."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

from tracker.errors import UserError
from tracker.rules.cycles import Cycle, cycle_containing
from tracker.rules.model import MembershipRule, Organization, ProviderRule, Rulebook
from tracker.rules.notice_config import NoticeConfig
from tracker.rules.parse import RulebookProblem, parse, parse_organizations, parse_rulebook
from tracker.rules.plan import ApplicationPlan, RenewalPlan, plan_application, plan_renewal

Model = TypeVar("Model")


class RulebookError(UserError):
    """The rulebooks hold errors: all of them, with file, key and reason."""

    heading = "The rulebooks have errors:"

    def __init__(self, problems: list[RulebookProblem]) -> None:
        """Keep ``problems`` for whoever prints them."""
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


@dataclass(frozen=True, eq=False, repr=False)
class Rulebooks:
    """Every rulebook and organization; ``digest`` changes when any file's text does."""

    associations: dict[str, Rulebook]
    organizations: dict[str, Organization]
    digest: str

    def __repr__(self) -> str:
        return f"Rulebooks({', '.join(self.associations)})"

    @cached_property
    def topics(self) -> frozenset[str]:
        """Every topic of training that some rulebook counts."""
        return frozenset().union(*(rulebook.topics for rulebook in self.associations.values()))

    @cached_property
    def rsc_topics(self) -> frozenset[str]:
        """What a part of an RSC session may be about, in some rulebook."""
        return frozenset().union(*(rulebook.rsc_topics for rulebook in self.associations.values()))

    @cached_property
    def provider_rules(self) -> dict[str, tuple[str, ProviderRule]]:
        """Each provider rule with its association, by ``<association>/<name>``."""
        return {
            f"{rulebook.id}/{name}": (rulebook.id, rule)
            for rulebook in self.associations.values()
            for name, rule in rulebook.providers.items()
        }

    def accepted_organizations(self, membership_rule: str) -> tuple[str, ...]:
        """The organizations that a rule named ``<association>/<name>`` accepts, sorted."""
        association, _, name = membership_rule.partition("/")
        rule: MembershipRule = self.associations[association].memberships[name]
        return tuple(
            sorted(
                organization.id
                for organization in self.organizations.values()
                if organization.id in rule.organizations
                or (rule.any_infant_mental_health_association and organization.infant_mental_health)
            )
        )

    def accepted_by(self, association: str) -> frozenset[str]:
        """The organizations that some membership rule of an association accepts."""
        rulebook = self.associations.get(association)
        rules = [f"{association}/{name}" for name in rulebook.memberships] if rulebook else []
        return frozenset(one for rule in rules for one in self.accepted_organizations(rule))

    def plan(
        self, association: str, category: str, starts_on: date, day: date
    ) -> RenewalPlan | None:
        """What an endorsement that began on ``starts_on`` owes in the cycle containing ``day``.

        None when the rulebook knows no cycle on that day, or the endorsement came later.
        """
        return _plan_on(self, association, category, starts_on, day)

    def plan_for(self, association: str, category: str, cycle: Cycle | None) -> RenewalPlan:
        """What a renewal owes in ``cycle``: one plan, shared by all whose cycle is the same."""
        return _plan(self, association, category, cycle)

    def application_plan(self, association: str, category: str, day: date) -> ApplicationPlan:
        """What an application for a category asks, as the rules stand on ``day``."""
        return _application_plan(self, association, category, day)


@lru_cache(maxsize=1_024)
def _has_rules(rulebooks: Rulebooks, association: str, category: str) -> bool:
    return bool(rulebooks.associations[association].requirements_of(category))


# Asked for every day that somebody has logged, whenever they look.
@lru_cache(maxsize=16_384)
def _plan_on(
    rulebooks: Rulebooks, association: str, category: str, starts_on: date, day: date
) -> RenewalPlan | None:
    if not _has_rules(rulebooks, association, category):
        return rulebooks.plan_for(association, category, None)
    cycle = cycle_containing(rulebooks.associations[association].cycles, starts_on, day)
    return None if cycle is None else rulebooks.plan_for(association, category, cycle)


@lru_cache(maxsize=4_096)
def _plan(
    rulebooks: Rulebooks, association: str, category: str, cycle: Cycle | None
) -> RenewalPlan:
    return plan_renewal(rulebooks.associations[association], category, cycle)


@lru_cache(maxsize=4_096)
def _application_plan(
    rulebooks: Rulebooks, association: str, category: str, day: date
) -> ApplicationPlan:
    return plan_application(rulebooks.associations[association], category, day)


def load_rulebooks(folder: Path) -> Rulebooks:
    """Read ``organizations.toml`` and ``rulebooks/*.toml`` in the configuration ``folder``.

    Raises RulebookError with every error in every file.
    """
    digest = hashlib.sha256()
    problems: list[RulebookProblem] = []
    files = sorted((folder / "rulebooks").glob("*.toml"))
    if not files:
        problems.append(RulebookProblem(str(folder / "rulebooks"), "*.toml", "holds no rulebook"))
    organizations = _parsed(parse_organizations, folder / "organizations.toml", digest, problems)
    known = {o.id: o for o in organizations.organizations} if organizations else {}
    associations: dict[str, Rulebook] = {}
    for file in files:
        rulebook = _parsed(parse_rulebook, file, digest, problems)
        if rulebook and rulebook.id in associations:
            problems.append(
                RulebookProblem(file.name, "id", f"another file is {rulebook.id!r} already")
            )
        elif rulebook:
            associations[rulebook.id] = rulebook
            problems += _strangers(rulebook, file.name, known) if organizations else []
    if problems:
        raise RulebookError(problems)
    return Rulebooks(associations, known, digest.hexdigest())


def _parsed(
    parse: Callable[[str, str], tuple[Model | None, list[RulebookProblem]]],
    file: Path,
    digest: "hashlib._Hash",
    problems: list[RulebookProblem],
) -> Model | None:
    text = _read(file, digest, problems)
    if text is None:
        return None
    found, wrong = parse(text, file.name)
    problems += wrong
    return found


def _read(file: Path, digest: "hashlib._Hash", problems: list[RulebookProblem]) -> str | None:
    try:
        content = file.read_bytes()
        digest.update(file.name.encode() + b"\0" + content + b"\0")
        return content.decode("utf-8-sig")
    except OSError as error:
        problems.append(RulebookProblem(file.name, "the whole file", error.strerror or str(error)))
    except UnicodeDecodeError as error:
        problems.append(RulebookProblem(file.name, f"byte {error.start}", "is not UTF-8"))
    return None


def _strangers(
    rulebook: Rulebook, file: str, organizations: dict[str, Organization]
) -> Iterator[RulebookProblem]:
    """The association and those that its rules name, where organizations.toml lists them not."""
    if rulebook.id not in organizations:
        yield RulebookProblem(
            "organizations.toml", "organizations", f"lacks the association {rulebook.id!r}"
        )
    named = [
        *(
            (f"memberships.{n}.organizations", r.organizations)
            for n, r in rulebook.memberships.items()
        ),
        *(
            (f"providers.{name}.accepts[{number}].associations", accepted.associations)
            for name, rule in rulebook.providers.items()
            for number, accepted in enumerate(rule.accepts, 1)
        ),
    ]
    for key, ids in named:
        for unknown in ids:
            if unknown not in organizations:
                yield RulebookProblem(file, key, f"{unknown!r} is not in organizations.toml")


def load_notice_config(folder: Path) -> NoticeConfig:
    """Read ``notices.toml``.

    Raises RulebookError with every error in it.
    """
    file = folder / "notices.toml"
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RulebookError([RulebookProblem(file.name, "the whole file", str(error))]) from error
    config, problems = parse(NoticeConfig, text, file.name)
    if config is None:
        raise RulebookError(problems)
    return config
