"""The client of an OpenID Connect provider: authorization code flow with PKCE.

Authlib builds the requests and checks the claims, joserfc the signatures. Only `tracker serve`
imports this, and only if a provider is set, because both are in the extra `oidc`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tracker.clock import stopwatch
from tracker.services.provider_sign_in import FlowSecrets, Identity
from tracker.settings import SingleSignOn, is_protected
from tracker.web.identity import ProviderDown, SignInRefused

# Signatures with a key pair only: with a shared secret, the provider's public key could be one.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_TIMEOUT = (5, 10)
# How long the provider's own description is good for, in seconds.
_METADATA_SECONDS = 3600
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class OidcProvider:
    """A provider as the settings name it. Threads may share it."""

    def __init__(self, settings: SingleSignOn) -> None:
        self._settings = settings
        self._issuer = str(settings.issuer)
        self._read_at = 0.0
        self._metadata: Mapping[str, Any] | None = None

    def build_url(self, flow: FlowSecrets, redirect_uri: str) -> str:
        """Where the browser goes to sign in. Raises ProviderDown."""
        options = {"prompt": self._settings.prompt} if self._settings.prompt else {}
        url, _ = self._session(redirect_uri).create_authorization_url(
            self._read_metadata()["authorization_endpoint"],
            state=flow.state,
            nonce=flow.nonce,
            code_verifier=flow.verifier,
            **options,
        )
        return str(url)

    def identify(
        self, query: Mapping[str, str], flow: FlowSecrets, redirect_uri: str, now: datetime
    ) -> Identity:
        """Who signed in, by the query with which the provider sent the browser back.

        The caller has compared the state. Raises ProviderDown and SignInRefused.
        """
        metadata = self._read_metadata()
        if query.get("iss", metadata["issuer"]) != metadata["issuer"]:
            raise SignInRefused("another provider answered")
        if "error" in query or "code" not in query:
            raise SignInRefused("the provider refused")
        token = self._exchange_code(metadata, query["code"], flow, redirect_uri)
        claims = self._check_token(metadata, token, flow, now)
        return self._read_identity(claims)

    def check(self) -> str:
        """See that the provider answers: where its sign-in page is. Raises ProviderDown."""
        return str(self._read_metadata()["authorization_endpoint"])

    def _session(self, redirect_uri: str) -> OAuth2Session:
        secret = self._settings.client_secret
        return OAuth2Session(
            self._settings.client_id,
            secret.get_secret_value() if secret else None,
            token_endpoint_auth_method=self._choose_authentication(),
            scope="openid email profile",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            default_timeout=_TIMEOUT,
        )

    def _choose_authentication(self) -> str:
        if self._settings.client_secret is None:
            return "none"
        ways = self._read_metadata().get("token_endpoint_auth_methods_supported")
        # What applies if the provider does not say (OpenID Connect Discovery 1.0).
        is_basic = not ways or "client_secret_basic" in ways
        return "client_secret_basic" if is_basic else "client_secret_post"

    def _read_metadata(self) -> Mapping[str, Any]:
        now = stopwatch()
        if self._metadata is None or now - self._read_at > _METADATA_SECONDS:
            url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            metadata = _get_json(url)
            if str(metadata.get("issuer", "")).rstrip("/") != self._issuer.rstrip("/"):
                raise ProviderDown("its description names another issuer")
            if not all(is_protected(str(metadata.get(name, ""))) for name in _ENDPOINTS):
                raise ProviderDown("its description lacks an address, or one without TLS")
            self._metadata, self._read_at = metadata, now
        return self._metadata

    def _exchange_code(
        self, metadata: Mapping[str, Any], code: str, flow: FlowSecrets, redirect_uri: str
    ) -> Mapping[str, Any]:
        try:
            token = self._session(redirect_uri).fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=flow.verifier,
                allow_redirects=False,
            )
        except OAuthError as error:
            raise SignInRefused("the code was refused") from error
        except (requests.RequestException, ValueError) as error:
            raise ProviderDown("its token address does not answer") from error
        if not isinstance(token, Mapping) or not isinstance(token.get("id_token"), str):
            raise ProviderDown("its answer has no ID token")
        return token

    def _check_token(
        self,
        metadata: Mapping[str, Any],
        token: Mapping[str, Any],
        flow: FlowSecrets,
        now: datetime,
    ) -> CodeIDToken:
        try:
            signed = self._verify(metadata, token["id_token"])
            claims = CodeIDToken(
                signed.claims,
                signed.header,
                options={
                    "iss": {"essential": True, "value": metadata["issuer"]},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                params={
                    "nonce": flow.nonce,
                    "client_id": self._settings.client_id,
                    "access_token": token.get("access_token"),
                },
            )
            skew = self._settings.clock_skew_seconds
            claims.validate(now=int(now.timestamp()), leeway=skew)
        except (JoseError, ValueError) as error:
            raise SignInRefused("the ID token is not valid") from error
        return claims

    def _verify(self, metadata: Mapping[str, Any], id_token: str) -> jwt.Token:
        """The ID token, if one of the provider's keys of now signed it."""
        # Read for each sign-in, of which there are few: keys change, and a key can be withdrawn.
        keys = KeySet.import_key_set(_get_json(metadata["jwks_uri"]))
        return jwt.decode(id_token, keys, algorithms=_ALGORITHMS)

    def _read_identity(self, claims: Mapping[str, Any]) -> Identity:
        settings = self._settings
        email = claims.get(settings.email_claim)
        if not isinstance(email, str) or not email:
            raise SignInRefused("the ID token has no address")
        if settings.verified_claim and str(claims.get(settings.verified_claim)).lower() != "true":
            raise SignInRefused("the address is not verified")
        methods = claims.get("amr")
        ways = {str(claims.get("acr")), *(map(str, methods) if isinstance(methods, list) else ())}
        return Identity(email, not ways.isdisjoint(settings.second_factor))


def _get_json(url: str) -> Any:  # noqa: ANN401 - an object of JSON
    """A JSON object of the provider. Raises ProviderDown."""
    try:
        response = requests.get(url, timeout=_TIMEOUT, allow_redirects=False)
        response.raise_for_status()
        content = response.json()
    except (requests.RequestException, ValueError) as error:
        raise ProviderDown(f"{urlsplit(url).netloc} does not answer as a provider") from error
    if not isinstance(content, dict):
        raise ProviderDown(f"{urlsplit(url).netloc} does not answer as a provider")
    return content
