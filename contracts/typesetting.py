"""The one user of the Typst compiler: inputs -> PDF bytes, every warning an error."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import typst

from contracts.errors import MissingGlyph, RenderingFailed
from contracts.fonts import font_choice, system_fonts

TEMPLATES = Path(__file__).parent / "templates"

_UNPRINTABLE = re.compile(r'the text `"(?P<text>.*?)"` could not be displayed', re.DOTALL)
_ESCAPED = re.compile(r"\\u\{([0-9a-fA-F]{1,6})\}")


class Typesetter:
    """One Typst source with a warm compiler. Safe to share between threads."""

    def __init__(self, source: Path, root: Path = TEMPLATES) -> None:
        self._compiler = typst.Compiler(source, root=root, font_paths=system_fonts())
        self._lock = threading.Lock()  # the compiler keeps the inputs of its last run

    def typeset(
        self, inputs: Mapping[str, Any], *, created_at: datetime, label: str | None = None
    ) -> tuple[bytes, list[dict[str, Any]]]:
        """Typeset as PDF/A-2b (ISO 19005-2); `inputs` are given to the source as strings of JSON.

        Answers the PDF and the values of all metadata carrying `label`. The same inputs give the same bytes.
        Raises MissingGlyph, RenderingFailed, FontMissing.
        """
        texts = {name: json.dumps(value, ensure_ascii=False, sort_keys=True) for name, value in inputs.items()}
        texts["fonts"] = json.dumps(font_choice(), sort_keys=True)
        at = created_at.replace(microsecond=0)  # a PDF's dates know no fractions, and Typst refuses them
        with self._lock:
            try:
                pdf, warnings = self._compiler.compile_with_warnings(
                    format="pdf", pdf_standards=["a-2b"], timestamp=at, sys_inputs=texts
                )
                found = self._compiler.query(f"<{label}>", field="value") if label else "[]"
            except typst.TypstError as exc:
                raise _translate(exc) from exc
            except (RuntimeError, ValueError, OSError) as exc:
                raise RenderingFailed(str(exc)) from exc
        if warnings:
            raise RenderingFailed("; ".join(warning.message for warning in warnings))
        if not isinstance(pdf, bytes):
            raise RenderingFailed("the typesetter gave no single file")
        return pdf, json.loads(found)


@cache
def typesetter(source: str) -> Typesetter:
    """The warm typesetter of a source below `templates/`."""
    return Typesetter(TEMPLATES / source)


def _translate(error: typst.TypstError) -> MissingGlyph | RenderingFailed:
    """Typst reports an unprintable run of text only under a PDF/A standard, and only in words."""
    match = _UNPRINTABLE.search(error.message)
    if match is None:
        return RenderingFailed(error.message)
    text = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), match["text"])
    return MissingGlyph(text, text)
