"""The migrations make what the code's tables say, on every database."""

from app.migrations.runner import differences, upgrade
from app.wiring import Services


def test_code_and_database_agree(services: Services) -> None:
    assert differences(services.engine) == []


def test_upgrading_twice_changes_nothing(services: Services) -> None:
    upgrade(services.engine)

    assert differences(services.engine) == []
