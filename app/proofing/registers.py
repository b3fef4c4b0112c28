"""Registers of enterprises (`kyc.ports.Registry`): one that operators fill, one at an authority, asked over HTTPS."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
import logging
import ssl
import unicodedata
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app.problems import Fault, InvalidInput
from app.proofing.records import RegisterEntry
from kyc.documents import parse_identity_number
from kyc.errors import InvalidIdentityNumber
from kyc.ports import EnterpriseElements, RegistryAnswer
from pki.errors import InvalidIdentifier
from pki.identifiers import parse_uscc

if TYPE_CHECKING:
    from app.wiring import Services

log = logging.getLogger(__name__)

TIMEOUT: Final = 5.0  # seconds; whoever waits is a person before a page
_MOST_ANSWER: Final = 16 * 1024
COLUMNS: Final = ("uscc", "name", "legal_representative", "identity_number")
_ANSWERS: Final = {str(answer): answer for answer in RegistryAnswer}


class DatabaseRegistry:
    """The register that operators fill. An enterprise that is not in it is unknown, not refused."""

    description = "the register that operators fill"

    def __init__(self, services: Services) -> None:
        self._services = services

    def compare(self, elements: EnterpriseElements) -> RegistryAnswer:
        """Whether all four elements are those of the entry."""
        with self._services.reading() as session:
            entry = session.get(RegisterEntry, elements.uscc)
        if entry is None:
            return RegistryAnswer.UNKNOWN
        asked = _entry_values(self._services, elements)
        same = (
            _plain(entry.name) == _plain(elements.name),
            hmac.compare_digest(entry.representative_lookup, asked["representative_lookup"]),
            hmac.compare_digest(entry.identity_lookup, asked["identity_lookup"]),
        )
        return RegistryAnswer.CONFIRMED if all(same) else RegistryAnswer.REFUSED


Post: TypeAlias = Callable[[str, bytes, dict[str, str]], bytes]


class HttpRegistry:
    """A register behind HTTPS: POST of the four elements as JSON, answered by {"answer": "confirmed"|"refused"|…}.

    Silence, a fault, a redirect or an answer that nobody agreed on is UNKNOWN.
    """

    def __init__(self, url: str, token: str, post: Post | None = None) -> None:
        self._url = url
        self._token = token
        self._post = post or post_https
        self.description = f"the register at {urlsplit(url).hostname}"

    def compare(self, elements: EnterpriseElements) -> RegistryAnswer:
        """Ask, for at most TIMEOUT seconds each to connect and to read."""
        asked = {
            "name": elements.name,
            "uscc": elements.uscc,
            "legal_representative": elements.legal_representative,
            "identity_number": elements.identity_number,
        }
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            return _ANSWERS[json.loads(self._post(self._url, json.dumps(asked).encode(), headers))["answer"]]
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as fault:
            log.warning("the register of enterprises gave no answer", extra={"reason": type(fault).__name__})
            return RegistryAnswer.UNKNOWN


def post_https(url: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The body of a 200 answer. Raises OSError, HTTPException, and ValueError for anything else that comes back."""
    target = urlsplit(url)
    if target.scheme != "https" or not target.hostname:
        raise ValueError("a register is asked over https alone")
    connection = HTTPSConnection(target.hostname, target.port, timeout=TIMEOUT, context=ssl.create_default_context())
    try:
        connection.request("POST", target.path or "/", body, headers)
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            raise ValueError(f"status {answer.status}")  # a redirect would carry personal data to somebody else
        content = answer.read(_MOST_ANSWER + 1)
    finally:
        connection.close()
    if len(content) > _MOST_ANSWER:
        raise ValueError("the answer is too long")
    return content


def enter_enterprise(services: Services, session: Session, elements: EnterpriseElements, *, actor: str) -> None:
    """Write an enterprise into the register, in place of what it said before.

    Raises InvalidIdentifier (GB 32100), InvalidIdentityNumber (GB 11643).
    """
    number = parse_identity_number(elements.identity_number, services.clock().date()).digits
    checked = EnterpriseElements(
        elements.name.strip(), parse_uscc(elements.uscc), elements.legal_representative.strip(), number
    )
    values = _entry_values(services, checked)
    session.merge(
        RegisterEntry(uscc=checked.uscc, name=checked.name, entered_by=actor, entered_at=services.clock(), **values)
    )
    services.journal.append(session, "register-entry", subject=checked.uscc, actor=actor, body={})


def import_register(services: Services, session: Session, text: str, *, actor: str) -> int:
    """Enter every line of a CSV text with the columns of COLUMNS; all or nothing. Returns the number of enterprises.

    Raises InvalidInput with a fault for every bad line, which repeats nothing of its content.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    faults, entered = [], 0
    try:
        if set(rows.fieldnames or ()) != set(COLUMNS):
            raise InvalidInput(f"the first line names the columns {', '.join(COLUMNS)}")
        for row in rows:
            try:
                enter_enterprise(services, session, _elements(row), actor=actor)
                entered += 1
            except (InvalidIdentifier, InvalidIdentityNumber, ValueError) as exc:
                faults.append(Fault(f"/{rows.line_num}", str(exc)))
    except csv.Error as exc:
        raise InvalidInput(f"line {rows.line_num} is not CSV") from exc
    if faults:
        raise InvalidInput(f"{len(faults)} lines are not right", faults=tuple(faults))
    return entered


def _elements(row: dict[str, str]) -> EnterpriseElements:
    if None in row or not all((row[name] or "").strip() for name in COLUMNS):
        raise ValueError("a line has one text for each column")
    name, uscc, representative, number = (row[column].strip() for column in ("name", "uscc", *COLUMNS[2:]))
    return EnterpriseElements(name, uscc, representative, number)


def _entry_values(services: Services, elements: EnterpriseElements) -> dict[str, bytes]:
    key = hashlib.sha256(b"yunlian enterprise register" + services.settings.data_key).digest()

    def digest(what: str, value: str) -> bytes:
        return hmac.digest(key, f"{elements.uscc}\0{what}\0{_plain(value)}".encode(), "sha256")

    return {
        "representative_lookup": digest("representative", elements.legal_representative),
        "identity_lookup": digest("identity", elements.identity_number),
    }


def _plain(text: str) -> str:
    # Full-width brackets and blanks are a matter of who typed: 上海（集团）公司 and 上海(集团)公司 are one name.
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
