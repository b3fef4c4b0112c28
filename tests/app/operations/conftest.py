from __future__ import annotations

import pytest
from flask import Flask

from app.wiring import Services
from tests.app.identity.people import People, make_people


@pytest.fixture
def people(app: Flask, services: Services) -> People:
    """One account for every role, and how to log in."""
    return make_people(app, services)
