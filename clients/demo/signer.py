"""The legal representative's phone: reads, consents, shows a face, makes a key for one signature and drops it.

The page does the same in the browser (static/js/signing); here it is in Python, so that it can run anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clients.demo import face
from clients.demo.browser import Browser
from clients.demo.puppet import Puppet

_P256_BYTES = 32


class Signer:
    """Acts on one signing link. Every method raises Refused with the reason."""

    def __init__(self, browser: Browser, link_path: str) -> None:
        self._browser = browser
        self._base = link_path
        browser.get(link_path)

    def call(self, step: str, message: Mapping[str, Any] | None = None, **multipart: Any) -> dict[str, Any]:
        """One call of the page, such as "read" or "face/challenge"."""
        return self._browser.call(f"{self._base}/{step}", message, **multipart)

    def identify(self, last6: str) -> dict[str, Any]:
        """Say who it is."""
        return self.call("identify", {"identity_last6": last6})

    def read(self, state: dict[str, Any]) -> dict[str, Any]:
        """Look at every page and check that the file is the one the page speaks of."""
        for number in range(1, state["contract"]["pages"] + 1):
            picture = self._browser.download(f"{self._base}/pages/{number}.png")
            if not picture.startswith(b"\x89PNG"):
                raise ValueError("a page is no picture")
        sha256 = hashlib.sha256(self.document()).hexdigest()
        return self.call("read", {"document_sha256": sha256})

    def consent(self, state: dict[str, Any]) -> dict[str, Any]:
        """Agree to the wording."""
        message = {
            "consent_sha256": state["consent"]["sha256"],
            "document_sha256": state["contract"]["document_sha256"],
            "agree": True,
        }
        return self.call("consent", message)

    def show_face(self, puppet: Puppet) -> dict[str, Any]:
        """Answer a fresh challenge before the camera."""
        return self.answer_face(self.face_challenge(), puppet)

    def face_challenge(self) -> dict[str, Any]:
        """Consent to the use of face information, in the wording shown, and get a challenge."""
        wording = self._browser.fetch(f"{self._base}/state")["face_consent"]
        return self.call("face/challenge", {"face_wording_sha256": wording["sha256"], "decision": "agree"})

    def answer_face(self, challenge: dict[str, Any], puppet: Puppet) -> dict[str, Any]:
        """Do before the camera what the challenge asks for."""
        return self.call("face", **face.answer(challenge, puppet))

    def sign(self) -> dict[str, Any]:
        """Make a key, prove it, sign the attributes with it, forget it."""
        key = ec.generate_private_key(ec.SECP256R1())
        signature_id, attributes = self.begin(key)
        return self.finish(signature_id, attributes, key)

    def begin(
        self, key: ec.EllipticCurvePrivateKey, *, proving_key: ec.EllipticCurvePrivateKey | None = None
    ) -> tuple[str, bytes]:
        """Have the key certified; the signature's id and what the key signs next. An honest signer proves `key`."""
        challenge = self.call("key/challenge")["challenge"]
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        proof = _p1363(proving_key or key, base64.urlsafe_b64decode(challenge + "==="))
        begun = self.call("key", {"spki": _b64(spki), "proof": _b64(proof)})
        return begun["signature_id"], base64.b64decode(begun["signed_attributes"])

    def finish(self, signature_id: str, attributes: bytes, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
        """Sign the attributes; once more with the same key for every party that signed in between."""
        state = self.call("signature", {"signature_id": signature_id, "signature": _b64(_p1363(key, attributes))})
        if (again := state.get("again")) is None:
            return state
        return self.finish(again["signature_id"], base64.b64decode(again["signed_attributes"]), key)

    def document(self) -> bytes:
        """The revision that this phone reads."""
        return self._browser.download(f"{self._base}/document.pdf")

    def signed_document(self) -> bytes:
        """The newest revision."""
        return self._browser.download(f"{self._base}/signed.pdf")


def _p1363(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
