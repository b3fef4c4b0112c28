"""Models over time: the one that is shipped until one of the installation's own is put in force."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.problems import Conflict, InvalidInput, NotFound
from app.routing.artefact import InvalidArtefact, is_whole, unpack, write_file
from app.routing.matching import FEATURES
from app.routing.model import VERSION, Model, load_model
from app.routing.models import RoutingModel
from app.wiring import Services


def current_model(services: Services, session: Session) -> Model:
    """The newest model in force, or the shipped one."""
    statement = (
        select(RoutingModel.version)
        .where(RoutingModel.in_force_at <= services.clock())
        .order_by(RoutingModel.in_force_at.desc())
        .limit(1)
    )
    version = session.scalar(statement)
    return load_model() if version is None else get_model(services, session, version)


def get_model(services: Services, session: Session, version: str) -> Model:
    """A model by its version, in force or not. Raises NotFound."""
    shipped = load_model()
    if version == shipped.version:
        return shipped
    path = services.settings.var / "routing" / f"{version}.model"
    if not path.exists():
        row = session.get(RoutingModel, version)
        if row is None:
            raise NotFound(f"no model {version}")
        write_file(path, row.artefact)
    return load_model(path)


def store_model(services: Services, session: Session, artefact: bytes) -> str:
    """Keep a trained model; it is used once it is put in force. Returns its version.

    Raises InvalidInput for what is no model of this program, Conflict for a version that is there.
    """
    try:
        meta = unpack(artefact).meta
        good = is_whole(artefact) and VERSION.match(meta["version"]) and meta["features"] == list(FEATURES)
    except (InvalidArtefact, KeyError) as exc:
        raise InvalidInput("not a model") from exc
    if not good:
        raise InvalidInput("a model of other features, or not whole")
    version = str(meta["version"])
    if version == load_model().version or session.get(RoutingModel, version) is not None:
        raise Conflict(f"there is a model {version}")
    session.add(RoutingModel(version=version, artefact=artefact, trained_at=services.clock(), in_force_at=None))
    services.journal.append(
        session, "routing-model-stored", subject=version, actor="service", body={"sha256": unpack(artefact).sha256}
    )
    return version


def put_in_force(services: Services, session: Session, version: str, actor: str = "service") -> None:
    """Use a stored model from now on. Raises NotFound."""
    row = session.get(RoutingModel, version)
    if row is None:
        raise NotFound(f"no model {version}")
    row.in_force_at = services.clock()
    services.journal.append(session, "routing-model-in-force", subject=version, actor=actor, body={})
