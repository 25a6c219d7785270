"""A real OpenID Connect provider on loopback, on Authlib's server side, which can also go wrong.

In front of it stands what signs its ID tokens with a key of ours, so that a test can change them
first, and what checks PKCE, which the provider leaves to others.
"""

import hmac
import json
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.deprecate import AuthlibDeprecationWarning
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

with warnings.catch_warnings():
    # It uses a module that Authlib has deprecated, which Authlib always wants to say.
    warnings.filterwarnings("ignore", category=AuthlibDeprecationWarning)
    import oidc_provider_mock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEY = RSAKey.generate_key(2048, {"kid": "own", "use": "sig"})
_FOREIGN_KEY = RSAKey.generate_key(2048, {"kid": "own", "use": "sig"})


def sign_rightly(claims: dict[str, Any]) -> str:
    """With the provider's key."""
    return jwt.encode({"alg": "RS256", "kid": "own"}, claims, _KEY)


def sign_with_another_key(claims: dict[str, Any]) -> str:
    """With a key of the same name, which is not the provider's."""
    return jwt.encode({"alg": "RS256", "kid": "own"}, claims, _FOREIGN_KEY)


def sign_with_the_public_key(claims: dict[str, Any]) -> str:
    """With the provider's public key as if it were a secret that both know."""
    # By hand: joserfc refuses to do this.
    content = _join({"alg": "HS256", "kid": "own"}, claims)
    signature = hmac.digest(_KEY.as_pem(private=False), content.encode(), sha256)
    return f"{content}.{_encode(signature)}"


def sign_not_at_all(claims: dict[str, Any]) -> str:
    """With the algorithm "none"."""
    return f"{_join({'alg': 'none', 'kid': 'own'}, claims)}."


def _join(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


@dataclass
class TestProvider:
    """The provider, and one person there, ``sub``.

    ``change`` changes the claims of an ID token before it is signed; ``sign`` signs it;
    ``breaks`` are paths that answer with an error.
    """

    __test__ = False

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    change: Callable[[dict[str, Any]], object] = dict
    sign: Callable[[dict[str, Any]], str] = field(default=sign_rightly)
    breaks: set[str] = field(default_factory=set)
    challenges: dict[str, str] = field(default_factory=dict)
    app: "WSGIApplication | None" = None

    def register(self, redirect_uri: str) -> None:
        """Make this site a client, as its operator would by hand."""
        body = {"redirect_uris": [redirect_uri]}
        client = requests.post(f"{self.issuer}/oauth2/clients", json=body, timeout=5).json()
        self.client_id, self.client_secret = client["client_id"], client["client_secret"]

    def knows(self, **claims: object) -> None:
        """Give the person who signs in these claims."""
        requests.put(f"{self.issuer}/users/somebody", json=claims, timeout=5).raise_for_status()

    def sign_in(self, url: str, action: str = "allow") -> str:
        """Sign in on the page that a browser was sent to; the path that it is sent back to."""
        answer = requests.post(
            url, data={"sub": "somebody", "action": action}, timeout=5, allow_redirects=False
        )
        back = urlsplit(answer.headers["location"])
        query = parse_qs(back.query)
        if "code" in query:
            challenge = parse_qs(urlsplit(url).query)
            assert challenge["code_challenge_method"] == ["S256"]
            self.challenges[query["code"][0]] = challenge["code_challenge"][0]
        return f"{back.path}?{back.query}"

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        if self.app is None or request.path in self.breaks:
            return Response("broken", 500)(environ, start)
        if request.path == "/jwks":
            keys = {"keys": [_KEY.as_dict(private=False)]}
            return Response(json.dumps(keys), mimetype="application/json")(environ, start)
        if request.path != "/oauth2/token":
            return self.app(environ, start)
        # Read here, and given to the provider as if it were not.
        body = request.get_data(cache=True, parse_form_data=False)
        environ["wsgi.input"] = BytesIO(body)
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        digest = sha256(form["code_verifier"].encode()).digest()
        if _encode(digest) != self.challenges.get(form["code"]):
            return Response('{"error": "invalid_grant"}', 400)(environ, start)
        answer = Response.from_app(self.app, environ)
        content = json.loads(answer.get_data())
        if "id_token" in content:
            payload = content["id_token"].split(".")[1]
            claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            self.change(claims)
            content["id_token"] = self.sign(claims)
        answer.set_data(json.dumps(content))
        return answer(environ, start)


@contextmanager
def running_provider(redirect_uri: str) -> Iterator[TestProvider]:
    """A provider at which this site is registered."""
    provider = TestProvider()
    provider.app = oidc_provider_mock.app(require_client_registration=True).wsgi_app
    server = make_server("127.0.0.1", 0, provider, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    try:
        provider.register(redirect_uri)
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
