"""What the pages of enterprises and platforms send."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.identity.forms import FormMessage, Name

MOST_CSR = 64 * 1024  # characters; the certificate authority's own limit


Code = Annotated[str, Field(min_length=8, max_length=100, repr=False)]
Csr = Annotated[str, Field(max_length=MOST_CSR)]


class NewApplication(FormMessage):
    """POST /developer/applications/new; one redirect URI a line."""

    name: Name
    scopes: tuple[str, ...] = Field(min_length=1, max_length=10)
    redirect_uris: Annotated[str, Field(max_length=5000)] = ""

    @property
    def redirect_uri_list(self) -> tuple[str, ...]:
        """The redirect URIs, one per line of the field."""
        return tuple(line.strip() for line in self.redirect_uris.splitlines() if line.strip())


class EnrolApi(FormMessage):
    """POST /developer/certificates/enrol"""

    code: Code
    csr: Csr


class EnrolProduct(FormMessage):
    """POST /enterprise/certificates/enrol"""

    code: Code
    sign_csr: Csr
    encrypt_csr: Csr


class ApprovalDecision(FormMessage):
    """POST /enterprise/approvals/<payment>"""

    decision: Literal["approve", "refuse"]
    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", repr=False)]
    note: Annotated[str, Field(max_length=200)] = ""


class CallbackForm(FormMessage):
    """POST /developer/applications/<client_id>/callback; empty: no callbacks."""

    address: Annotated[str, Field(max_length=500)] = ""
