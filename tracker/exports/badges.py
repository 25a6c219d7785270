"""Certificates as Open Badges 3.0: credentials that are signed as JWTs, and what verifies them.

The formats are those of Open Badges 3.0 (1EdTech), Verifiable Credentials 2.0, and Bitstring
Status List 1.0 (W3C). A badge names its holder, and has no address of theirs.
"""

import gzip
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from tracker.clock import instant_of
from tracker.db.badge_keys import ALGORITHM, BadgeSigner, encode_url_safe
from tracker.rules.certificates import CertificateRule
from tracker.rules.model import Rulebook
from tracker.services.certificate_checks import IssuedCertificate, VerifiedCertificate

_CREDENTIALS = "https://www.w3.org/ns/credentials/v2"
_OPEN_BADGES = "https://purl.imsglobal.org/spec/ob/v3p0"
_BAKED = "https://purl.imsglobal.org/ob/v3p0"
_SVG = "http://www.w3.org/2000/svg"
_REVOCATION = "revocation"
# The fewest places that a status list may have, so that a look at it names nobody.
PLACES = 131_072
_BITS = 8
# How long others may rely on a status list that they have.
_LIST_LASTS, _LIST_IS_FRESH = timedelta(days=1), timedelta(minutes=5)
_END_OF_DAY = time(23, 59, 59)


def issuer_address(base_url: str, association: str) -> str:
    """The public address of an association as an issuer, which is its id in badges."""
    return f"{base_url}/badges/issuers/{quote(association, safe='')}"


def describe_issuer(rulebook: Rulebook, rule: CertificateRule, base_url: str) -> dict[str, Any]:
    """An association as the issuer of its badges."""
    address = issuer_address(base_url, rulebook.id)
    website = {"url": rule.website} if rule.website else {}
    return {"id": address, "type": ["Profile"], "name": rule.issuer, **website}


def describe_keys(keys: Sequence[Mapping[str, str]], base_url: str) -> list[dict[str, str]]:
    """Public keys as JWKs, each with the address at which anyone finds it as its id."""
    return [{**key, "kid": _key_address(base_url, key["kid"])} for key in keys]


def sign_badge(
    certificate: IssuedCertificate,
    verified: VerifiedCertificate,
    rulebook: Rulebook,
    rule: CertificateRule,
    signer: BadgeSigner,
    base_url: str,
) -> str:
    """A certificate as an Open Badge: a credential as a JWT. It is the same whenever it is made."""
    zone = rulebook.time_zone
    address = f"{base_url}/verify/{certificate.number}"
    lists = f"{issuer_address(base_url, rulebook.id)}/status/{certificate.id // PLACES}"
    place = certificate.id % PLACES
    name = f"{verified.category_name} ({verified.category})"
    subject = {
        # It stands for the holder of this badge, and links it to no other.
        "id": uuid.uuid5(uuid.NAMESPACE_URL, address).urn,
        "type": ["AchievementSubject"],
        "identifier": [
            {
                "type": "IdentityObject",
                "hashed": False,
                "identityHash": certificate.name,
                "identityType": "name",
            }
        ],
        "achievement": {
            "id": f"{issuer_address(base_url, rulebook.id)}#{quote(verified.category, safe='')}",
            "type": ["Achievement"],
            "achievementType": "Certification",
            "name": name,
            "description": f"Endorsement as {name} by {rule.issuer}",
            "criteria": {"narrative": f"The holder {rule.wording} {name}."},
        },
    }
    credential = {
        "@context": [_CREDENTIALS, f"{_OPEN_BADGES}/context-3.0.3.json"],
        "id": address,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": name,
        "issuer": describe_issuer(rulebook, rule, base_url),
        "validFrom": _format_instant(instant_of(certificate.valid_from, time(), zone)),
        "validUntil": _format_instant(_last_instant(certificate.valid_through, zone)),
        "awardedDate": _format_instant(certificate.issued_at),
        "credentialSubject": subject,
        "credentialStatus": {
            "id": f"{lists}#{place}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": _REVOCATION,
            "statusListIndex": str(place),
            "statusListCredential": lists,
        },
    }
    return _sign(credential, signer, base_url)


def status_ids(number: int) -> range:
    """The ids of the certificates that have a place in the status list ``number``."""
    return range(number * PLACES, (number + 1) * PLACES)


def sign_status_list(
    association: str,
    number: int,
    revoked: Collection[int],
    signer: BadgeSigner,
    base_url: str,
    now: datetime,
) -> str:
    """The status list ``number`` of an association as a JWT; ``revoked`` are ids of certificates.

    They are among `status_ids`.
    """
    bits = bytearray(PLACES // _BITS)
    for certificate_id in revoked:
        place = status_ids(number).index(certificate_id)
        bits[place // _BITS] |= 1 << (_BITS - 1 - place % _BITS)
    issuer = issuer_address(base_url, association)
    address = f"{issuer}/status/{number}"
    credential = {
        "@context": [_CREDENTIALS],
        "id": address,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": _format_instant(now),
        "validUntil": _format_instant(now + _LIST_LASTS),
        "credentialSubject": {
            "id": f"{address}#list",
            "type": "BitstringStatusList",
            "statusPurpose": _REVOCATION,
            "encodedList": f"u{encode_url_safe(gzip.compress(bytes(bits), mtime=0))}",
            "ttl": int(_LIST_IS_FRESH.total_seconds()) * 1000,
        },
    }
    return _sign(credential, signer, base_url)


def bake_badge(token: str, verified: VerifiedCertificate, rule: CertificateRule) -> bytes:
    """A picture (SVG) that has the badge inside, as wallets take it."""
    picture = Element("svg", {"xmlns": _SVG, "xmlns:openbadges": _BAKED, "viewBox": "0 0 400 400"})
    SubElement(picture, "title").text = f"{verified.category_name}, {rule.issuer}"
    SubElement(picture, "openbadges:credential", {"verify": token})
    SubElement(picture, "circle", {"cx": "200", "cy": "200", "r": "192", "fill": "#0f6b5c"})
    ring = {"cx": "200", "cy": "200", "r": "172", "fill": "none", "stroke": "#f4efe4"}
    SubElement(picture, "circle", {**ring, "stroke-width": "3"})
    text = {"x": "200", "fill": "#ffffff", "text-anchor": "middle", "font-family": "sans-serif"}
    # The longest codes of categories still fit into the circle.
    size = min(96, 440 // max(len(verified.category), 1))
    big = {**text, "y": "205", "font-size": str(size), "font-weight": "700"}
    SubElement(picture, "text", big).text = verified.category
    small = {**text, "font-size": "22"}
    SubElement(picture, "text", {**small, "y": "260"}).text = verified.association
    years = f"{verified.valid_from:%Y} to {verified.valid_through:%Y}"
    SubElement(picture, "text", {**small, "y": "300"}).text = years
    baked: bytes = tostring(picture, encoding="utf-8", xml_declaration=True)
    return baked


def _sign(credential: Mapping[str, Any], signer: BadgeSigner, base_url: str) -> str:
    """A credential as a JWT: its own fields, and beside them the registered ones of the same."""
    issuer, subject = credential["issuer"], credential["credentialSubject"]
    claims = {
        **credential,
        "iss": issuer if isinstance(issuer, str) else issuer["id"],
        "jti": credential["id"],
        "sub": subject["id"],
        "nbf": _read_seconds(credential["validFrom"]),
        "exp": _read_seconds(credential["validUntil"]),
    }
    header = {"alg": ALGORITHM, "typ": "JWT", "kid": _key_address(base_url, signer.key_id)}
    parts = [encode_url_safe(json.dumps(part).encode()) for part in (header, claims)]
    signed = ".".join(parts)
    signature = signer.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{encode_url_safe(signature)}"


def _key_address(base_url: str, key_id: str) -> str:
    return f"{base_url}/badges/keys/{key_id}"


def _last_instant(day: date, zone: str) -> datetime:
    return instant_of(day, _END_OF_DAY, zone)


def _format_instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def _read_seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
