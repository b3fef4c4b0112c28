"""Fixtures of the three flows: two faces, and a contract that was sent."""

from __future__ import annotations

import pytest
from flask import Flask

from app.wiring import Services
from clients.demo.puppet import Puppet, astronaut, grace_hopper, jpeg
from tests.flows.ceremony import Ceremony, give_portrait, register_parties, send_contract


@pytest.fixture(scope="session")
def representative() -> Puppet:
    """Whose portrait the bank holds."""
    return Puppet(astronaut())


@pytest.fixture(scope="session")
def stranger() -> Puppet:
    """Somebody else."""
    return Puppet(grace_hopper())


@pytest.fixture
def ceremony(app: Flask, services: Services) -> Ceremony:
    """A contract that was sent to a representative whose portrait the bank holds."""
    _, person_id = register_parties(services)
    give_portrait(services, person_id, jpeg(astronaut()))
    return send_contract(app, services, person_id)
