from __future__ import annotations

import pytest
from flask import Flask

from app.identity import persons
from app.identity.models import TenantKind
from app.wiring import Services
from tests.app.identity.people import People, make_people

NUMBER = "110101195611190027"


@pytest.fixture
def people(app: Flask, services: Services) -> People:
    """One account for every role, and how to log in."""
    return make_people(app, services)


@pytest.fixture
def person_id(people: People, services: Services) -> str:
    """A legal representative of the enterprise."""
    enterprise = people.tenants[TenantKind.ENTERPRISE]
    with services.transaction() as session:
        return persons.add_person(services, session, enterprise.id, "柯琳", NUMBER, "test").id
