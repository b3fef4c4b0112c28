"""DER encoding of what is built by hand because it is built often (X.690 §8, §10)."""

from datetime import datetime
from functools import cache

from cryptography.x509 import ObjectIdentifier

SEQUENCE = 0x30
SET = 0x31
OCTET_STRING = 0x04
NULL = b"\x05\x00"
TRUE = b"\x01\x01\xff"


def tlv(tag: int, *contents: bytes) -> bytes:
    """One value of a definite length."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return b"%c%c%b" % (tag, length, content)
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return b"%c%c%b%b" % (tag, 0x80 | len(octets), octets, content)


def sequence(*contents: bytes) -> bytes:
    return tlv(SEQUENCE, *contents)


def set_of(*contents: bytes) -> bytes:
    """A SET OF, whose members DER puts in ascending order (X.690 §11.6)."""
    return tlv(SET, *sorted(contents))


def integer(value: int) -> bytes:
    magnitude = value if value >= 0 else ~value
    return tlv(0x02, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def octet_string(value: bytes) -> bytes:
    return tlv(OCTET_STRING, value)


def bit_string(value: bytes) -> bytes:
    """Whole octets: none of the last one's bits is unused."""
    return tlv(0x03, b"\0", value)


@cache
def object_identifier(oid: ObjectIdentifier) -> bytes:
    first, second, *rest = map(int, oid.dotted_string.split("."))
    return tlv(0x06, *(_base_128(arc) for arc in (40 * first + second, *rest)))


def time(time: datetime) -> bytes:
    """UTCTime through 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5); `time` is aware UTC, whole seconds."""
    digits = b"%02d%02d%02d%02d%02dZ" % (time.month, time.day, time.hour, time.minute, time.second)
    return b"\x17\x0d%02d" % (time.year % 100) + digits if time.year < 2050 else tlv(0x18, b"%04d" % time.year, digits)


def generalized_time(time: datetime) -> bytes:
    """To the millisecond, without trailing zeros, as RFC 3161 §2.4.2 asks; `time` is aware UTC."""
    fraction = f".{time.microsecond // 1000:03}".rstrip("0").rstrip(".")
    return tlv(0x18, f"{time:%Y%m%d%H%M%S}{fraction}Z".encode())


def _base_128(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))
