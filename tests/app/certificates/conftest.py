from __future__ import annotations

import pytest

from app.wiring import Services
from tests.app.gateway.parties import Parties, make_parties


@pytest.fixture
def parties(services: Services) -> Parties:
    """Two platforms, two enterprises, one standing authorization."""
    return make_parties(services)
