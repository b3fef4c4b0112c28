"""What a new installation needs before its first request: tables, and the certificate authority."""

from __future__ import annotations

from app.certificates.hierarchy import Hierarchy
from app.migrations.runner import upgrade
from app.wiring import Services


def initialize(services: Services) -> None:
    """Bring the database up to date and found the certificate authority if there is none. Repeating it is harmless."""
    upgrade(services.engine)
    services.person_keys.take_over(services)
    if not Hierarchy.exists(services):
        Hierarchy.found(services)
