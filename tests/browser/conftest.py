"""A running service, a real Chromium with a camera that does as told, and a signing link for each test."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, sync_playwright

from clients.demo import story
from clients.demo.puppet import astronaut, grace_hopper
from clients.demo.running import Running, running_service
from tests.browser.camera import Actor, FakeCamera

CHROMIUM = Path(os.environ.get("YUNLIAN_TEST_CHROMIUM", "/usr/bin/chromium"))
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
# Faces are judged as in production: with colours, and by its thresholds; and no platform is authorized without one.
PRODUCTION = {"MATCH_POLICY": "standard", "LIVENESS_POLICY": "standard-flash", "CONSENT_POLICY": "standard"}
Launch = Callable[..., Browser]


@pytest.fixture(scope="session")
def launch() -> Iterator[Launch]:
    """Starts Debian's Chromium with further arguments; every one is closed at the end."""
    if not CHROMIUM.exists():
        pytest.skip(f"Chromium is not installed ({CHROMIUM}); Debian: apt-get install chromium")
    with sync_playwright() as driver:
        started = []

        def start(*arguments: str) -> Browser:
            started.append(
                driver.chromium.launch(executable_path=str(CHROMIUM), chromium_sandbox=False, args=[*QUIET, *arguments])
            )
            return started[-1]

        yield start
        for browser in started:
            browser.close()


@pytest.fixture(scope="session")
def told(launch: Launch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[story.Story]:
    """A service that knows the representative: checked, and with the portrait that the bank holds."""
    folder = tmp_path_factory.mktemp("browser")
    with running_service(folder / "service", **PRODUCTION) as service:
        begun = story.Story(service, folder, tell=lambda line: None)
        story.representative_is_known(begun)
        yield begun
        begun.close()


@pytest.fixture
def link(told: story.Story) -> str:
    """The signing link of a contract that nobody has opened."""
    story.contract_is_sent(told)
    return told.link


@pytest.fixture(scope="session")
def service(told: story.Story) -> Running:
    return told.service


@pytest.fixture(scope="session")
def trusted(service: Running) -> str:
    """The argument by which Chromium accepts this service's TLS key, and no other unknown one."""
    door = x509.load_pem_x509_certificate((service.var / "tls" / "door.pem").read_bytes())
    spki = door.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(hashlib.sha256(spki).digest()).decode()}"


@pytest.fixture(scope="session")
def camera(representative: Actor, tmp_path_factory: pytest.TempPathFactory) -> FakeCamera:
    made = FakeCamera(tmp_path_factory.mktemp("camera") / "camera.y4m")
    made.look(representative)
    return made


@pytest.fixture(scope="session")
def chromium(launch: Launch, trusted: str, camera: FakeCamera) -> Browser:
    """A Chromium whose user allows the camera."""
    return launch(
        trusted,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera.path}",
    )


@pytest.fixture(scope="session")
def representative() -> Actor:
    """The person whose portrait the bank holds."""
    return Actor(astronaut())


@pytest.fixture(scope="session")
def somebody_else() -> Actor:
    return Actor(grace_hopper())
