from __future__ import annotations

import pytest
from flask import Flask

from app.wiring import Services
from tests.app.gateway.parties import Parties, add_echo, make_parties


@pytest.fixture
def parties(app: Flask, services: Services) -> Parties:
    """Platforms and enterprises with certificates, and two protected routes to call."""
    made = make_parties(services)
    add_echo(app, made.seen)
    return made
