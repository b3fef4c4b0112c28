"""Whatever is sent as a capture over HTTP: a typed reason for the person, bounded memory, nothing lost, never a 500."""

from __future__ import annotations

import base64
import io
import json
import resource
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from flask import Flask
from PIL import Image as Pillow
from sqlalchemy import delete

from app.proofing.models import FaceCheck
from app.proofing.records import FaceLimit
from app.wiring import Services
from clients.demo.browser import Refused
from clients.demo.puppet import HEIGHT, WIDTH, Puppet, astronaut, jpeg
from clients.demo.signer import Signer
from kyc.capture import frame_chain
from tests.flows.ceremony import give_portrait, register_parties, send_contract

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
MEGABYTE = 1024 * 1024
Spoil = Callable[[list[bytes]], list[bytes]]


def png(picture: Pillow.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def declared(side: int) -> bytes:
    """A PNG that says it has so many pixels, and does not bring them: the test itself shall not hold them."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def twice(picture: bytes) -> bytes:
    """The middle of the picture, where the face is, beside itself."""
    middle = np.asarray(Pillow.open(io.BytesIO(picture)))[:, WIDTH // 4 : -WIDTH // 4]
    return jpeg(np.concatenate([middle, middle], axis=1))


def sideways(picture: bytes, orientation: int) -> bytes:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Pillow.open(io.BytesIO(picture)).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def first(picture: Callable[[bytes], bytes]) -> Spoil:
    return lambda frames: [picture(frames[0]), *frames[1:]]


ANIMATED = png(Pillow.new("RGB", (300, 300)), save_all=True, append_images=[Pillow.new("RGB", (300, 300), "red")])
REFUSED: dict[str, tuple[Spoil, int, str]] = {
    "40 MB": (first(lambda _: b"\xff\xd8\xff" + bytes(40 * MEGABYTE)), 413, "request-entity-too-large"),
    "2 MB": (first(lambda _: b"\xff\xd8\xff" + bytes(2 * MEGABYTE)), 422, "frame-rejected"),
    "20,000 x 20,000": (first(lambda _: declared(20_000)), 422, "frame-rejected"),
    "a bomb in every frame": (lambda fs: [png(Pillow.new("L", (3_000, 3_000))) for _ in fs], 422, "frame-rejected"),
    "1 x 1": (first(lambda _: png(Pillow.new("RGB", (1, 1)))), 422, "frame-rejected"),
    "truncated": (first(lambda whole: whole[: len(whole) // 2]), 422, "frame-rejected"),
    "animated": (first(lambda _: ANIMATED), 422, "frame-rejected"),
    "GIF": (first(lambda _: b"GIF89a" + bytes(99)), 422, "frame-rejected"),
    "empty": (first(lambda _: b""), 422, "frame-rejected"),
    "upside down by EXIF": (first(lambda whole: sideways(whole, 3)), 422, "no-face"),
    "no face": (first(lambda _: jpeg(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))), 422, "no-face"),
    "two faces": (first(twice), 422, "several-faces"),
    "a thousand frames": (lambda frames: frames[:1] * 1000, 413, "request-entity-too-large"),
    "sixty-one frames": (lambda frames: frames[:1] * 61, 422, "invalid-input"),
    "sixty frames of one action": (lambda frames: frames[:1] * 60, 422, "frames-incomplete"),
    "one frame": (lambda frames: frames[:1], 422, "frames-incomplete"),
}
HARMLESS: dict[str, Spoil] = {
    "grey": first(lambda whole: png(Pillow.open(io.BytesIO(whole)).convert("L"))),
    "alpha": first(lambda whole: png(Pillow.open(io.BytesIO(whole)).convert("RGBA"))),
    "with EXIF": first(lambda whole: sideways(whole, 1)),
}


@pytest.fixture(scope="module")
def representative() -> Puppet:
    return Puppet(astronaut())


def send(phone: Signer, puppet: Puppet, spoil: Spoil) -> str:
    """The step that the page shows next."""
    challenge = phone.face_challenge()
    shots = puppet.perform(challenge["actions"], frames_per_action=challenge["frames_per_action"])
    pictures = spoil([picture for *_, picture in shots])
    moments = [(action, at_ms) for action, at_ms, _ in shots] if len(pictures) == len(shots) else []
    frames = [{"action": a, "at_ms": t} for a, t in moments or ((0, n) for n in range(len(pictures)))]
    nonce = base64.urlsafe_b64decode(challenge["nonce"] + "=")
    meta = {"nonce": challenge["nonce"], "chain": frame_chain(nonce, pictures).hex(), "frames": frames}
    files = [("frame", (f"{n}.jpg", picture, "image/jpeg")) for n, picture in enumerate(pictures)]
    return str(phone.call("face", data={"meta": json.dumps(meta)}, files=files)["step"])


def try_anew(services: Services) -> None:
    """As if another day had come: the limits have tests of their own."""
    with services.transaction() as session:
        session.execute(delete(FaceLimit))
        session.execute(delete(FaceCheck).where(FaceCheck.outcome.is_distinct_from("passed")))


def test_bad_captures_are_refused_with_a_reason_and_the_person_goes_on(
    app: Flask, services: Services, representative: Puppet
) -> None:
    _, person_id = register_parties(services)
    give_portrait(services, person_id, jpeg(astronaut()))
    ceremony = send_contract(app, services, person_id)
    outcomes: dict[str, object] = {}
    with ceremony.phone() as phone:
        ceremony.agree(phone)
        for harmless in HARMLESS.values():
            assert send(phone, representative, harmless) == "sign"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name, (spoil, _, _) in REFUSED.items():
            try_anew(services)
            try:
                outcomes[name] = send(phone, representative, spoil)
            except Refused as refused:
                outcomes[name] = (refused.status, refused.code)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert outcomes == {name: (status, code) for name, (_, status, code) in REFUSED.items()}
        assert grown < 350, "megabytes: the client holds the 40 MB a few times"
        try_anew(services)
        assert send(phone, representative, list) == "sign"
