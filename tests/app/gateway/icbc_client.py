"""A client of the ICBC dialect as the platform's SDKs do it; it shares no code with the service.

An answer is cut as text between its two members, as the Java and .NET SDKs cut it, before its signature is checked.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_plus

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_der_public_key


@dataclass
class IcbcClient:
    """One application. `product` signs instead of `key` where the sign_type is CA."""

    app_id: str
    key: rsa.RSAPrivateKey
    bank_key: str
    aes_key: bytes | None = None
    product: ec.EllipticCurvePrivateKey | None = None
    ca: bytes | None = None
    answer_digest: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)

    def parameters(
        self, path: str, biz: dict[str, Any] | str, token: str, now: datetime, **changes: Any
    ) -> dict[str, str]:
        """All parameters, signed; `changes` are made before signing, None leaves one out."""
        text = biz if isinstance(biz, str) else json.dumps(biz, ensure_ascii=False)
        values: dict[str, Any] = {
            "app_id": self.app_id,
            "msg_id": secrets.token_hex(12),
            "format": "json",
            "charset": "UTF-8",
            "sign_type": "RSA2" if self.product is None else "CA",
            "timestamp": now.astimezone(timezone(timedelta(hours=8))).strftime("%Y-%m-%d %H:%M:%S"),
            "app_auth_token": token,
            "ca": base64.b64encode(self.ca).decode() if self.ca is not None else "",
            "biz_content": text if self.aes_key is None else aes(self.aes_key, text.encode()),
        }
        if self.aes_key is not None:
            values["encrypt_type"] = "AES"
        values = {name: value for name, value in (values | changes).items() if value is not None}
        ordered = "&".join(f"{name}={values[name]}" for name in sorted(values) if values[name] and name != "sign")
        return {"sign": self._sign(f"{path}?{ordered}".encode())} | values

    def read(self, answer: bytes, *, encrypted: bool = False) -> dict[str, Any]:
        """The value of an answer whose signature is good."""
        text = answer.decode()
        start = text.index("response_biz_content") + len("response_biz_content") + 2
        end = text.rindex(',"sign":"')
        value, sign = text[start:end], text[end + len(',"sign":"') : text.rindex('"')]
        bank: Any = load_der_public_key(base64.b64decode(self.bank_key))
        bank.verify(base64.b64decode(sign), value.encode(), PKCS1v15(), self.answer_digest)
        if encrypted:
            assert self.aes_key is not None
            value = unaes(self.aes_key, value[1:-1]).decode()
        read: dict[str, Any] = json.loads(value)
        return read

    def _sign(self, octets: bytes) -> str:
        if self.product is not None:
            return base64.b64encode(self.product.sign(octets, ec.ECDSA(hashes.SHA256()))).decode()
        return base64.b64encode(self.key.sign(octets, PKCS1v15(), hashes.SHA256())).decode()


def encode(parameters: dict[str, str]) -> bytes:
    """application/x-www-form-urlencoded, as java.net.URLEncoder writes it."""
    return "&".join(f"{name}={quote_plus(value)}" for name, value in parameters.items()).encode()


def aes(key: bytes, octets: bytes) -> str:
    padder, cipher = padding.PKCS7(128).padder(), Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return base64.b64encode(cipher.update(padder.update(octets) + padder.finalize()) + cipher.finalize()).decode()


def unaes(key: bytes, encoded: str) -> bytes:
    unpadder, cipher = padding.PKCS7(128).unpadder(), Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return unpadder.update(cipher.update(base64.b64decode(encoded)) + cipher.finalize()) + unpadder.finalize()
