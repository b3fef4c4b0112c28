"""Runs Alembic with the service's own engine, so that no second place knows the database's address."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData
from sqlalchemy.engine import Connection

import app
from app.db import Base


def all_metadata() -> MetaData:
    """The tables of every feature."""
    import_module("app.once")
    import_module("app.journal")
    import_module("app.proofing.records")
    for feature in iter_modules(app.__path__, "app."):
        name = f"{feature.name}.models"
        if feature.ispkg and find_spec(name) is not None:
            import_module(name)
    return Base.metadata


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision, in one transaction."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), "head")


def make_revision(engine: Engine, message: str) -> None:
    """Write a new revision file from the difference between the tables and the database."""
    with engine.begin() as connection:
        command.revision(_config(connection), message, autogenerate=True)


def differences(engine: Engine) -> list[object]:
    """What the tables of the code have that the database lacks, and the other way round; empty when they agree."""
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), all_metadata()))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("file_template", "%%(slug)s")
    config.attributes["connection"] = connection
    return config
