"""A payment from authorization to settlement, by the independent client; and each of its refusals, for its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import func, select

from app import create_app
from app.certificates import epoch
from app.certificates import service as certificates
from app.gateway.answers import BANK_LABEL
from app.identity.models import Role, TenantKind
from app.oauth import service as oauth
from app.oauth.models import Authorization
from app.payments.jobs import dispatch_outbox
from app.payments.ledger import inspect_ledger
from app.payments.models import PaymentInstruction
from app.payments.service import open_account
from app.routing.service import load_sandbox_directory
from app.wiring import Services, build_services
from tests.app.gateway.parties import REDIRECT_URI, ApplicationParty, EnterpriseParty, make_enterprise, make_platform
from tests.app.identity.people import People
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, payment
from tests.conftest import FakeClock

from yunlian import AnswerNotTrusted, Enterprise, Platform, Refused  # isort: skip - the parties put it on the path

PATH = "/api/v1/payments"
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@dataclass
class World:
    """A platform, an enterprise with money, and the enterprise's people."""

    app: Flask
    services: Services
    people: People
    platform: ApplicationParty
    enterprise: EnterpriseParty

    def authorize(self) -> str:
        """PAR, the consent of the enterprise's representative on the people's door, the code for a token."""
        client = self.platform.client(self.app)
        details = {
            "uscc": self.enterprise.tenant.uscc,
            "product": "payments",
            "limits": {"single_minor": 1_000_000, "daily_minor": 9_000_000},
        }
        request = client.push_authorization(details, REDIRECT_URI)
        page = request.url.removeprefix(self.services.settings.people_url)
        named = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
        representative = self.people.log_in("representative")
        assert self.platform.application.name in representative.get(page).text
        answer = representative.post("/oauth/authorize", page=page, decision="approve", **named)
        assert answer.status_code in {302, 303}
        return str(client.exchange(request, answer.headers["Location"]).access_token)

    def pay(self, token: str, *, app: Flask | None = None, **changes: Any) -> Any:
        """One payment at this worker, or at another; gives the verified answer with its sealed part opened."""
        client = self.platform.client(app or self.app)
        return client.call(PATH, payment(**changes), token=token, enterprise=self.enterprise.client())

    def count_payments(self) -> int:
        with self.services.reading() as session:
            return session.scalar(select(func.count()).select_from(PaymentInstruction)) or 0


@pytest.fixture
def world(app: Flask, services: Services) -> World:
    people = People(app, services)
    tenant = people.add_tenant(TenantKind.ENTERPRISE, 1)
    people.add_account("representative", Role.ENTERPRISE_USER, tenant)
    with services.transaction() as session:
        open_account(services, session, tenant_id=tenant.id, number=PAYER, name=tenant.name, balance_minor=OPENING)
        load_sandbox_directory(services, session)
    return World(app, services, people, make_platform(services, 11), make_enterprise(services, 0, tenant_id=tenant.id))


@pytest.fixture
def other_worker(services: Services) -> Iterator[Flask]:
    """Another process of the platforms' door: the same database, caches and epoch of its own."""
    worker = build_services(services.settings, services.clock)
    yield create_app(services=worker)
    worker.engine.dispose()


def reason(attempt: Callable[[], object]) -> str:
    """The code of the refusal that must come, signed by the bank."""
    with pytest.raises(Refused) as raised:
        attempt()
    return str(raised.value.code)


# --- the whole way --------------------------------------------------------------------------------------------------


def test_an_authorized_payment_is_routed_booked_answered_and_settled(
    world: World, services: Services, clock: FakeClock
) -> None:
    token = world.authorize()
    platform, enterprise = world.platform.client(world.app), world.enterprise.client()
    routing = platform.token("routing").access_token
    found = platform.call("/api/v1/routing/resolve", {"text": CCB_HANGZHOU}, token=routing)
    payee = {"account": "6217001234567890", "clearing_code": found.body["branch"]["clearing_code"]}

    made = world.pay(token, payee=payee)
    assert made.body["state"] != "settled"  # another bank's account: the clearing has the word
    assert made.sealed["available_balance_minor"] < OPENING
    assert PAYER not in str(made.body)
    again = world.pay(token, payee=payee)
    assert again.body["bank_reference"] == made.body["bank_reference"]

    for _ in range(5):
        clock.advance(timedelta(seconds=30))
        dispatch_outbox(services)
    asked = platform.call(
        f"{PATH}/status", {"bank_reference": made.body["bank_reference"]}, token=token, enterprise=enterprise
    )
    assert asked.body["state"] == "settled"
    with services.reading() as session:
        assert inspect_ledger(session).is_sound
        stored = session.scalars(select(PaymentInstruction)).one()
        kinds = {entry.kind for entry in services.journal.entries(session, limit=200)}
    assert stored.amount_minor == payment()["amount_minor"]
    assert {"authorization-granted", "certificate-issued"} <= kinds


# --- what does not prove itself -------------------------------------------------------------------------------------


@on_sqlite
def test_each_flaw_is_refused_for_its_own_reason_and_pays_nothing(world: World, services: Services) -> None:
    token = world.authorize()
    platform, enterprise = world.platform.client(world.app), world.enterprise.client()

    def call(client: Platform, signer: Enterprise, **changes: Any) -> object:
        return client.call(PATH, payment(**changes), token=token, enterprise=signer)

    request, body = platform.prepare(PATH, payment(), token=token, enterprise=enterprise)
    assert body is not None
    for place in (0, len(body) // 3, len(body) // 2, len(body) - 1):
        flipped = bytearray(body)
        flipped[place] ^= 1
        assert reason(lambda flipped=flipped: platform.send(request, bytes(flipped), enterprise)) in {
            "invalid-signature",
            "invalid-content",
        }
    forger = world.platform.client(world.app)
    forger._key = ec.generate_private_key(ec.SECP256R1())
    assert reason(lambda: call(forger, enterprise)) == "invalid-signature"
    wrong_product_key = Enterprise(ec.generate_private_key(ec.SECP256R1()), world.enterprise.sign_certificate)
    assert reason(lambda: call(platform, wrong_product_key)) == "invalid-content"
    encryption_key = Enterprise(world.enterprise.encrypt_key, world.enterprise.encrypt_certificate)
    assert reason(lambda: call(platform, encryption_key)) == "invalid-content"
    other_enterprise = make_enterprise(services, 12).client()
    assert reason(lambda: call(platform, other_enterprise)) == "invalid-content"
    thief = make_platform(services, 13).client(world.app)
    assert reason(lambda: call(thief, enterprise)) == "invalid-token"
    assert reason(lambda: platform.call(PATH, payment(), token=token + "A", enterprise=enterprise)) == "invalid-token"
    routing = platform.token("routing").access_token
    assert reason(lambda: platform.call(PATH, payment(), token=routing, enterprise=enterprise)) == "not-authorized"
    assert reason(lambda: platform.call(PATH, payment(), token=token)) == "invalid-request"
    assert world.count_payments() == 0
    platform.send(request, body, enterprise)  # what was refused for its flaws has spent nothing of the good one
    assert world.count_payments() == 1


@on_sqlite
def test_the_same_bytes_again_are_a_replay_and_another_document_a_conflict(world: World) -> None:
    token = world.authorize()
    platform, enterprise = world.platform.client(world.app), world.enterprise.client()
    request, body = platform.prepare(PATH, payment(), token=token, enterprise=enterprise)
    platform.send(request, body, enterprise)
    assert reason(lambda: platform.send(request, body, enterprise)) == "replayed"
    assert reason(lambda: world.pay(token, amount_minor=1)) == "conflict"
    assert reason(lambda: world.pay(token, instruction_id="P-2", amount_minor=1_000_001)) == "limit-exceeded"
    assert world.count_payments() == 1


@on_sqlite
@pytest.mark.parametrize("part", ["status", "body", "digest", "signature"])
def test_the_client_trusts_no_answer_that_was_touched(world: World, part: str) -> None:
    token = world.authorize()
    inner = httpx.WSGITransport(app=world.app)

    class Interceptor(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = inner.handle_request(request)
            if request.url.path != PATH:
                return answer
            status, content, headers = answer.status_code, answer.read(), dict(answer.headers)
            if part == "status":
                status = 201
            elif part == "body":
                content = content.replace(b"settled", b"refused") + b" "
            elif part == "digest":
                headers["content-digest"] = headers["content-digest"].replace(":", ":A", 1)
            else:
                headers["signature"] = headers["signature"].replace(f"{BANK_LABEL}=:", f"{BANK_LABEL}=:AA")
            return httpx.Response(status, headers=headers, content=content)

    party = world.platform
    settings = world.services.settings
    platform = Platform(
        settings.issuer_url,
        party.application.client_id,
        party.key,
        party.certificate,
        transport=Interceptor(),
        clock=world.services.clock,
    )
    with pytest.raises(AnswerNotTrusted):
        platform.call(PATH, payment(), token=token, enterprise=world.enterprise.client())


# --- what no longer stands ------------------------------------------------------------------------------------------


@on_sqlite
@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ("authorization", "not-authorized"),
        ("api certificate", "certificate-revoked"),
        ("product certificate", "certificate-revoked"),
        ("product certificate held", "certificate-revoked"),
    ],
)
def test_what_was_ended_closes_the_gate_at_every_worker_within_one_epoch(
    world: World,
    services: Services,
    other_worker: Flask,
    monkeypatch: pytest.MonkeyPatch,
    ended: str,
    expected: str,
) -> None:
    token = world.authorize()
    world.pay(token)
    world.pay(token, app=other_worker, instruction_id="P-2")  # both workers have their verdicts in their caches
    with services.transaction() as session:
        if ended == "authorization":
            authorization = session.scalars(select(Authorization)).one()
            oauth.revoke_authorization(services, session, authorization.id, actor="test")
        elif ended == "api certificate":
            certificates.revoke(services, session, world.platform.x5t_s256, "key_compromise", "test")
        else:
            name = certificates.list_certificates(session, profile="product-sign")[0].x5t_s256
            if ended.endswith("held"):
                certificates.hold(services, session, name, "lost", "test")
            else:
                certificates.revoke(services, session, name, "cessation_of_operation", "test")
    assert reason(lambda: world.pay(token, instruction_id="P-3")) == expected
    monkeypatch.setattr(epoch, "MAX_AGE", -1.0)  # the other worker's half second is over
    assert reason(lambda: world.pay(token, app=other_worker, instruction_id="P-3")) == expected
    assert world.count_payments() == 2
