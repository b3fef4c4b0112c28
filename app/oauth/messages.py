"""OAuth requests as Authlib sees them: a form in which every parameter occurs once; documents of onboarding."""

# mypy: disallow-subclassing-any=False

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Payload, OAuth2Request
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from app.gateway.typed_documents import Document
from pki.errors import PkiError
from pki.identifiers import parse_uscc

MAX_FORM = 32 * 1024  # octets
_MAX_PARAMETERS = 40


def _check_uscc(text: str) -> str:
    try:
        return parse_uscc(text)
    except PkiError as exc:
        raise PydanticCustomError("check-digit", "not a unified social credit code (GB 32100)") from exc


def _check_printable(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise PydanticCustomError("not-printable", "printable characters, no space at the ends")
    return text


RegistrationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z")]


class PlatformDocument(Document):
    """POST /api/v1/platforms"""

    registration_id: RegistrationId
    name: Annotated[str, Field(min_length=2, max_length=200), AfterValidator(_check_printable)]
    uscc: Annotated[str, Field(min_length=18, max_length=18), AfterValidator(_check_uscc)]


class PlatformNameDocument(Document):
    """POST /api/v1/platforms/status and /registration-code"""

    registration_id: RegistrationId


class _Payload(OAuth2Payload):
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    @property
    def data(self) -> dict[str, str]:
        return self._values

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._values.items()})


class FormRequest(OAuth2Request):
    """A request with parsed parameters; `uri` is made from the settings, never from the Host header."""

    def __init__(self, method: str, uri: str, values: dict[str, str]) -> None:
        super().__init__(method, uri)
        self.payload = _Payload(values)

    @property
    def form(self) -> dict[str, str]:
        values: dict[str, str] = self.payload.data
        return values

    def again(self) -> FormRequest:
        """The request as it came: Authlib writes what it finds out into its requests."""
        return FormRequest(self.method, self.uri, dict(self.form))


def parse_parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each parameter at most once, empty ones left out (RFC 6749 §3.1, §3.2). Raises InvalidRequestError."""
    values: dict[str, str] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= _MAX_PARAMETERS:
            raise InvalidRequestError("Too many parameters.")
        if name in values:
            raise InvalidRequestError("A parameter occurs twice.")
        values[name] = value
    return {name: value for name, value in values.items() if value}
