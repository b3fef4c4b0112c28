"""Use cases of routing: load a directory, resolve a query with the one in force."""

from __future__ import annotations

from sqlalchemy import case, insert, select
from sqlalchemy.orm import Session

from app.problems import NotAllowed
from app.routing.clearing_code import parse_clearing_code
from app.routing.directory import Branch, Directory
from app.routing.models import DirectoryBranch, DirectoryVersion
from app.routing.problems import DirectoryMissing
from app.routing.recognition import Resolution, RoutingQuery, recognise
from app.routing.sandbox import SANDBOX_KIND, SANDBOX_VERSION, generate_sandbox
from app.wiring import Services

# Directories in memory by version. A version never changes once stored, so nothing here goes stale.
_LOADED: dict[str, Directory] = {}


def load_sandbox_directory(services: Services, session: Session) -> int:
    """Store the generated directory once. Returns how many branches were added, 0 when it is there already.

    Raises NotAllowed in production: made-up clearing codes must not meet real money.
    """
    if services.settings.production:
        raise NotAllowed("the sandbox directory is not for production; import the official one")
    if session.get(DirectoryVersion, SANDBOX_VERSION) is not None:
        return 0
    branches = list(generate_sandbox())
    return _store_version(services, session, SANDBOX_VERSION, SANDBOX_KIND, branches)


def resolve(services: Services, session: Session, query: RoutingQuery) -> Resolution:
    """Recognise with the directory in force today.

    Raises DirectoryMissing; odd input is answered, never raised.
    """
    return recognise(query, current_directory(services, session))


def current_directory(services: Services, session: Session) -> Directory:
    """The directory in force: the newest official version, otherwise the sandbox. Raises DirectoryMissing."""
    official_first = case((DirectoryVersion.kind == SANDBOX_KIND, 1), else_=0)
    statement = (
        select(DirectoryVersion.version, DirectoryVersion.kind)
        .where(DirectoryVersion.effective_on <= services.clock().date())
        .order_by(official_first, DirectoryVersion.effective_on.desc(), DirectoryVersion.version.desc())
        .limit(1)
    )
    row = session.execute(statement).first()
    if row is None:
        raise DirectoryMissing("no bank directory is loaded")
    if row.version not in _LOADED:
        _LOADED[row.version] = _read_version(session, row.version, row.kind)
    return _LOADED[row.version]


def _read_version(session: Session, version: str, kind: str) -> Directory:
    statement = select(
        DirectoryBranch.code, DirectoryBranch.name, DirectoryBranch.bank_id, DirectoryBranch.area_code
    ).where(DirectoryBranch.version == version)
    return Directory(version, kind, (Branch(*row) for row in session.execute(statement)))


def _store_version(services: Services, session: Session, version: str, kind: str, branches: list[Branch]) -> int:
    now = services.clock()
    for branch in branches:
        parse_clearing_code(branch.code)
    session.add(
        DirectoryVersion(version=version, kind=kind, effective_on=now.date(), branches=len(branches), loaded_at=now)
    )
    session.flush()
    session.execute(
        insert(DirectoryBranch),
        [
            {
                "version": version,
                "code": b.code,
                "name": b.name,
                "bank_id": b.bank_id,
                "area_code": b.area_code,
            }
            for b in branches
        ],
    )
    services.journal.append(
        session,
        "directory-loaded",
        subject=version,
        actor="service",
        body={"kind": kind, "branches": len(branches)},
    )
    return len(branches)
