"""A service that routes with the directory it makes up."""

import pytest

from app.routing.directories import load_sandbox_directory
from app.wiring import Services


@pytest.fixture
def sandboxed(services: Services) -> Services:
    with services.transaction() as session:
        load_sandbox_directory(services, session)
    return services
