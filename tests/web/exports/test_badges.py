"""Certificates as files, and badges that another implementation of Open Badges verifies."""

import base64
import io
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from jwt import PyJWK
from openbadgeslib.ob3 import OB3VerificationError, OB3Verifier, OpenBadgeCredential
from pypdf import PdfReader

from tests.support import logos
from tests.support.cast import BASE_URL, CAROL, KAI
from tests.support.logos import brand
from tests.support.submitting import CYCLE, FAY, SUBMITTED_AT, fill_with_fay
from tests.web.client import WebClient, text_of
from tests.web.coordinator.test_entries import save
from tests.web.year.test_submitting import submit
from tracker.db.badge_keys import delete_badge_keys
from tracker.db.engine import writing
from tracker.db.people import Endorsement


@pytest.fixture
def web(sqlite_url: str) -> Iterator[WebClient]:
    """Fay's renewal is accepted."""
    cast = fill_with_fay(sqlite_url)
    web = WebClient(cast, SUBMITTED_AT)
    submit(web)
    yield web
    cast.engine.dispose()


def certificate_of(web: WebClient) -> dict[str, Any]:
    [certificate] = web.cast.rows("certificate")
    return certificate


def badge_of(web: WebClient) -> str:
    answer = web.visit(FAY).get(f"/certificates/{certificate_of(web)['id']}.svg")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("image/svg+xml")
    return OB3Verifier.extract_token_from_svg(answer.content)


def read_part(token: str, part: int) -> dict[str, Any]:
    text = token.split(".")[part]
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return content


def download(web: WebClient, address: str) -> bytes:
    assert address.startswith(f"{BASE_URL}/")
    answer = web.visit().get(address.removeprefix(BASE_URL))
    assert answer.status_code == 200, address
    return answer.content


def verify(web: WebClient, token: str) -> OpenBadgeCredential:
    """Verify a badge as others do: by its key's address, and its status by the list's."""
    key = json.loads(download(web, read_part(token, 0)["kid"]))
    verifier = OB3Verifier(PyJWK(key).key)
    with freeze_time(web.now + timedelta(minutes=1)):
        return verifier.verify(token, check_status=True, download=lambda url: download(web, url))


def test_another_implementation_verifies_the_badge(web: WebClient) -> None:
    badge = verify(web, badge_of(web))
    assert badge.issuer.id == f"{BASE_URL}/badges/issuers/ATTESTING"
    assert badge.issuer.name == "Association of Attestations, Inc."
    assert badge.achievement.name == "Infant Family Specialist (IFS)"


def test_a_changed_badge_is_refused(web: WebClient) -> None:
    header, claims, signature = badge_of(web).split(".")
    changed = read_part(f"{header}.{claims}", 1) | {"name": "Somebody else"}
    encoded = base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode()
    with pytest.raises(OB3VerificationError, match="signature"):
        verify(web, f"{header}.{encoded}.{signature}")


def test_a_lapsed_endorsement_revokes_its_badge(web: WebClient) -> None:
    token = badge_of(web)
    with writing(web.cast.engine) as session:
        held = session.get_one(Endorsement, web.cast.endorsements[FAY])
        held.ends_on = SUBMITTED_AT.date()
    verify(web, token)
    web.pass_time(days=1)
    with pytest.raises(OB3VerificationError, match="revocation"):
        verify(web, token)


def test_a_badge_names_its_holder_and_no_address(web: WebClient) -> None:
    claims = read_part(badge_of(web), 1)
    assert "@" not in json.dumps(claims).replace("@context", "")
    subject = claims["credentialSubject"]
    assert subject["identifier"][0]["identityHash"] == "Fay Lani"
    assert set(subject) == {"id", "type", "identifier", "achievement"}


def test_keys_and_issuer_are_public(web: WebClient) -> None:
    token = badge_of(web)
    keys = json.loads(download(web, f"{BASE_URL}/.well-known/jwks.json"))["keys"]
    assert [key["kid"] for key in keys] == [read_part(token, 0)["kid"]]
    assert not {"d", "p", "q"} & keys[0].keys()
    issuer = json.loads(download(web, read_part(token, 1)["iss"]))
    assert issuer["type"] == ["Profile"]
    assert issuer["url"] == "https://attesting.example.org"
    assert web.visit().get("/badges/issuers/NCIMHA").status_code == 404


def test_a_private_key_is_stored_encrypted(web: WebClient) -> None:
    badge_of(web)
    [key] = web.cast.rows("badge_key")
    assert key["private_key"].startswith(b"\x00aes-gcm")


def test_a_new_key_signs_new_badges(web: WebClient) -> None:
    token = badge_of(web)
    with writing(web.cast.engine) as session:
        delete_badge_keys(session)
    renewed = badge_of(web)
    assert read_part(renewed, 0)["kid"] != read_part(token, 0)["kid"]
    verify(web, renewed)


def test_the_pdf_has_what_anyone_verifies(web: WebClient) -> None:
    certificate = certificate_of(web)
    answer = web.visit(FAY).get(f"/certificates/{certificate['id']}.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert "certificate-ATTESTING-IFS-2030-12-31.pdf" in answer.headers["content-disposition"]
    reader = PdfReader(io.BytesIO(answer.content))
    [page] = reader.pages
    text = " ".join(page.extract_text().split())
    for words in ("Fay Lani", "Infant Family Specialist (IFS)", "December 31, 2030", "Kai Akana"):
        assert words in text
    assert certificate["number"] in text
    annotations: Any = page["/Annots"]
    links = [link.get_object()["/A"]["/URI"] for link in annotations]
    assert links == [f"{BASE_URL}/verify/{certificate['number']}"]
    root: Any = reader.trailer["/Root"]
    assert "/StructTreeRoot" in root


@pytest.mark.parametrize("logo", [logos.PNG, logos.JPEG, logos.EXTENDED_WEBP])
def test_the_pdf_has_the_associations_logo_and_color(
    web: WebClient, tmp_path: Path, logo: bytes
) -> None:
    settings = brand(web.cast.settings, tmp_path, ATTESTING="#7a1f5c")
    (tmp_path / "logo.png").write_bytes(logo)
    branded = WebClient(web.cast, SUBMITTED_AT, settings=settings)
    certificate = certificate_of(web)
    pages = []
    for site in (web, branded):
        answer = site.visit(FAY).get(f"/certificates/{certificate['id']}.pdf")
        [page] = PdfReader(io.BytesIO(answer.content)).pages
        drawing: Any = page.get_contents()
        # 0x7a of red, as a PDF writes it.
        pages.append((len(page.images), b"0.478" in drawing.get_data()))
    assert pages == [(0, False), (1, True)]
    shown = branded.visit().get(f"/verify/{certificate['number']}")
    assert "<p>ATTESTING &lt;families&gt;</p>" in shown.text


def test_my_year_and_the_desk_have_it(web: WebClient) -> None:
    number = certificate_of(web)["id"]
    page = web.visit(FAY).get("/my-year")
    assert f'href="/certificates/{number}.pdf"' in page.text
    assert f'href="/certificates/{number}.svg"' in page.text
    assert "November 15, 2027 through December 31, 2030, issued to Fay Lani" in text_of(page)
    kai = web.visit(KAI)
    path = f"/coordinator/certificates/{number}.pdf"
    assert f'href="{path}"' in kai.get(f"/coordinator/person/{web.cast.people[FAY]}").text
    timeline = text_of(kai.get(f"/coordinator/person/{web.cast.people[FAY]}/timeline"))
    assert "Certificate issued" in timeline
    assert kai.get(path).status_code == 200
    assert web.visit(CAROL).get(path).status_code == 404


def test_a_revoked_certificate_has_no_files(web: WebClient) -> None:
    number = certificate_of(web)["id"]
    [submission] = web.cast.rows("submission")
    path = f"/coordinator/renewals/{submission['id']}"
    save(web.visit(KAI), path, action="return", return_reason="Two sessions are missing.")
    fay = web.visit(FAY)
    assert fay.get(f"/certificates/{number}.pdf").status_code == 404
    assert fay.get(f"/certificates/{number}.svg").status_code == 404
    assert "Revoked" in text_of(fay.get("/my-year"))


def test_the_mail_leads_to_the_certificate(web: WebClient) -> None:
    [mail] = web.mails("request")
    assert "You are renewed through December 31, 2030." in mail
    assert certificate_of(web)["number"] in mail
    assert f"{BASE_URL}/my-year#certificates" in mail
    assert re.search(rf"verify\s+it at {re.escape(BASE_URL)}/verify", mail)


def test_the_certificate_of_the_renewal_is_the_one(web: WebClient) -> None:
    assert certificate_of(web)["cycle_starts_on"] == CYCLE
    assert certificate_of(web)["valid_through"] == date(2030, 12, 31)
