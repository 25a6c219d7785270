"""Settings: the environment (``TRACKER_…``) over ``tracker.toml`` in the configuration folder.

Every setting is described in config/README.md.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import time
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self, get_origin
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from tracker.addresses import NamedAddress, ascii_domain, is_address, parse_mailbox
from tracker.branding import Branding, Look, read_logo
from tracker.database_urls import DATABASE_URL_FORMS, find_sqlite_file, is_database_url
from tracker.errors import UserError
from tracker.master_key import FORMAT, MasterKey, file_beside, is_master_key
from tracker.overrides import override
from tracker.secret_files import SUFFIX, list_doubles, list_file_variables, read_secret_files
from tracker.setting_errors import explain_setting
from tracker.setting_times import SettingDay, TimeOfDay

ENVIRONMENT_PREFIX = "TRACKER_"
# RFC 4291: an IPv4 address is the end of an IPv6 address that begins with so many bits.
_MAPPED_BITS = 96
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

# What an Authorization header can carry, and nobody guesses.
_SHORTEST_TOKEN = 16
_TOKEN = re.compile(rf"[!-~]{{{_SHORTEST_TOKEN},}}")
_BASE_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[\w.-]*\w)(:\d{1,5})?/*")
# RFC 5321: a host name of the DNS, or an IP address in brackets.
_EHLO_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[\d{1,3}(\.\d{1,3}){3}\]|\[IPv6:[0-9A-Fa-f:.]{2,45}\]"
)


def is_protected(url: str) -> bool:
    """Whether requests to an address are encrypted, or stay on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "http":
        return parts.hostname in {"localhost", "127.0.0.1", "::1"}
    return parts.scheme == "https" and bool(parts.hostname)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Coordinator(_Strict):
    """Who looks after an association's endorsees: gets its digest, sees its pages."""

    email: str
    name: str
    association: str

    @field_validator("email")
    @classmethod
    def _validate_email(cls, email: str) -> str:
        address = email.strip().lower()
        if not is_address(address):
            raise ValueError(f"{email!r} is not an email address. Write it as name@your.domain")
        return address


class JobTimes(_Strict):
    """When jobs are due, in each association's own time zone."""

    evaluate_at: TimeOfDay = time(2)
    notices_at: TimeOfDay = time(7)
    digest_at: TimeOfDay = time(8)
    digest_on: Weekday = "monday"


class Schedule(JobTimes):
    """When jobs are due, and how often `tracker serve` checks whether one is."""

    tick_seconds: int = Field(default=60, ge=5, le=3600)


class MailSender(_Strict):
    """Whom mail is from."""

    sender: str = "Endorsement renewals <renewals@localhost>"

    @field_validator("sender")
    @classmethod
    def _validate_sender(cls, sender: str) -> str:
        try:
            is_usable = ascii_domain(parse_mailbox(sender).address).isascii()
        except ValueError:
            is_usable = False
        if not is_usable:
            raise ValueError(
                f"{sender!r} is not one email address that mail servers accept. "
                "Write it as Renewals <renewals@your.domain>"
            )
        return sender

    @property
    def sender_mailbox(self) -> NamedAddress:
        """The sender's name and address, with its domain as the DNS knows it."""
        name, address = parse_mailbox(self.sender)
        return NamedAddress(name, ascii_domain(address))


# RFC 5321 allows 64 octets. The delimiter, a message's number, a dot, and its signature need 37.
_LONGEST_BOUNCE_NAME = 27
_BOUNCE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Bounces(_Strict):
    """Where mail that comes back goes, and how it is read.

    With an ``address`` each message has an envelope sender of its own: the address, ``delimiter``,
    and a signed number. Mail to those arrives in ``mailbox``; what was read is in ``done_folder``.
    """

    address: str | None = None
    delimiter: Literal["+", "-", "="] = "+"
    mailbox: SecretStr | None = None
    done_folder: str = Field(default="Processed", min_length=1, max_length=100)
    every_minutes: int = Field(default=5, ge=1, le=1_440)

    @field_validator("address")
    @classmethod
    def _validate_address(cls, address: str | None) -> str | None:
        if address is None:
            return None
        local, _, domain = address.rpartition("@")
        if not is_address(address) or not _BOUNCE_NAME.fullmatch(local) or not domain.isascii():
            raise ValueError(f"{address!r} is no plain address. Write it as bounces@your.domain")
        if len(local) > _LONGEST_BOUNCE_NAME:
            most = f"at most {_LONGEST_BOUNCE_NAME} characters before the @"
            raise ValueError(f"{local!r} is too long: {most}, as a number is added to it")
        return address


class Mail(MailSender):
    """How mail leaves.

    ``ehlo_name`` is how we introduce ourselves to the mail server; None for this machine's name.
    """

    bounces: Bounces = Bounces()

    ehlo_name: str | None = None
    connections: int = Field(default=4, ge=1, le=50)
    timeout_seconds: float = Field(default=30, gt=0, le=600)
    lease_seconds: int = Field(default=300, ge=60, le=86_400)
    give_up_after_hours: int = Field(default=72, ge=1, le=720)

    @field_validator("ehlo_name")
    @classmethod
    def _validate_ehlo_name(cls, name: str | None) -> str | None:
        if name is None or _EHLO_NAME.fullmatch(name):
            return name
        raise ValueError(
            f"{name!r} is not a host name. Write this machine's full name in the DNS "
            "(mail.your.domain), or its IP address in brackets ([192.0.2.1])"
        )


class AssociationSettings(_Strict):
    """The settings of one association that differ from the installation's."""

    schedule: JobTimes = JobTimes()
    mail: MailSender = MailSender()
    branding: Branding = Branding()


def _check_proxy(text: str) -> None:
    """Raise ValueError unless it is an address or a network, and not everybody's."""
    try:
        network = ip_network(text.strip())
    except ValueError:
        try:
            hint = f"Did you mean {ip_network(text.strip(), strict=False)}?"
        except ValueError:
            hint = "Write its internet address (192.0.2.1), or its network (10.89.0.0/24)"
        raise ValueError(f"{text!r} is not the address of a proxy. {hint}") from None
    if network.prefixlen == 0:
        raise ValueError(f"{text!r} is everybody, who could then pretend to be any visitor")


class Web(_Strict):
    """The address that `tracker serve` listens on, and the processes that answer.

    Without ``metrics_token`` there is no page of metrics. ``hsts_subdomains``: browsers open the
    host names below the site's own over TLS only, too. ``common_hours`` are the lengths of sessions
    that the forms offer to choose from. ``connections`` are those that a process has open at most,
    ``connections_per_client`` those of one internet address. ``registry_visits_per_client`` are the
    visits of public registries that a process answers one internet address in a minute.
    ``trusted_proxies`` are the addresses and networks of proxies that name the visitor's address.
    With ``jobs``, each process also runs what is due and sends mail; without, `tracker worker`
    does.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=1, le=65_535)
    workers: int = Field(default=1, ge=1, le=64)
    connections: int = Field(default=500, ge=10, le=10_000)
    connections_per_client: int = Field(default=60, ge=1, le=10_000)
    registry_visits_per_client: int = Field(default=120, ge=1, le=100_000)
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    jobs: bool = True
    metrics_token: SecretStr | None = None
    hsts_subdomains: bool = True
    common_hours: tuple[Annotated[float, Field(gt=0, le=24)], ...] = Field(
        default=(0.5, 1, 1.5, 2), min_length=1, max_length=8
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _validate_proxies(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            _check_proxy(proxy)
        return tuple(proxy.strip() for proxy in proxies)

    @property
    def forwarding_addresses(self) -> list[str]:
        """The trusted proxies, as their addresses look to a server of both IPv4 and IPv6, too."""
        addresses = []
        for proxy in self.trusted_proxies:
            network = ip_network(proxy)
            addresses.append(proxy)
            if isinstance(network, IPv4Network):
                mapped = f"::ffff:{network.network_address}/{_MAPPED_BITS + network.prefixlen}"
                addresses.append(ip_network(mapped).compressed)
        return addresses

    @field_validator("metrics_token", mode="before")
    @classmethod
    def _can_be_sent(cls, token: object) -> object:
        given = token.get_secret_value() if isinstance(token, SecretStr) else token
        if token is None or (isinstance(given, str) and _TOKEN.fullmatch(given)):
            return token
        raise ValueError(
            f"must have {_SHORTEST_TOKEN} characters at least, of letters, digits and other "
            "ASCII characters without spaces: `openssl rand -hex 24` makes one"
        )


class Worker(_Strict):
    """How `tracker worker` runs jobs on any number of machines.

    A worker that has not been heard of for ``lease_seconds`` is taken for dead. ``listen``: the
    database tells it about new tasks; without, it looks for them every ``poll_seconds``.
    """

    lease_seconds: int = Field(default=120, ge=5, le=3600)
    listen: bool = True
    poll_seconds: float = Field(default=5, ge=0.1, le=60)


class SignInLimits(_Strict):
    """How often somebody may ask for a code, and type one, in any hour.

    Second addresses, to which an email goes, are limited in any day, and certificate numbers that
    nobody has in any hour. A client is an internet
    address, which an office or a household has in common. ``applicants``: anyone who confirms an
    email address may start an application; otherwise only those on file.
    """

    asks_per_address: int = Field(default=5, ge=1, le=100)
    asks_per_client: int = Field(default=60, ge=1, le=100_000)
    codes_per_client: int = Field(default=200, ge=1, le=100_000)
    second_addresses_per_person: int = Field(default=5, ge=1, le=100)
    second_addresses_per_client: int = Field(default=20, ge=1, le=100_000)
    unknown_certificates_per_client: int = Field(default=60, ge=1, le=100_000)
    applicants: bool = True


class SingleSignOn(_Strict):
    """The OpenID Connect provider with which people on an association's team may sign in.

    Without an ``issuer`` there is none. ``name`` is what the button calls it. ``email_claim`` is
    the claim with the address, ``verified_claim`` the one that says that the address is verified
    ("": the provider gives addresses out itself). ``second_factor`` are the values of the claims
    amr and acr that count as the second factor of the desk. ``prompt`` is what the provider asks
    for, though somebody is signed in there.
    """

    issuer: str | None = None
    client_id: str = ""
    client_secret: SecretStr | None = None
    name: str = Field(default="your organization", min_length=1, max_length=80)
    email_claim: str = Field(default="email", min_length=1)
    verified_claim: str = "email_verified"
    second_factor: tuple[str, ...] = ()
    prompt: Literal["", "login", "select_account", "consent"] = ""
    clock_skew_seconds: int = Field(default=60, ge=0, le=600)

    @field_validator("issuer")
    @classmethod
    def _validate_issuer(cls, issuer: str | None) -> str | None:
        if issuer is None or (is_protected(issuer) and not re.search(r"[?#]", issuer)):
            return issuer
        raise ValueError(
            f"{issuer!r} is not the address of a provider. Write it as your provider names it, "
            "such as https://login.your.domain"
        )

    @model_validator(mode="after")
    def _require_client(self) -> Self:
        if self.issuer is not None and not self.client_id:
            raise ValueError("client_id is missing: the provider gave it to this site")
        return self


class Settings(BaseSettings):
    """All settings, read once by a command's outermost function."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    database_url: SecretStr = SecretStr("sqlite:///tracker.db")
    base_url: str = "http://127.0.0.1:8000"
    smtp_url: SecretStr = SecretStr("smtp://127.0.0.1:25")
    config_dir: Path = Path()
    master_key: SecretStr | None = None
    master_key_file: Path | None = None
    evidence_dir: Path | None = None
    evidence_quota_mb: int = Field(default=200, ge=1, le=100_000)
    judge_renewals_due_from: dict[str, SettingDay] = Field(default_factory=dict)
    schedule: Schedule = Schedule()
    mail: Mail = Mail()
    web: Web = Web()
    worker: Worker = Worker()
    sign_in: SignInLimits = SignInLimits()
    oidc: SingleSignOn = SingleSignOn()
    associations: dict[str, AssociationSettings] = Field(default_factory=dict)
    coordinators: tuple[Coordinator, ...] = ()

    @field_validator("database_url")
    @classmethod
    def _validate_database_url(cls, url: SecretStr) -> SecretStr:
        # Without what was typed, which may have a password.
        if not is_database_url(url.get_secret_value()):
            raise ValueError(f"write it as {DATABASE_URL_FORMS}")
        return url

    @field_validator("master_key")
    @classmethod
    def _validate_master_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not is_master_key(key.get_secret_value()):
            raise ValueError(f"must have {FORMAT}")
        return key

    @field_validator("master_key_file", "evidence_dir", mode="before")
    @classmethod
    def _refuse_empty_path(cls, path: object, info: ValidationInfo) -> object:
        # Nothing at all would be the current directory.
        if isinstance(path, str) and not path.strip():
            kind = "file" if info.field_name == "master_key_file" else "folder"
            raise ValueError(f"must name a {kind}. Leave the setting out if there is none")
        return path

    @field_validator("base_url")
    @classmethod
    def _validate_base_url(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if not _BASE_URL.fullmatch(url):
            # Every link and redirect of the pages starts at the root.
            raise ValueError(
                f"{url!r} is not a scheme and a host name alone. The pages can't be served below a "
                "path: give them a host name of their own, such as https://renewals.your.domain"
            )
        return url.rstrip("/")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then tracker.toml."""
        if isinstance(env_settings, EnvSettingsSource):
            # `load_settings` reads them; within a table they would be settings that don't exist.
            env_settings.env_vars = {
                name: value
                for name, value in env_settings.env_vars.items()
                if name.upper() not in SECRET_FILES.values()
            }
        toml = TomlConfigSettingsSource(settings_cls, configuration_folder() / "tracker.toml")
        return init_settings, env_settings, toml

    @property
    def installation_key(self) -> MasterKey:
        """The master key as set, else in the file beside the SQLite file."""
        value = self.master_key.get_secret_value() if self.master_key else None
        url = self.database_url.get_secret_value()
        return MasterKey(value, self.master_key_file or file_beside(url))

    @property
    def is_https(self) -> bool:
        """Whether people reach the site over TLS."""
        return self.base_url.startswith("https://")

    @property
    def evidence_folder(self) -> Path | None:
        """Where evidence is kept: as set, else beside the SQLite file; None where it cannot be.

        The name is the database's own, so that two of them in one folder share no files.
        """
        if self.evidence_dir is not None:
            return self.evidence_dir
        file = find_sqlite_file(self.database_url.get_secret_value())
        return file.with_name(f"{file.stem}-evidence") if file else None

    def schedule_of(self, association: str) -> Schedule:
        """When jobs are due for an association: its own times over those of the installation."""
        own = self.associations.get(association)
        return override(self.schedule, own.schedule) if own else self.schedule

    def mail_of(self, association: str | None) -> Mail:
        """How mail of an association leaves, and from whom; None for mail of none."""
        own = self.associations.get(association or "")
        return override(self.mail, own.mail) if own else self.mail

    def branding_of(self, association: str | None) -> Branding | None:
        """How an association presents itself; None if it has no name for that."""
        own = self.associations.get(association or "")
        return own.branding if own and own.branding.name else None

    def read_look(self, association: str) -> Look | None:
        """The branding of an association with its logo. Raises as `read_logo`."""
        branding = self.branding_of(association)
        if branding is None:
            return None
        logo = read_logo(self.config_dir / branding.logo) if branding.logo else None
        return Look(branding, logo)

    def coordinators_of(self, association: str) -> tuple[Coordinator, ...]:
        """The coordinators of one association, in the file's order."""
        return tuple(c for c in self.coordinators if c.association == association)

    @property
    def coordinators_by_association(self) -> dict[str, list[Coordinator]]:
        """The coordinators of each association that has any, in the file's order."""
        found: dict[str, list[Coordinator]] = {}
        for coordinator in self.coordinators:
            found.setdefault(coordinator.association, []).append(coordinator)
        return found


# The variables that name the files of secrets, by the settings that those are.
SECRET_FILES = dict(list_file_variables(Settings, ENVIRONMENT_PREFIX))


def configuration_folder() -> Path:
    """``TRACKER_CONFIG_DIR``, else the checkout's config/, else the one in the wheel."""
    if named := os.environ.get("TRACKER_CONFIG_DIR"):
        return Path(named)
    return _resource_folder("config")


def templates_folder() -> Path:
    """The templates of the checkout, else those in the wheel."""
    return _resource_folder("templates")


def _resource_folder(name: str) -> Path:
    package = Path(__file__).parent
    bundled = package / "_bundled" / name
    return bundled if bundled.is_dir() else package.parent / name


class SettingsError(UserError):
    """Settings that can't be read or used, each named with its place."""

    heading = "The settings have errors (config/README.md describes each setting):"


def load_settings() -> Settings:
    """Read the settings. Raises SettingsError, which lists every wrong one."""
    secrets, lines = read_secret_files(SECRET_FILES, os.environ)
    # This file is a setting of its own: the program may have to create it.
    lines += list_doubles([f"{ENVIRONMENT_PREFIX}MASTER_KEY{SUFFIX}"], os.environ)
    try:
        settings = Settings(config_dir=configuration_folder(), **secrets)
    except ValidationError as error:
        # Without the input: what was typed may be a password.
        for details in error.errors(include_input=False):
            path = [str(step) for step in details["loc"]]
            lines.append(f"{_format_place(path)}: {explain_setting(details)}")
    except (ValueError, OSError) as error:
        # Broken TOML, broken JSON in a variable, or a file that can't be read.
        broken = _list_broken_json(os.environ)
        lines += broken or [f"tracker.toml or a TRACKER_ variable can't be read: {error}"]
    else:
        lines += _check_logos(settings)
    if lines:
        raise SettingsError("\n".join(lines)) from None
    return settings


def _check_logos(settings: Settings) -> Iterator[str]:
    for association in settings.associations:
        try:
            settings.read_look(association)
        except ValueError as error:
            place = _format_place(["associations", association, "branding", "logo"])
            yield f"{place}: {error}"


def _list_broken_json(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable whose value should be JSON and is not."""
    given = {name.upper(): value for name, value in environment.items()}
    sentences = []
    for variable in _list_json_variables(Settings, ENVIRONMENT_PREFIX):
        try:
            json.loads(given.get(variable, "null"))
        except ValueError:
            sentences.append(
                f'{variable}: write the value as JSON, text in quotes. A list is ["a", "b"]'
            )
    return sentences


def _list_json_variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """The variables of settings that are lists or tables."""
    for name, field in model.model_fields.items():
        kind, variable = field.annotation, f"{prefix}{name.upper()}"
        if get_origin(kind) in (dict, tuple):
            yield variable
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield variable
            yield from _list_json_variables(kind, f"{variable}__")


def find_variable(path: Sequence[str]) -> str | None:
    """The environment variable that sets the setting at ``path``, or a part that contains it.

    For a secret it may be the one that names its file.
    """
    given = {name.upper(): value for name, value in os.environ.items()}
    # A variable for a file counts as not set if it is empty.
    if (file_variable := SECRET_FILES.get(tuple(path))) and given.get(file_variable):
        return file_variable
    for end in range(len(path), 0, -1):
        variable = ENVIRONMENT_PREFIX + "__".join(path[:end]).upper()
        if variable in given:
            return variable
    return None


def _format_place(path: Sequence[str]) -> str:
    """Where a setting was written: its variable and the key within, or its key in tracker.toml."""
    variable = find_variable(path)
    if variable is None:
        return f"tracker.toml: {_format_key(path)}"
    within = [] if variable.endswith(SUFFIX) else path[variable.count("__") + 1 :]
    return " ".join([variable, *filter(None, [_format_key(within)])])


def _format_key(path: Sequence[str]) -> str:
    """A key as people count: ``coordinators[1].email`` is the first coordinator's address."""
    key = ""
    for step in path:
        if step.isdigit():
            key += f"[{int(step) + 1}]"
        else:
            key += f".{step}" if key else step
    return key
