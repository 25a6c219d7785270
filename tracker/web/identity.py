"""What pages need of an identity provider. `tracker.web.oidc` is the one for OpenID Connect."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from tracker.services.provider_sign_in import FlowSecrets, Identity


class ProviderDown(Exception):  # noqa: N818 - reads as the sentence it is
    """The provider can't be reached, or its answer can't be used: says why, for operators."""


class SignInRefused(Exception):  # noqa: N818 - reads as the sentence it is
    """The provider's answer signs nobody in: says why, for operators."""


class IdentityProvider(Protocol):
    """Signs people in elsewhere, and says who they are."""

    def build_url(self, flow: FlowSecrets, redirect_uri: str) -> str:
        """Where the browser goes to sign in. Raises ProviderDown."""

    def identify(
        self, query: Mapping[str, str], flow: FlowSecrets, redirect_uri: str, now: datetime
    ) -> Identity:
        """Who signed in, by the query with which the provider sent the browser back.

        The caller has compared the state. Raises ProviderDown and SignInRefused.
        """
