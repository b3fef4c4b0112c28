"""Commands of operators for channels, risk lists and callbacks: `flask payments …`."""

from __future__ import annotations

import signal
import threading
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext

from app.payments import callbacks, outbox, risk_lists
from app.payments.clearing import simulator_folder
from app.payments.jobs import fetch_channel_files, serve_outbox
from app.payments.simulator.door import STATE_FILE, SimulatorServer, open_key
from app.payments.simulator.moods import MOODS
from app.payments.simulator.store import Store
from app.payments.simulator.system import Simulator
from app.wiring import current_services
from pki.keys import check_public_key

OPERATOR = "operator:command"


@click.command("outbox")
@with_appcontext
def serve() -> None:
    """Send to the clearing, hear from it, and deliver callbacks, until stopped. Several may run."""
    serve_outbox(current_services(), _until_signal())


@click.command("clearing-simulator")
@click.option("--port", type=click.IntRange(1, 65535), help="default: that of YUNLIAN_CLEARING_URL, or 8070")
@click.option("--mood", type=click.Choice(sorted(MOODS)), default="normal", show_default=True)
@click.option("--seed", default="", help="the same seed decides the same fates")
@with_appcontext
def simulate(port: int | None, mood: str, seed: str) -> None:
    """Stand in for the clearing systems, until stopped. State and key are kept in the service's folder."""
    services = current_services()
    url = urlsplit(services.settings.clearing_url or "http://localhost:8070")
    folder = simulator_folder(services)
    key = open_key(folder)
    store = Store(folder / STATE_FILE)
    simulator = Simulator(store, MOODS[mood], services.clock, seed, services.settings.ibps_limit_minor)
    held = services.hierarchy.gateway_sign
    bank_key = check_public_key(held.certificate.public_key())
    address = (url.hostname or "localhost", port or url.port or 8070)
    server = SimulatorServer(address, simulator, MOODS[mood], key, {held.x5t_s256: bank_key}.get, services.clock, seed)
    click.echo(f"clearing simulator at {server.url}, mood {mood}")
    stopped = _until_signal()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stopped.wait()
    server.shutdown()
    simulator.close()


@click.command("fetch-files")
@with_appcontext
def fetch_files() -> None:
    """Fetch the channels' end-of-day files that are not here yet; the outbox does the same every ten minutes."""
    click.echo(f"{fetch_channel_files(current_services())} files")


@click.command("open-letters")
@with_appcontext
def open_letters() -> None:
    """What is still to be sent, and the dead letters."""
    with current_services().reading() as session:
        for (kind, state), number in sorted(outbox.count_open(session).items()):
            click.echo(f"{kind:10} {state:10} {number}")
        for item in outbox.list_dead(session):
            click.echo(f"dead {item.id} {item.kind} of {item.subject}: {item.last_error}")


@click.command("replay-letter")
@click.argument("item_id")
@with_appcontext
def replay_letter(item_id: str) -> None:
    """Let a dead letter live again; a dispatch that may have arrived is asked for."""
    services = current_services()
    with services.transaction() as session:
        outbox.replay(services, session, item_id, OPERATOR)


@click.command("risk-list")
@click.argument("act", type=click.Choice(["show", "block", "watch", "unblock", "unwatch"]))
@click.argument("entry", required=False)
@click.option("--reason", default="")
@with_appcontext
def risk_list(act: str, entry: str | None, reason: str) -> None:
    """Show the lists, or put an account number or a name on one or off it."""
    services = current_services()
    if act == "show" or entry is None:
        with services.reading() as session:
            for listing in risk_lists.list_all(session):
                click.echo(f"{listing.kind:6} {listing.entry}  {listing.reason}")
        return
    with services.transaction() as session:
        if act.startswith("un"):
            risk_lists.remove(services, session, act.removeprefix("un"), entry, OPERATOR)
        else:
            risk_lists.add(services, session, act, entry, reason, OPERATOR)


@click.command("callback-address")
@click.argument("application_id")
@click.argument("url", required=False)
@with_appcontext
def callback_address(application_id: str, url: str | None) -> None:
    """Where an application hears of its payments; without URL: nowhere."""
    services = current_services()
    with services.transaction() as session:
        callbacks.set_address(services, session, application_id, url, OPERATOR)


COMMANDS = (serve, simulate, fetch_files, open_letters, replay_letter, risk_list, callback_address)


def _until_signal() -> threading.Event:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped
