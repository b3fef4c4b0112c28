"""Fixtures of the payment tests."""

import pytest

from app.routing.service import load_sandbox_directory
from app.wiring import Services
from tests.app.payments.world import Bank, make_bank


@pytest.fixture
def bank(services: Services) -> Bank:
    """A bank with an enterprise that may pay, and no directory of other banks."""
    return make_bank(services)


@pytest.fixture
def routed_bank(bank: Bank) -> Bank:
    """The same with the sandbox directory, so that other banks can be reached."""
    with bank.services.transaction() as session:
        load_sandbox_directory(bank.services, session)
    return bank
