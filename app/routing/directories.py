"""The bank directory over time: import, difference, export, and opening the version in force at a moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, insert, or_, select, update
from sqlalchemy.orm import Session

from app.problems import Conflict, InvalidInput, NotAllowed, NotFound
from app.routing.areas import AREAS_BY_CODE, Area
from app.routing.directory import Branch, Directory, DirectoryContent, FormerName
from app.routing.importing import (
    NotADirectory,
    Parsed,
    Rename,
    RowFault,
    parse_directory,
    parse_renames,
    write_directory,
)
from app.routing.indexes import build_aside, index_path, is_built, open_index, open_or_build
from app.routing.models import DirectoryArea, DirectoryEntry, DirectoryRename, DirectoryVersion
from app.routing.problems import DirectoryMissing, DirectoryPreparing
from app.routing.sandbox import SANDBOX_KIND, SANDBOX_VERSION, generate_sandbox
from app.wiring import Services

OFFICIAL = "official"
MOST_LOST = 0.1  # share of branches that an import may lose before somebody must say that it is meant
_AHEAD = timedelta(days=2)  # what holds soon is built before it does
_SERVED: dict[Path, Directory] = {}  # by data folder: what was answered with last


@dataclass(frozen=True, slots=True)
class Difference:
    """Branches of two days: new ones, those that went, and (old, new) of those with another name."""

    added: tuple[Branch, ...]
    removed: tuple[Branch, ...]
    renamed: tuple[tuple[Branch, Branch], ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, and the lines that it left out (`faults`) or found odd (`notes`)."""

    version: str
    branches: int
    difference: Difference
    faults: tuple[RowFault, ...]
    notes: tuple[RowFault, ...]


def load_sandbox_directory(services: Services, session: Session) -> int:
    """Store the generated directory once. Returns how many branches were added, 0 when it is there already.

    Raises NotAllowed in production: made-up clearing codes must not meet real money.
    """
    if services.settings.production:
        raise NotAllowed("the sandbox directory is not for production; import the official one")
    if session.get(DirectoryVersion, SANDBOX_VERSION) is not None:
        return 0
    branches = list(generate_sandbox())
    today = services.clock().date()
    _store(services, session, SANDBOX_VERSION, SANDBOX_KIND, today, Difference(tuple(branches), (), ()), len(branches))
    open_directory(services, session, session.get_one(DirectoryVersion, SANDBOX_VERSION))
    return len(branches)


def import_directory(
    services: Services,
    session: Session,
    data: bytes,
    *,
    effective_on: date,
    areas: Sequence[Area] = (),
    accept_losses: bool = False,
    actor: str = "service",
) -> Imported:
    """Store a whole official table (CSV) as the version that holds from a day on.

    Raises InvalidInput for what is no directory or has no good line, Conflict where a version of that day or a later
    one is there, or where more than a tenth of the branches would go without `accept_losses`.
    """
    try:
        parsed = parse_directory(data, areas)
    except NotADirectory as exc:
        raise InvalidInput(str(exc)) from exc
    if not parsed.branches:
        raise InvalidInput(f"no line is a branch ({len(parsed.faults)} faults)")
    newest = session.scalar(_versions().where(DirectoryVersion.kind == OFFICIAL).limit(1))
    if newest is not None and newest.effective_on >= effective_on:
        raise Conflict(f"version {newest.version} holds from {newest.effective_on}; a new one must be later")
    before = snapshot(session, OFFICIAL, effective_on)
    difference = compare(before, parsed.branches)
    if before and len(difference.removed) > MOST_LOST * len(before) and not accept_losses:
        raise Conflict(f"{len(difference.removed)} of {len(before)} branches would go; accept losses if this is meant")
    version = f"{OFFICIAL}-{effective_on.isoformat()}"
    _store_areas(session, parsed)
    _store(services, session, version, OFFICIAL, effective_on, difference, len(parsed.branches), actor)
    return Imported(version, len(parsed.branches), difference, parsed.faults, parsed.notes)


def import_renames(
    services: Services, session: Session, data: bytes, *, kind: str = OFFICIAL, actor: str = "service"
) -> tuple[int, tuple[RowFault, ...]]:
    """Add former names from a list of renames to the version in force. Returns how many were new, and the lines
    whose branch the directory does not have.

    Raises InvalidInput, DirectoryMissing.
    """
    try:
        renames, faults = parse_renames(data)
    except NotADirectory as exc:
        raise InvalidInput(str(exc)) from exc
    now = services.clock()
    version = get_version(session, now.date(), kind)
    codes = _codes_of_names(snapshot(session, kind, now.date()), renames)
    stored = select(DirectoryRename.code, DirectoryRename.name).where(DirectoryRename.kind == kind)
    known = {(code, name) for code, name in session.execute(stored)}
    rows, unknown = [], list(faults)
    for number, rename in enumerate(renames):
        code = rename.code or codes.get(rename.new)
        if code is None:
            unknown.append(RowFault(number + 1, "name-not-in-directory", rename.new[:40]))
        elif (code, rename.old) not in known:
            known.add((code, rename.old))
            rows.append({"kind": kind, "code": code, "name": rename.old, "until": rename.on, "loaded_at": now})
    if rows:
        session.execute(insert(DirectoryRename), rows)
        version.digest = _digest(content_of(session, version, now))
        services.journal.append(
            session, "directory-renames-loaded", subject=version.version, actor=actor,
            body={"renames": len(rows), "digest": version.digest},
        )  # fmt: skip
    return len(rows), tuple(unknown)


def _codes_of_names(branches: Iterable[Branch], renames: Sequence[Rename]) -> dict[str, str]:
    """The code of each new name; a name that was changed again leads on to its newest."""
    codes: dict[str, str] = {}
    for branch in branches:
        codes.setdefault(branch.name, branch.code)
    for rename in reversed(renames):
        if rename.new not in codes and rename.code is None:
            continue
        codes.setdefault(rename.old, rename.code or codes[rename.new])
    return codes


def compare(before: Sequence[Branch], after: Sequence[Branch]) -> Difference:
    """What changes from one set of branches to another."""
    old, new = {b.code: b for b in before}, {b.code: b for b in after}
    return Difference(
        added=tuple(b for code, b in new.items() if code not in old),
        removed=tuple(b for code, b in old.items() if code not in new),
        renamed=tuple((old[code], b) for code, b in new.items() if code in old and old[code] != b),
    )


def difference(session: Session, kind: str, earlier: date, later: date) -> Difference:
    """What changed in the directories of a kind between two days."""
    return compare(snapshot(session, kind, earlier), snapshot(session, kind, later))


def export(session: Session, kind: str, on: date) -> Iterator[str]:
    """The branches of a day as CSV, as `import_directory` reads it. Raises DirectoryMissing."""
    version = get_version(session, on, kind)
    return write_directory(snapshot(session, version.kind, on), {area.code: area for area in _areas(session, kind)})


def snapshot(session: Session, kind: str, on: date) -> list[Branch]:
    """The branches of a kind on a day, by code."""
    entry = DirectoryEntry
    statement = select(entry.code, entry.name, entry.bank_id, entry.area_code).where(entry.kind == kind, _holds(on))
    return [Branch(*row) for row in session.execute(statement.order_by(entry.code))]


def get_version(session: Session, on: date, kind: str | None = None) -> DirectoryVersion:
    """The version in force on a day: the newest official one, otherwise the sandbox. Raises DirectoryMissing."""
    statement = _versions().where(DirectoryVersion.effective_on <= on)
    if kind is not None:
        statement = statement.where(DirectoryVersion.kind == kind)
    version: DirectoryVersion | None = session.scalar(statement.limit(1))
    if version is None:
        raise DirectoryMissing("no bank directory is loaded")
    return version


def current_directory(services: Services, session: Session) -> Directory:
    """The directory in force today; the one before while this machine still builds the newest. Raises
    DirectoryMissing, DirectoryPreparing.
    """
    version, folder = get_version(session, services.clock().date()), services.settings.var
    path = index_path(services, version.version, version.digest)
    if is_built(path):
        _SERVED[folder] = open_index(path, version.digest)
    else:
        build_aside(services, path, version.version, services.clock())
    if folder not in _SERVED:
        raise DirectoryPreparing(f"{version.version} is being prepared")
    return _SERVED[folder]


def prepare(services: Services) -> None:
    """Build and open what is in force, before the first request. Raises DirectoryMissing."""
    with services.reading() as session:
        version = get_version(session, services.clock().date())
        _SERVED[services.settings.var] = open_directory(services, session, version)


def prepare_aside(services: Services) -> int:
    """Have built what is in force now or soon and not there yet; the jobs process calls it. Returns how many."""
    today, ordered = services.clock().date(), 0
    with services.reading() as session:
        ahead = _versions().where(DirectoryVersion.effective_on.between(today + timedelta(days=1), today + _AHEAD))
        current = _versions().where(DirectoryVersion.effective_on <= today).limit(1)
        for version in [*session.scalars(current), *session.scalars(ahead)]:
            path = index_path(services, version.version, version.digest)
            if not is_built(path):
                build_aside(services, path, version.version, services.clock())
                ordered += 1
    return ordered


def open_directory(services: Services, session: Session, version: DirectoryVersion) -> Directory:
    """A version as it is now; builds its index where this machine has none yet (seconds)."""
    path = index_path(services, version.version, version.digest)
    return open_or_build(path, version.digest, lambda: content_of(session, version, services.clock()))


def directory_as_known(services: Services, session: Session, name: str, digest: str, at: datetime) -> Directory:
    """A version as it was known at a past moment. Raises NotFound where it cannot be had back unchanged."""
    version = session.get(DirectoryVersion, name)
    if version is None:
        raise NotFound(f"no directory {name}")
    content = content_of(session, version, at)
    if _digest(content) != digest:
        raise NotFound(f"directory {name} is not what it was")
    return open_or_build(index_path(services, name, digest), digest, lambda: content)


def _versions() -> Select[DirectoryVersion]:
    official_first = case((DirectoryVersion.kind == SANDBOX_KIND, 1), else_=0)
    return select(DirectoryVersion).order_by(
        official_first, DirectoryVersion.effective_on.desc(), DirectoryVersion.version.desc()
    )


def _holds(on: date) -> ColumnElement[bool]:
    until = DirectoryEntry.valid_until
    return and_(DirectoryEntry.valid_from <= on, or_(until.is_(None), until > on))


def _areas(session: Session, kind: str) -> list[Area]:
    rows = session.execute(
        select(DirectoryArea.code, DirectoryArea.name, DirectoryArea.province)
        .where(DirectoryArea.kind == kind)
        .order_by(DirectoryArea.code)
    )
    stored = {row.code: Area(row.code, row.name, row.province) for row in rows}
    return list((AREAS_BY_CODE | stored).values())


def content_of(session: Session, version: DirectoryVersion, known_at: datetime) -> DirectoryContent:
    """Everything that a version consists of, with the former names that were known at a moment."""
    kind, on = version.kind, version.effective_on
    branches = snapshot(session, kind, on)
    current = {branch.code: branch.name for branch in branches}
    entry = DirectoryEntry
    ended = select(entry.code, entry.name, entry.valid_until).where(entry.kind == kind, entry.valid_until <= on)
    told = select(DirectoryRename.code, DirectoryRename.name, DirectoryRename.until).where(
        DirectoryRename.kind == kind, DirectoryRename.loaded_at <= known_at
    )
    latest: dict[tuple[str, str], date] = {}
    for code, name, until in [*session.execute(ended), *session.execute(told)]:
        if current.get(code) not in (None, name):
            latest[code, name] = max(until, latest.get((code, name), until))
    former = [FormerName(code, name, until) for (code, name), until in sorted(latest.items())]
    return DirectoryContent(version.version, kind, branches, _areas(session, kind), former)


def _digest(content: DirectoryContent) -> str:
    digest = hashlib.sha256()
    for branch in content.branches:
        digest.update(f"{branch.code},{branch.name},{branch.bank_id}\n".encode())
    for former in content.former:
        digest.update(f"{former.code},{former.name},{former.until}\n".encode())
    return digest.hexdigest()


def _store_areas(session: Session, parsed: Parsed) -> None:
    for area in parsed.areas:
        session.merge(DirectoryArea(kind=OFFICIAL, code=area.code, name=area.name, province=area.province))


def _store(
    services: Services,
    session: Session,
    name: str,
    kind: str,
    on: date,
    changes: Difference,
    branches: int,
    actor: str = "service",
) -> None:
    gone = [branch.code for branch in changes.removed] + [old.code for old, _ in changes.renamed]
    if gone:
        ends = update(DirectoryEntry).where(
            DirectoryEntry.kind == kind, DirectoryEntry.code == bindparam("gone"), DirectoryEntry.valid_until.is_(None)
        )
        session.connection().execute(ends.values(valid_until=on), [{"gone": code} for code in gone])
    new = [*changes.added, *(branch for _, branch in changes.renamed)]
    if new:
        span = {"kind": kind, "valid_from": on}
        rows = [span | {"code": b.code, "name": b.name, "bank_id": b.bank_id, "area_code": b.area_code} for b in new]
        session.execute(insert(DirectoryEntry), rows)
    now = services.clock()
    version = DirectoryVersion(
        version=name, kind=kind, effective_on=on, branches=branches, loaded_at=now, digest="",
    )  # fmt: skip
    version.digest = _digest(content_of(session, version, now))
    session.add(version)
    session.flush()
    services.journal.append(
        session, "directory-loaded", subject=name, actor=actor,
        body={"kind": kind, "branches": branches, "digest": version.digest},
    )  # fmt: skip
