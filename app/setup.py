"""What a new installation needs before its first request: tables, the certificate authority, the dialect's key."""

from __future__ import annotations

from app.certificates.hierarchy import Hierarchy
from app.gateway.icbc.keys import make_answer_key
from app.migrations.runner import upgrade
from app.wiring import Services


def initialize(services: Services) -> None:
    """Bring the database up to date and found the certificate authority if there is none. Repeating it is harmless."""
    upgrade(services.engine)
    services.person_keys.take_over(services)
    if not Hierarchy.exists(services):
        Hierarchy.found(services)
    make_answer_key(services)
