"""HTML forms: text fields -> a pydantic message, or faults to show at the fields, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Generic, Protocol, TypeVar, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from app.problems import describe
from pki.errors import InvalidIdentifier
from pki.identifiers import parse_uscc

WHOLE = "form"  # where a fault goes that belongs to no single field

Text = tuple[str, str]  # Chinese, English


class FormMessage(BaseModel):
    """Base of all form messages: strict in members, not in types, because everything in a form is text."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


M = TypeVar("M", bound=FormMessage)


class FormData(Protocol):
    """Names with one or more values each, as a web framework hands them over."""

    def __iter__(self) -> Iterator[str]: ...

    def getlist(self, key: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Form(Generic[M]):
    """A form as it was sent: `message` when it is good, else `faults` by field. `sent` refills the page."""

    message: M | None = None
    sent: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, Text] = field(default_factory=dict)

    def refused(self, error: Exception, at: str = WHOLE) -> Form[M]:
        """The same form with what a use case refused shown at a field."""
        facts = describe(error)
        return replace(self, faults={**self.faults, at: (facts["zh"], facts.get("detail", facts["title"]))})

    @property
    def status(self) -> int:
        """The HTTP status of the page that shows the form."""
        return 422 if self.faults else 200


def read_form(model: type[M], data: FormData) -> Form[M]:
    """Parse what a browser sent. Empty fields count as missing; unknown ones are faults of the whole form."""
    sent: dict[str, Any] = {}
    for name in data:
        values = [value for value in data.getlist(name) if value.strip()]
        known = model.model_fields.get(name)
        if name != "csrf_token" and values:
            sent[name] = values if known and get_origin(known.annotation) in (tuple, list) else values[0]
    try:
        return Form(model.model_validate(sent), sent)
    except ValidationError as exc:
        faults: dict[str, Text] = {}
        for error in exc.errors(include_url=False):
            name = str(error["loc"][0]) if error["loc"] else WHOLE
            faults.setdefault(name if name in model.model_fields else WHOLE, _sentence(error))
        return Form(None, sent, faults)


def fault(zh: str, en: str) -> PydanticCustomError:
    """For validators: a fault in both languages."""
    return PydanticCustomError("bilingual", "{en}", {"zh": zh, "en": en})


def _sentence(error: ErrorDetails) -> Text:
    context = error.get("ctx", {})
    match error["type"]:
        case "bilingual":
            return context["zh"], context["en"]
        case "missing":
            return "请填写此项", "Please fill this in"
        case "string_too_short":
            return f"至少 {context['min_length']} 个字符", f"At least {context['min_length']} characters"
        case "string_too_long":
            return f"最多 {context['max_length']} 个字符", f"At most {context['max_length']} characters"
        case "enum" | "literal_error":
            return "请从列表中选择", "Please choose from the list"
        case "extra_forbidden":
            return "表单包含未知内容", "The form has an unknown field"
        case _:
            return "格式不正确", "The form of this is not right"


def _check_uscc(text: str) -> str:
    try:
        return parse_uscc(text)
    except InvalidIdentifier as exc:
        raise fault("统一社会信用代码不正确，请核对 18 位代码", str(exc)) from exc


Uscc = Annotated[str, AfterValidator(_check_uscc)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Identifier = Annotated[str, Field(pattern=r"^[0-9a-z]{26}$")]
