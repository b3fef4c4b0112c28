"""Signing requests come pasted or as files; either way the form sees text."""

from __future__ import annotations

from flask import Request
from werkzeug.datastructures import MultiDict

from app.portal.messages import MOST_CSR


def with_files(request: Request, *names: str) -> MultiDict[str, str]:
    """The form's fields, with the text of an uploaded `<name>_file` in the place of an empty `<name>`."""
    data = MultiDict(request.form)
    for name in names:
        upload = request.files.get(f"{name}_file")
        if upload is not None and not data.get(name, "").strip():
            # One more than allowed, so that too much is noticed; what is no text is refused as no CSR.
            data[name] = upload.stream.read(MOST_CSR + 1).decode("ascii", errors="replace")
    return data
