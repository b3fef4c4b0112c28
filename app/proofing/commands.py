"""Commands of operators: `flask registry …` fills the register of enterprises."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup

from app.problems import InvalidInput
from app.proofing import registers
from app.wiring import current_services

registry = AppGroup("registry", help="The register of enterprises and their legal representatives.")
GROUPS = (registry,)


@registry.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_file(file: Path) -> None:
    """Enter every line of a CSV file (UTF-8; uscc,name,legal_representative,identity_number), or none of them."""
    services = current_services()
    try:
        with services.transaction() as session:
            number = registers.import_register(
                services, session, file.read_text(encoding="utf-8"), actor="system:command-line"
            )
    except InvalidInput as refusal:
        for fault in refusal.faults:
            click.echo(f"line {fault.pointer.removeprefix('/')}: {fault.reason}", err=True)
        raise click.ClickException(str(refusal)) from refusal
    click.echo(f"{number} enterprises entered")
