"""Composition root: Settings -> Services. The only place where ports meet their implementations."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.certificates.epoch import RevocationEpoch
from app.certificates.hierarchy import Hierarchy
from app.certificates.keys import open_keystore
from app.certificates.signer_issuer import describe_signer_issuer
from app.db import READ_ONLY, make_engine
from app.group_commit import Commits
from app.identity.person_keys import PersonKeyStore
from app.identity.persons import EmbeddedPortraitSource
from app.journal import Journal
from app.payments.core_banking import CoreFactory, EmbeddedCore
from app.payments.fees import FeesInForce, no_fees
from app.proofing.registers import DatabaseRegistry, HttpRegistry
from app.settings import Settings
from app.signing.documents import DocumentStore, SealedDocumentStore
from app.workshop import LocalWorkshop, SocketWorkshop, Workshop
from kyc.ports import PortraitSource
from pki.ports import Clock, KeyStore

EXTENSION = "yunlian"
_connected: ContextVar[bool] = ContextVar("yunlian_connected", default=False)  # in this thread or greenlet
log = logging.getLogger(__name__)


def system_clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """Everything that use cases need. Made once per process; nothing in it is made per request."""

    settings: Settings
    clock: Clock
    engine: Engine
    keystore: KeyStore
    workshop: Workshop
    documents: DocumentStore
    epoch: RevocationEpoch = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epoch", RevocationEpoch(self))

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """The certificate authority; loaded at first use, so that `flask init` can run before it exists."""
        return Hierarchy.load(self)

    @cached_property
    def journal(self) -> Journal:
        """The tamper-evident journal of every state change."""
        return Journal(self)

    @cached_property
    def commits(self) -> Commits:
        """What needs a transaction of its own and can share its commit with others."""
        return Commits(self)

    @cached_property
    def portraits(self) -> PortraitSource:
        """What the bank holds of its customers' representatives."""
        return EmbeddedPortraitSource(self)

    @cached_property
    def registry(self) -> DatabaseRegistry | HttpRegistry:
        """Who knows which enterprise and which legal representative belong together."""
        if self.settings.registry_url:
            return HttpRegistry(self.settings.registry_url, self.settings.registry_token or "")
        return DatabaseRegistry(self)

    @cached_property
    def core_banking(self) -> CoreFactory:
        """The bank's core system: balances, holds, bookings, names of account holders."""
        return EmbeddedCore

    @cached_property
    def fees(self) -> FeesInForce:
        """What payments cost."""
        return no_fees

    @cached_property
    def person_keys(self) -> PersonKeyStore:
        """The data keys that biometric and personal data is sealed under."""
        settings = self.settings
        return PersonKeyStore(settings.person_keys_url or f"sqlite:///{settings.var}/person-keys.db", settings.data_key)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One write transaction: committed at the end, rolled back on any exception."""
        with self._connecting() as engine, Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One read-only transaction, which on SQLite does not queue behind writers."""
        with self._connecting() as engine, Session(engine, expire_on_commit=False) as session:
            session.connection(execution_options={READ_ONLY: True})
            yield session

    @contextmanager
    def _connecting(self) -> Iterator[Engine]:
        """Where a connection comes from: the pool, or past it for whoever holds one of the pool already.

        A transaction that looks up what is cached (the epoch, a certificate) needs a second connection; if all took it
        from the pool while holding one, they would wait for each other until none is left.
        """
        token = _connected.set(True) if not _connected.get() else None
        try:
            yield self.engine if token is not None else self._unpooled
        finally:
            if token is not None:
                _connected.reset(token)

    @cached_property
    def _unpooled(self) -> Engine:
        return make_engine(self.settings.database_url, pooled=False)


def build_services(settings: Settings, clock: Clock = system_clock) -> Services:
    """Wire the real implementations. Opens no connection to the database yet."""
    workshop: Workshop = LocalWorkshop()
    if settings.workshop_socket is not None:
        workshop = SocketWorkshop(settings.workshop_socket, settings.secret_key)
    return Services(
        settings=settings,
        clock=clock,
        engine=make_engine(settings.database_url),
        keystore=open_keystore(settings),
        workshop=workshop,
        documents=SealedDocumentStore(settings.var / "documents", settings.data_key),
    )


def announce_ports(services: Services) -> None:
    """Say at start-up what stands behind the ports that a licensed third party takes in production."""
    level = logging.WARNING if services.settings.production else logging.INFO
    log.log(level, describe_signer_issuer(services))
    log.log(level, f"enterprises and their representatives are looked up in {services.registry.description}")
    log.log(level, "time stamps, portraits, core banking and clearing are the embedded ones")


def current_services() -> Services:
    """The services of the running Flask application."""
    services: Services = current_app.extensions[EXTENSION]
    return services
