"""What compliance officers fill in."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import AfterValidator, Field
from werkzeug.datastructures import MultiDict

from app.identity.forms import Form, FormMessage, fault, read_form
from app.signing.service import Criteria


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as exc:
        raise fault("日期格式应为 2026-11-22", "A date is written as 2026-11-22") from exc
    return text


def _page(text: str) -> str:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise fault("页码不正确", "No such page")
    return text


Day = Annotated[str, Field(max_length=10), AfterValidator(_day)]


class SearchForm(FormMessage):
    """GET /compliance"""

    q: Annotated[str, Field(max_length=200)] = ""
    state: Annotated[str, Field(max_length=16)] = ""
    template: Annotated[str, Field(max_length=64)] = ""
    certificate: Annotated[str, Field(max_length=64)] = ""
    signed_from: Day = ""
    signed_until: Day = ""
    held: Annotated[str, Field(max_length=3)] = ""
    page: Annotated[str, AfterValidator(_page), Field(max_length=6)] = "1"

    def criteria(self) -> Criteria:
        """As the search takes them."""
        return Criteria(
            text=self.q,
            state=self.state,
            template=self.template,
            certificate=self.certificate,
            signed_from=date.fromisoformat(self.signed_from) if self.signed_from else None,
            signed_until=date.fromisoformat(self.signed_until) if self.signed_until else None,
            held=bool(self.held),
        )

    def query_for(self, page: str) -> str:
        """The address of another page of the same search; `page` stands in it as it is."""
        given = {name: value for name, value in self.model_dump(exclude={"page"}).items() if value}
        return urlencode(given) + ("&" if given else "") + f"page={page}"


class HoldReason(FormMessage):
    """POST …/hold and …/lift"""

    reason: Annotated[str, Field(min_length=4, max_length=500)]


def read_search(arguments: MultiDict[str, str]) -> Form[SearchForm]:
    """The search out of an address; what is wrong is told at its field."""
    form: Form[Any] = read_form(SearchForm, arguments)
    return form
