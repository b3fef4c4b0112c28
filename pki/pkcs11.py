"""Private keys in a PKCS #11 token (OASIS PKCS #11 v2.40): made there, used there, never seen here.

Nothing else imports this module, so python-pkcs11 is needed only where a deployment keeps its keys in a token.
"""

import hashlib
import os
from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar

import pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import KDF, MGF, Attribute, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import KeyType as TokenKeyType

from pki import der
from pki.delegated import DelegatedEcKey, DelegatedEd25519Key, DelegatedRsaKey
from pki.errors import KeyExists, KeyNotFound, TokenUnavailable, UnsupportedAlgorithm, WrongPassphrase
from pki.keys import KeyType, PrivateKey
from pki.keystores import check_key_name

_Result = TypeVar("_Result")
_CURVES = {KeyType.EC_P256: ec.SECP256R1(), KeyType.EC_P384: ec.SECP384R1()}
_LOST = (
    pkcs11.SessionHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.UserNotLoggedIn,
    pkcs11.TokenNotPresent,
    pkcs11.DeviceRemoved,
)
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}
_ED25519_PARAMETERS = der.tlv(0x13, b"edwards25519")  # PKCS #11 v3.0 §2.3.5: PrintableString of the curve's name


class Pkcs11KeyStore:
    """A token as `pki.ports.KeyStore`: the label of a key is its name.

    One session, opened at the first use and again in a process that was forked since: PKCS #11 handles do not
    survive a fork (v2.40 §2.8), but the keys that `load` handed out do. A token knows no unique labels, so only one
    process may create keys at a time; founding the authority does. EC keys sign and agree on secrets, RSA and
    Ed25519 keys sign.
    """

    def __init__(self, library: str, token_label: str, pin: str) -> None:
        """`library`: path of the module. Raises TokenUnavailable, WrongPassphrase."""
        self._library_path, self._token_label, self._pin = library, token_label, pin
        self._lock = RLock()
        self._session: pkcs11.Session | None = None
        self._handles: dict[str, Any] = {}
        self._process = 0
        self._call(lambda session: session)

    def create(self, name: str, key_type: KeyType) -> PrivateKey:
        """Make and keep a key that cannot leave the token. Raises KeyExists, InvalidKeyName, TokenUnavailable."""
        check_key_name(name)
        if name in self.names():
            raise KeyExists(name)
        self._call(lambda session: _generate(session, name, key_type))
        return self.load(name)

    def load(self, name: str) -> PrivateKey:
        """Raises KeyNotFound, InvalidKeyName, TokenUnavailable."""
        check_key_name(name)
        public_key = self._call(lambda session: _public_key(session, name))
        match public_key:
            case ec.EllipticCurvePublicKey():
                return DelegatedEcKey(
                    public_key,
                    lambda data, digest: self._sign_ecdsa(name, data, digest),
                    lambda peer: self._agree(name, peer),
                )
            case rsa.RSAPublicKey():
                return DelegatedRsaKey(
                    public_key, lambda data, padding, digest: self._sign_rsa(name, data, padding, digest)
                )
            case _:
                return DelegatedEd25519Key(public_key, lambda data: self._sign_eddsa(name, data))

    def names(self) -> list[str]:
        """The names of all keys, sorted. Raises TokenUnavailable."""

        def labels(session: pkcs11.Session) -> list[str]:
            return sorted(
                str(key[Attribute.LABEL]) for key in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
            )

        return self._call(labels)

    def delete(self, name: str) -> None:
        """Destroy both halves of a key for ever. Raises KeyNotFound, InvalidKeyName, TokenUnavailable."""
        check_key_name(name)

        def destroy(session: pkcs11.Session) -> int:
            self._handles.pop(name, None)
            found = list(session.get_objects({Attribute.LABEL: name}))
            for half in found:
                half.destroy()
            return len(found)

        if not self._call(destroy):
            raise KeyNotFound(name)

    def _sign_ecdsa(self, name: str, data: bytes, digest: hashes.HashAlgorithm) -> bytes:
        hashed = hashlib.new(digest.name, data).digest()
        signature = self._use(name, lambda key: key.sign(hashed, mechanism=Mechanism.ECDSA))
        half = len(signature) // 2
        return encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))

    def _sign_eddsa(self, name: str, data: bytes) -> bytes:
        return self._use(name, lambda key: key.sign(data, mechanism=Mechanism.EDDSA))

    def _sign_rsa(self, name: str, data: bytes, padding: AsymmetricPadding, digest: hashes.HashAlgorithm) -> bytes:
        """PKCS #1 v1.5, and PSS as `pki.suite` has it: MGF1 with the same digest, a salt as long as that."""
        known = digest.name.upper()
        if known not in ("SHA256", "SHA384", "SHA512"):
            raise UnsupportedAlgorithm(f"RSA with {digest.name}")
        parameters: tuple[Any, ...] | None = None
        if isinstance(padding, PKCS1v15):
            mechanism = Mechanism[f"{known}_RSA_PKCS"]
        elif isinstance(padding, PSS) and padding._salt_length == digest.digest_size:
            mechanism = Mechanism[f"{known}_RSA_PKCS_PSS"]
            parameters = (Mechanism[known], MGF[known], digest.digest_size)
        else:
            raise UnsupportedAlgorithm("another RSA padding, or another length of salt")
        return self._use(name, lambda key: key.sign(data, mechanism=mechanism, mechanism_param=parameters))

    def _agree(self, name: str, peer: ec.EllipticCurvePublicKey) -> bytes:
        """The shared x coordinate (SEC 1 §3.3.1), which is all that leaves the token."""
        point = peer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        readable = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}

        def agree(key: Any) -> bytes:
            secret = key.derive_key(
                TokenKeyType.GENERIC_SECRET,
                peer.key_size,
                mechanism=Mechanism.ECDH1_DERIVE,
                mechanism_param=(KDF.NULL, None, point),
                template=readable,
            )
            value = bytes(secret[Attribute.VALUE])
            secret.destroy()
            return value

        return self._use(name, agree)

    def _use(self, name: str, act: Callable[[Any], bytes]) -> bytes:
        def found(session: pkcs11.Session) -> bytes:
            if name not in self._handles:
                self._handles[name] = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=name)
            return act(self._handles[name])

        return self._call(found)

    def _call(self, act: Callable[[pkcs11.Session], _Result]) -> _Result:
        """Act in this process's session; one at a time, as a session demands."""
        try:
            with self._lock:
                if self._session is None or self._process != os.getpid():
                    self._session = self._open(is_forked=self._session is not None)
                return act(self._session)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange) as exc:
            raise WrongPassphrase from exc
        except _LOST as exc:
            self._session = None  # the next use opens another
            raise TokenUnavailable(type(exc).__name__) from exc
        except RuntimeError as exc:  # PKCS11Error is one, a library that does not load another
            raise TokenUnavailable(type(exc).__name__) from exc

    def _open(self, *, is_forked: bool) -> pkcs11.Session:
        library = pkcs11.lib(self._library_path)
        if is_forked:
            library.reinitialize()
        self._handles, self._process = {}, os.getpid()
        token = library.get_token(token_label=self._token_label)
        try:
            return token.open(rw=True, user_pin=self._pin)
        except pkcs11.UserAlreadyLoggedIn:  # another store of this process did: a token has one log-in for all
            return token.open(rw=True)


def _generate(session: pkcs11.Session, name: str, key_type: KeyType) -> None:
    kept = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
    common: dict[str, Any] = {"id": name.encode(), "label": name, "store": True, "private_template": kept}
    signing = MechanismFlag.SIGN | MechanismFlag.VERIFY
    if key_type in _RSA_BITS:
        session.generate_keypair(TokenKeyType.RSA, _RSA_BITS[key_type], capabilities=signing, **common)
    elif key_type in _CURVES:
        parameters = session.create_domain_parameters(
            TokenKeyType.EC, {Attribute.EC_PARAMS: _curve_oid(_CURVES[key_type])}, local=True
        )
        parameters.generate_keypair(capabilities=signing | MechanismFlag.DERIVE, **common)
    else:
        parameters = session.create_domain_parameters(
            TokenKeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519_PARAMETERS}, local=True
        )
        parameters.generate_keypair(capabilities=signing, **common)


def _public_key(
    session: pkcs11.Session, name: str
) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    try:
        key = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=name)
    except pkcs11.NoSuchKey as exc:
        raise KeyNotFound(name) from exc
    if key.key_type is TokenKeyType.RSA:
        modulus, exponent = (int.from_bytes(key[a]) for a in (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT))
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    point = bytes(key[Attribute.EC_POINT])[2:]  # a short OCTET STRING (v2.40 §2.3.3)
    if key.key_type is TokenKeyType.EC_EDWARDS:
        return ed25519.Ed25519PublicKey.from_public_bytes(point)
    parameters = bytes(key[Attribute.EC_PARAMS])
    curve = next((curve for curve in _CURVES.values() if _curve_oid(curve) == parameters), None)
    if curve is None:
        raise UnsupportedAlgorithm("a curve that is not P-256 or P-384")
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)


def _curve_oid(curve: ec.EllipticCurve) -> bytes:
    oid = ec.EllipticCurveOID.SECP256R1 if curve.name == "secp256r1" else ec.EllipticCurveOID.SECP384R1
    return der.object_identifier(oid)
