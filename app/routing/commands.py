"""Commands of operators: `flask routing …`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path

import click
from flask.cli import AppGroup

from app.routing import card, directories, service, trained, training
from app.routing.directories import OFFICIAL, Difference
from app.routing.importing import NotADirectory, RowFault, parse_areas
from app.routing.messages import resolution_body
from app.routing.resolution import RoutingQuery
from app.routing.sandbox import SANDBOX_KIND
from app.wiring import current_services

routing = AppGroup("routing", help="The bank directory and what it makes of people's words.")
GROUPS = (routing,)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MOST_SHOWN = 20


def _day(text: str | None) -> date:
    if text is None:
        return current_services().clock().date()
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise click.BadParameter("a day is written 2026-11-22") from exc


@routing.command("import")
@click.argument("file", type=_FILE)
@click.option("--on", help="The first day on which it holds; today unless said otherwise.")
@click.option("--areas", type=_FILE, help="A table of area codes (area_code, city, province).")
@click.option("--accept-losses", is_flag=True, help="More than a tenth of the branches may go.")
def import_file(file: Path, on: str | None, areas: Path | None, accept_losses: bool) -> None:
    """Store FILE, the official table as CSV, as a new version."""
    services = current_services()
    try:
        known = parse_areas(areas.read_bytes()) if areas else ()
    except NotADirectory as exc:
        raise click.BadParameter(str(exc), param_hint="--areas") from exc
    with services.transaction() as session:
        done = directories.import_directory(
            services, session, file.read_bytes(), effective_on=_day(on), areas=known, accept_losses=accept_losses
        )
    with services.reading() as session:
        directories.open_directory(services, session, directories.get_version(session, _day(on), OFFICIAL))
    click.echo(f"{done.version}: {done.branches} branches, {_summary(done.difference)}")
    _show("left out", done.faults)
    _show("noted", done.notes)


@routing.command("import-renames")
@click.argument("file", type=_FILE)
def import_renames(file: Path) -> None:
    """Add former names from FILE (date, old_name, new_name and perhaps code) to the version in force."""
    services = current_services()
    with services.transaction() as session:
        added, unknown = directories.import_renames(services, session, file.read_bytes())
    directories.prepare(services)
    click.echo(f"{added} former names added")
    _show("left out", unknown)


@routing.command("diff")
@click.argument("earlier")
@click.argument("later", required=False)
def diff(earlier: str, later: str | None) -> None:
    """Print what changed in the official directory between two days, as CSV."""
    with current_services().reading() as session:
        found = directories.difference(session, OFFICIAL, _day(earlier), _day(later))
    click.echo("change,code,name,former_name")
    for branch in found.added:
        click.echo(f"added,{branch.code},{branch.name},")
    for branch in found.removed:
        click.echo(f"removed,{branch.code},{branch.name},")
    for old, new in found.renamed:
        click.echo(f"renamed,{new.code},{new.name},{old.name}")


@routing.command("export")
@click.option("--on", help="The day; today unless said otherwise.")
@click.option("--kind", default=OFFICIAL, type=click.Choice([OFFICIAL, SANDBOX_KIND]))
def export(on: str | None, kind: str) -> None:
    """Print the directory of a day as CSV that `import` reads."""
    with current_services().reading() as session:
        for lines in directories.export(session, kind, _day(on)):
            click.echo(lines, nl=False)


@routing.command("resolve")
@click.argument("text", nargs=-1, required=True)
@click.option("--clearing-code", help="12 digits; overrides the text.")
@click.option("--city", help="Where the payee is, used when the text names no city.")
@click.option("--account", help="The payee's account number: a second vote for the bank.")
@click.option("--payee", help="The payee's name, which may have its city.")
@click.option("--amount", type=int, help="Fen; sets how sure one must be.")
@click.option("--on", help="As of this day.")
def resolve(
    text: tuple[str, ...],
    clearing_code: str | None,
    city: str | None,
    account: str | None,
    payee: str | None,
    amount: int | None,
    on: str | None,
) -> None:
    """Print the bank, branch, decision and reasons for TEXT as JSON."""
    services = current_services()
    query = RoutingQuery(" ".join(text), clearing_code, city, account, payee, amount)
    with services.reading() as session:
        if on is None:
            resolution = service.resolve(services, session, query)
        else:
            resolution = service.resolve_on(services, session, query, _day(on))
    click.echo(json.dumps(resolution_body(resolution), ensure_ascii=False, indent=2))


@routing.command("replay")
@click.argument("decision_id")
def replay(decision_id: str) -> None:
    """Decide again what was decided then; the exit status is 1 where the answer differs."""
    services = current_services()
    with services.reading() as session:
        replayed = service.replay(services, session, decision_id)
    click.echo(json.dumps({"same": replayed.is_same, "answer": replayed.again}, ensure_ascii=False, indent=2))
    raise SystemExit(not replayed.is_same)


@routing.command("train")
@click.option("--queries", default=160_000, show_default=True, help="How many the noise model makes.")
@click.option("--seed", default=1, show_default=True)
@click.option("--version", help="Its name; from the day unless said otherwise.")
@click.option("--card", "path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the model card.")
def train(queries: int, seed: int, version: str | None, path: Path | None) -> None:
    """Train a model with the directory in force and keep it; `use-model` puts it in force."""
    services = current_services()
    name = version or f"own-{datetime.strftime(services.clock(), '%Y%m%d-%H%M')}"
    with services.reading() as session:
        directory = directories.current_directory(services, session)
    artefact = training.train(directory, name, queries=queries, seed=seed, say=click.echo)
    with services.transaction() as session:
        trained.store_model(services, session, artefact)
    text = card.write_card(artefact)
    if path is None:
        click.echo(text)
    else:
        path.write_text(text, encoding="utf-8")
    click.echo(f"{name} stored; flask routing use-model {name} puts it in force")


@routing.command("use-model")
@click.argument("version")
def use_model(version: str) -> None:
    """Use a stored model from now on."""
    services = current_services()
    with services.transaction() as session:
        trained.put_in_force(services, session, version)
    click.echo(f"{version} is in force")


@routing.command("load-sandbox")
def load_sandbox() -> None:
    """Store the directory that the service makes up; refused in production."""
    services = current_services()
    with services.transaction() as session:
        added = directories.load_sandbox_directory(services, session)
    click.echo(f"{added} branches added")


def _summary(difference: Difference) -> str:
    counts = (len(difference.added), len(difference.removed), len(difference.renamed))
    return "{} new, {} gone, {} renamed".format(*counts)


def _show(title: str, faults: tuple[RowFault, ...]) -> None:
    if faults:
        click.echo(f"{title}: {len(faults)}", err=True)
    for fault in faults[:_MOST_SHOWN]:
        click.echo("  line {line}: {reason} {value}".format(**asdict(fault)), err=True)
