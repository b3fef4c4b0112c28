"""Yunlian: identity, e-contracts and dual certificates beside a bank's open-banking APIs."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

from app import cli, logs, problems, security
from app.settings import Door, Settings
from app.wiring import EXTENSION, Services, announce_ports, build_services

# Which feature answers at which door; the order is that of the pages.
_BLUEPRINTS: dict[Door, tuple[str, ...]] = {
    Door.PEOPLE: (
        "app.identity.routes",
        "app.portal.routes",
        "app.proofing.routes",
        "app.signing.routes",
        "app.compliance.routes",
        "app.compliance.public",
        "app.operations.routes",
        "app.oauth.pages",
    ),
    Door.PLATFORMS: (
        "app.gateway.routes",
        "app.gateway.icbc.routes",
        "app.certificates.est",
        "app.oauth.routes",
        "app.oauth.onboarding_routes",
        "app.payments.routes",
        "app.payments.receipt_routes",
        "app.routing.routes",
        "app.compliance.api",
    ),
    Door.PKI: ("app.certificates.routes",),
    Door.WORKSHOP: ("app.workshop_door",),
}


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """The application for the doors named in the settings. Wiring only."""
    services = services or build_services(settings or Settings.from_env())
    settings = services.settings
    app = Flask(__name__)
    app.extensions[EXTENSION] = services
    logs.configure(settings.log_level)
    if Door.PLATFORMS in settings.doors:
        import_module("app.payments.front").install(app)
    security.install(app, settings)
    problems.install(app)
    cli.install(app)
    announce_ports(services)
    app.register_blueprint(import_module("app.operations.health").blueprint)
    for door in Door:
        if door in settings.doors:
            for module in _BLUEPRINTS[door]:
                blueprint = import_module(module).blueprint
                app.register_blueprint(blueprint)
                if door is not Door.PEOPLE:
                    security.csrf.exempt(blueprint)
    return app
