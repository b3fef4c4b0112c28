"""What a phone's camera sends in answer to a face challenge (docs/face-check.md); a puppet stands before it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from clients.demo.puppet import Puppet
from kyc.capture import frame_chain


def answer(challenge: Mapping[str, Any], puppet: Puppet) -> dict[str, Any]:
    """The `data` and `files` of a multipart request: do before the camera what the challenge asks for."""
    performed = puppet.perform(
        challenge["actions"], frames_per_action=challenge["frames_per_action"], colours=challenge["colours"]
    )
    pictures = [picture for _, _, picture in performed]
    nonce = base64.urlsafe_b64decode(challenge["nonce"] + "=")
    meta = {
        "nonce": challenge["nonce"],
        "chain": frame_chain(nonce, pictures).hex(),
        "frames": [{"action": action, "at_ms": at_ms} for action, at_ms, _ in performed],
    }
    files = [("frame", (f"{n}.jpg", picture, "image/jpeg")) for n, picture in enumerate(pictures)]
    return {"data": {"meta": json.dumps(meta)}, "files": files}
