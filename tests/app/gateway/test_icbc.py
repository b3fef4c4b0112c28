"""The ICBC dialect, spoken by an independent client: the same services, the same once, and each refusal by its code."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.certificates import service as certificates
from app.gateway.icbc import keys
from app.gateway.icbc.routes import find_service
from app.journal import JournalEntry
from app.oauth import service as oauth
from app.payments.models import PaymentInstruction
from app.payments.service import open_account
from app.routing.service import load_sandbox_directory
from app.wiring import Services
from pki.keys import KeyType, generate
from tests.app.gateway.icbc_client import IcbcClient, aes, encode
from tests.app.gateway.parties import ApplicationParty, Parties, make_platform
from tests.app.payments.world import CCB_HANGZHOU, OPENING, PAYER, payment

FORM = "application/x-www-form-urlencoded; charset=UTF-8"
PAY, STATUS, RESOLVE = "/api/payments/V1", "/api/payments/status/V1", "/api/routing/resolve/V1"


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    key = generate(KeyType.RSA_2048)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


@dataclass
class World:
    """A platform whose API key is RSA, an enterprise with money, and how they call."""

    app: Flask
    services: Services
    parties: Parties
    party: ApplicationParty
    token: str

    def client(self, **changes: Any) -> IcbcClient:
        bank = keys.public_key_text(self.services)
        return IcbcClient(self.party.application.client_id, _rsa_key(), bank, **changes)

    def by_enterprise(self) -> IcbcClient:
        """The same application where the product certificate signs (CA)."""
        enterprise = self.parties.enterprise
        assert isinstance(enterprise.sign_key, ec.EllipticCurvePrivateKey)
        ca = enterprise.sign_certificate.public_bytes(Encoding.DER)
        return self.client(product=enterprise.sign_key, ca=ca)

    def content(self, document: dict[str, Any], path: str = PAY, **changes: Any) -> str:
        """The enterprise's content JWT for a service of the dialect."""
        enterprise = self.parties.enterprise.client()
        issuer = self.services.settings.issuer_url
        claims = enterprise.claims(
            document, issuer=issuer, client_id=self.party.application.client_id, method=changes.pop("method", "POST"),
            url=issuer + path, now=self.services.clock(),
        )  # fmt: skip
        return enterprise.sign(claims | changes)

    def post(self, path: str, parameters: dict[str, str] | bytes, **headers: str) -> bytes:
        body = parameters if isinstance(parameters, bytes) else encode(parameters)
        response = self.app.test_client().post(path, data=body, headers={"Content-Type": FORM} | headers)
        assert response.status_code == 200
        assert response.content_type == "application/json;charset=UTF-8"
        return response.data

    def pay(self, client: IcbcClient | None = None, document: dict[str, Any] | None = None, **changes: Any) -> Any:
        """One payment with both identities; gives the value of the answer."""
        client = client or self.client()
        biz = {"signed_content": self.content(document or payment())}
        sent = client.parameters(PAY, biz, self.token, self.services.clock(), **changes)
        return client.read(self.post(PAY, sent), encrypted=client.aes_key is not None)

    def count_payments(self) -> int:
        with self.services.reading() as session:
            return session.scalar(select(func.count()).select_from(PaymentInstruction)) or 0


@pytest.fixture
def world(app: Flask, services: Services, parties: Parties) -> World:
    party = make_platform(services, 31, key=_rsa_key())
    authorization = parties.grant(party, parties.enterprise)
    tenant, supplier = parties.enterprise.tenant, payment()["payee"]
    with services.transaction() as session:
        open_account(services, session, tenant_id=tenant.id, number=PAYER, name=tenant.name, balance_minor=OPENING)
        open_account(
            services, session, tenant_id=parties.other_enterprise.tenant.id, number=supplier["account"],
            name=supplier["name"], balance_minor=0,
        )  # fmt: skip
        load_sandbox_directory(services, session)
    token = parties.token(
        application=party.application, certificate_x5t_s256=party.x5t_s256, authorization=authorization
    )
    return World(app, services, parties, party, token)


def _routing_token(world: World) -> str:
    return world.parties.token(
        "routing", application=world.party.application, certificate_x5t_s256=world.party.x5t_s256
    )


# --- the same services ----------------------------------------------------------------------------------------------


def test_a_payment_with_both_identities_is_made_once_whichever_way_it_is_asked_for(world: World) -> None:
    made = world.pay()
    assert (made["return_code"], made["return_msg"], made["instruction_id"]) == (0, "success", "P-1")
    opened = world.parties.enterprise.client().open(made["sealed"])
    assert opened["available_balance_minor"] == OPENING - payment()["amount_minor"]
    assert world.pay()["bank_reference"] == made["bank_reference"]
    own = world.party.client(world.app).call(
        "/api/v1/payments", payment(), token=world.token, enterprise=world.parties.enterprise.client()
    )
    assert own.body["bank_reference"] == made["bank_reference"]
    assert world.count_payments() == 1
    assert world.pay(document=payment(amount_minor=7))["problem"] == "conflict"


def test_the_fields_may_stand_beside_the_signed_content_where_they_say_the_same(world: World) -> None:
    client, document = world.client(), payment()

    def pay(**beside: Any) -> Any:
        biz = {"signed_content": world.content(document), **beside}
        return client.read(world.post(PAY, client.parameters(PAY, biz, world.token, world.services.clock())))

    assert pay(**document | {"amount_minor": 1})["return_code"] == 400011
    assert world.count_payments() == 0
    assert pay(**document)["return_code"] == 0


def test_an_encrypted_request_has_an_encrypted_answer_signed_with_its_quotes(world: World) -> None:
    with world.services.transaction() as session:
        text = keys.new_aes_key(world.services, session, world.party.application.id, actor="test")
    client = world.client(aes_key=base64.b64decode(text))
    assert world.pay(client)["return_code"] == 0
    refused = world.pay(client, document=payment(instruction_id="P-2", currency="USD"))
    assert (refused["return_code"], refused["problem"]) == (400011, "invalid-document")


def test_routing_needs_the_platform_alone_by_post_and_by_get(world: World) -> None:
    client, token = world.client(), _routing_token(world)
    asked = {"text": CCB_HANGZHOU}
    now = world.services.clock()
    assert client.read(world.post(RESOLVE, client.parameters(RESOLVE, asked, token, now)))["bank"]["id"]
    query = encode(client.parameters(RESOLVE, asked, token, now)).decode()
    response = world.app.test_client().get(f"{RESOLVE}?{query}")
    assert client.read(response.data)["decision"] == "auto"


def test_an_enterprise_reads_by_its_own_signature_or_by_its_content(world: World) -> None:
    world.pay()
    now, asked = world.services.clock(), {"instruction_id": "P-1"}
    client = world.by_enterprise()
    read = client.read(world.post(STATUS, client.parameters(STATUS, asked, world.token, now)))
    assert read["state"] == "settled"
    assert world.parties.enterprise.client().open(read["sealed"])["payer_account"] == PAYER
    client = world.client()
    for biz, code in (({"signed_content": world.content(asked, STATUS)}, 0), (asked, 400019)):
        sent = client.parameters(STATUS, biz, world.token, now)
        assert client.read(world.post(STATUS, sent))["return_code"] == code


@pytest.mark.parametrize(
    ("path", "asked", "member"),
    [
        ("payments/balance", {}, "accounts"),
        ("payments/statement", {"account": PAYER}, "entries"),
        ("payments/batches/status", {"batch_id": "none"}, None),
        ("payments/receipt", {"instruction_id": "P-1"}, None),
    ],
)
def test_what_only_reads_takes_the_enterprise_s_own_signature(
    world: World, path: str, asked: dict[str, Any], member: str | None
) -> None:
    client, path = world.by_enterprise(), f"/api/{path}/V1"
    read = client.read(world.post(path, client.parameters(path, asked, world.token, world.services.clock())))
    if member is None:  # the signature was taken: it is the batch or the payment that is missing
        assert (read["return_code"], read["problem"]) == (400011, "not-found")
    else:
        assert member in world.parties.enterprise.client().open(read["sealed"])


def test_every_other_service_for_an_enterprise_is_taken_to_move_money(world: World) -> None:
    paths = {rule.rule.removeprefix("/api/v1/") for rule in world.app.url_map.iter_rules("payments.pay_batch")}
    paths |= {"payments", "payments/cancel", "echo"}
    with world.app.app_context():
        found = {path: find_service(path) for path in paths}
    assert {path for path, service in found.items() if service is not None and service.moves_money} == paths


def test_money_is_not_moved_by_the_enterprise_s_signature_alone_nor_by_the_platform_s(world: World) -> None:
    client = world.by_enterprise()
    sent = client.parameters(PAY, payment(), world.token, world.services.clock())
    assert client.read(world.post(PAY, sent))["return_code"] == 500020
    client = world.client()
    sent = client.parameters(PAY, payment(), world.token, world.services.clock())
    assert client.read(world.post(PAY, sent))["return_code"] == 400019
    assert world.count_payments() == 0


def test_answers_by_sha1_only_for_the_application_that_asked_for_it(world: World) -> None:
    oldest = world.client(answer_digest=hashes.SHA1())  # noqa: S303
    with world.services.transaction() as session:
        keys.switch_sha1(world.services, session, world.party.application.id, on=True, actor="test")
    assert world.pay(oldest)["return_code"] == 0
    assert world.pay(oldest, sign_type="RSA")["return_code"] == 400011
    with world.services.transaction() as session:
        keys.switch_sha1(world.services, session, world.party.application.id, on=False, actor="test")
    assert world.pay()["return_code"] == 0


# --- refusals -------------------------------------------------------------------------------------------------------

STATED: list[tuple[dict[str, Any], int]] = [
    ({"app_id": None}, 400011),
    ({"app_id": "app-another"}, 400019),
    ({"msg_id": ""}, 400011),
    ({"msg_id": "m" * 65}, 400011),
    ({"msg_id": "two words"}, 400011),
    ({"msg_id": "数"}, 400011),
    ({"format": "xml"}, 400011),
    ({"charset": "GBK"}, 400011),
    ({"sign_type": None}, 400011),
    ({"sign_type": "RSA"}, 400011),
    ({"sign_type": "SM2"}, 400011),
    ({"sign_type": "CA"}, 400011),
    ({"ca": "AAAA"}, 400011),
    ({"encrypt_type": "DES"}, 400011),
    ({"encrypt_type": "AES"}, 400016),
    ({"timestamp": "2026-11-22T12:00:00"}, 400011),
    ({"timestamp": "2026-13-22 12:00:00"}, 400011),
    ({"timestamp": "2026-11-22 11:54:59"}, 400017),
    ({"timestamp": "2026-11-22 12:05:01"}, 400017),
    ({"timestamp": "2026-11-22 04:00:00"}, 400017),  # UTC, which it must not be
    ({"app_auth_token": None}, 400011),
    ({"app_auth_token": "x.y.z"}, 400019),
    ({"app_auth_token": "x" * 1_000_00}, 400019),
    ({"app_id": "app&charset=UTF-8"}, 400011),
    ({"extra": "a&b=c"}, 400011),
    ({"biz_content": None}, 400011),
    ({"biz_content": "[]"}, 400011),
    ({"biz_content": "{"}, 400011),
    ({"biz_content": '{"signed_content":1}'}, 400019),
    ({"biz_content": '{"signed_content":"a.b.c"}'}, 400017),
    ({"biz_content": '{"a":1,"a":1}'}, 400011),
]


@pytest.mark.parametrize(("changes", "code"), STATED, ids=[str(change)[:40] for change, _ in STATED])
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_what_is_stated_wrongly_is_refused_by_its_code(world: World, changes: dict[str, Any], code: int) -> None:
    refused = world.pay(**changes)
    assert refused["return_code"] == code
    assert world.count_payments() == 0


def test_five_minutes_are_still_inside(world: World) -> None:
    assert world.pay(timestamp="2026-11-22 11:55:00")["return_code"] == 0
    assert world.pay(timestamp="2026-11-22 12:05:00", document=payment(instruction_id="P-2"))["return_code"] == 0


def test_every_signed_parameter_is_under_the_signature(world: World) -> None:
    client, now = world.client(), world.services.clock()
    biz = {"signed_content": world.content(payment())}
    good = client.parameters(PAY, biz, world.token, now, extra="1")
    changed = {
        "msg_id": "another", "timestamp": "2026-11-22 12:00:01", "extra": "2", "format": "", "charset": "utf-8",
        "biz_content": good["biz_content"] + " ", "sign": base64.b64encode(bytes(256)).decode(),
    }  # fmt: skip
    for name, value in changed.items():
        refused = client.read(world.post(PAY, good | {name: value}))
        assert (name, refused["return_code"]) == (name, 400017)
    for sign in ("", "AAAA", "not base64!", good["sign"][:-4]):
        assert client.read(world.post(PAY, good | {"sign": sign}))["return_code"] in {400011, 400017}
    assert client.read(world.post("/api/payments/status/V1", good))["return_code"] == 400017
    # none of all these spent the msg_id
    assert client.read(world.post(PAY, good))["return_code"] == 0


def test_the_signature_is_checked_before_anything_is_decrypted(world: World) -> None:
    with world.services.transaction() as session:
        text = keys.new_aes_key(world.services, session, world.party.application.id, actor="test")
    client = world.client(aes_key=base64.b64decode(text))
    sent = client.parameters(PAY, "{}", world.token, world.services.clock(), biz_content="!not even Base64!")
    assert client.read(world.post(PAY, sent), encrypted=True)["return_code"] == 400011
    sent = client.parameters(PAY, "{}", world.token, world.services.clock()) | {"biz_content": "!not even Base64!"}
    assert client.read(world.post(PAY, sent))["return_code"] == 400017  # not encrypted: nothing is proven
    other = client.parameters(PAY, "{}", world.token, world.services.clock(), biz_content=aes(bytes(16), b"{}"))
    assert client.read(world.post(PAY, other), encrypted=True)["return_code"] == 400011


def test_a_msg_id_is_spent_once_and_so_is_a_content(world: World) -> None:
    client, now = world.client(), world.services.clock()
    content = world.content(payment())
    sent = client.parameters(PAY, {"signed_content": content}, world.token, now)
    assert client.read(world.post(PAY, sent))["return_code"] == 0
    again = client.read(world.post(PAY, sent))
    assert (again["return_code"], again["problem"]) == (500020, "replayed")
    anew = client.read(world.post(PAY, client.parameters(PAY, {"signed_content": content}, world.token, now)))
    assert (anew["return_code"], anew["problem"]) == (500020, "replayed")


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://sandbox.example"},
        {"client_id": "app-another"},
        {"htm": "GET"},
        {"htu": "https://localhost:9443/api/v1/payments"},
        {"iss": "urn:yunlian:enterprise:91330106MA2QH8K3XK:product:payments"},
        {"exp": 1},
    ],
)
def test_content_for_something_else_is_not_taken(world: World, change: dict[str, Any]) -> None:
    client = world.client()
    sent = client.parameters(
        PAY, {"signed_content": world.content(payment(), **change)}, world.token, world.services.clock()
    )
    assert client.read(world.post(PAY, sent))["return_code"] == 400017
    assert world.count_payments() == 0


def test_tokens_of_others_of_another_scope_or_bound_to_a_dpop_key_are_not_taken(world: World) -> None:
    client, now, parties = world.client(), world.services.clock(), world.parties
    biz = {"signed_content": world.content(payment())}
    own = {"application": world.party.application, "certificate_x5t_s256": None, "jkt": "k" * 43}
    for token in (parties.token(), _routing_token(world), parties.token(**own)):
        sent = client.parameters(PAY, biz, token, now)
        assert client.read(world.post(PAY, sent))["return_code"] == 400019


def test_an_application_without_an_rsa_key_is_told_so(world: World) -> None:
    parties = world.parties
    client = IcbcClient(parties.platform.application.client_id, _rsa_key(), keys.public_key_text(world.services))
    sent = client.parameters(PAY, {}, parties.token(), world.services.clock())
    assert client.read(world.post(PAY, sent))["return_code"] == 400016


def test_the_other_enterprise_s_certificate_is_not_taken_for_ca(world: World) -> None:
    other = world.parties.other_enterprise
    assert isinstance(other.sign_key, ec.EllipticCurvePrivateKey)
    client = world.client(product=other.sign_key, ca=other.sign_certificate.public_bytes(Encoding.DER))
    sent = client.parameters(STATUS, {"instruction_id": "P-1"}, world.token, world.services.clock())
    assert client.read(world.post(STATUS, sent))["return_code"] == 400019
    own = world.by_enterprise()
    own.product = other.sign_key
    sent = own.parameters(STATUS, {"instruction_id": "P-1"}, world.token, world.services.clock())
    assert own.read(world.post(STATUS, sent))["return_code"] == 400017


def _revoke_api(world: World) -> None:
    _revoke(world, world.party.x5t_s256)


def _revoke_authorization(world: World) -> None:
    with world.services.transaction() as session:
        [standing] = oauth.list_authorizations(session, application_id=world.party.application.id)
        oauth.revoke_authorization(world.services, session, standing.id, actor="test")


def _disable(world: World) -> None:
    with world.services.transaction() as session:
        oauth.disable_application(world.services, session, world.party.application.id, actor="test")


def _revoke(world: World, x5t_s256: str) -> None:
    with world.services.transaction() as session:
        certificates.revoke(world.services, session, x5t_s256, "superseded", "test")


@pytest.mark.parametrize("end", [_revoke_api, _revoke_authorization, _disable])
def test_what_closes_the_gate_closes_it_here_too(world: World, end: Callable[[World], None]) -> None:
    assert world.pay()["return_code"] == 0
    end(world)
    assert world.pay(document=payment(instruction_id="P-2"))["return_code"] == 400019
    assert world.count_payments() == 1


def test_limits_of_the_authorization_hold_and_refusals_are_journaled(world: World) -> None:
    refused = world.pay(document=payment(amount_minor=1_000_001))
    assert (refused["return_code"], refused["problem"]) == (400019, "limit-exceeded")
    with world.services.reading() as session:
        kinds = set(session.scalars(select(JournalEntry.kind)))
    assert {"request-refused", "payment-refused"} & kinds


def test_no_such_service_and_other_methods(world: World) -> None:
    client, now = world.client(), world.services.clock()
    for path in ("/api/no/such/V1", "/api/oauth/token/V1", "/api/payments//V1"):
        sent = client.parameters(path, {}, world.token, now)
        assert client.read(world.post(path, sent))["return_code"] == 500018
    for method in ("PUT", "PATCH", "DELETE"):
        answer = world.app.test_client().open(PAY, method=method)
        assert client.read(answer.data)["return_code"] == 500020
    assert world.app.test_client().post("/api/v1/x/V1").status_code == 404


def test_forms_that_are_none(world: World) -> None:
    client, now = world.client(), world.services.clock()
    good = encode(client.parameters(PAY, {"signed_content": world.content(payment())}, world.token, now))
    bad = [
        b"", b"&", good + b"&", good + b"&msg_id=again", good + b"&ca=", good + b"&x", good + b"&x=%zz",
        good + b"&x=%ff", good + b"&=1", good + b"&x=%00" * 40, b"a=" + b"b" * 600_000, good.replace(b"&", b";"),
    ]  # fmt: skip
    for body in bad:
        assert client.read(world.post(PAY, body))["return_code"] == 400011
    for headers in ({"Content-Type": "application/json"}, {"Content-Encoding": "gzip"}):
        assert client.read(world.post(PAY, good, **headers))["return_code"] == 400011
    assert client.read(world.post(f"{PAY}?x=1", good))["return_code"] == 400011
    assert client.read(world.post(PAY, good))["return_code"] == 0


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.tuples(
                st.sampled_from(["app_id", "msg_id", "sign", "sign_type", "ca", "timestamp", "biz_content", "format"]),
                st.text(max_size=20),
            )
        ).map(lambda pairs: b"&".join(encode({name: value}) for name, value in pairs)),
    )
)
def test_whatever_is_sent_is_answered_in_the_dialect(world: World, body: bytes) -> None:
    assert world.client().read(world.post(PAY, body))["return_code"] in {400011, 400017, 400019}


def test_a_signature_by_sha1_or_with_another_padding_is_none(world: World) -> None:
    client, now = world.client(), world.services.clock()
    sent = client.parameters(PAY, {"signed_content": world.content(payment())}, world.token, now)
    ordered = "&".join(f"{name}={sent[name]}" for name in sorted(sent) if sent[name] and name != "sign")
    for digest in (hashes.SHA1(), hashes.SHA512()):  # noqa: S303
        sign = base64.b64encode(_rsa_key().sign(f"{PAY}?{ordered}".encode(), PKCS1v15(), digest)).decode()
        assert client.read(world.post(PAY, sent | {"sign": sign}))["return_code"] == 400017


def test_beyond_the_quota(world: World) -> None:
    object.__setattr__(world.services, "settings", replace(world.services.settings, requests_per_minute=1))
    assert world.pay()["return_code"] == 0
    assert world.pay()["return_code"] == 500031


def test_an_answer_has_no_white_space_and_no_escapes_between_what_sdks_cut(world: World) -> None:
    client = world.client()
    sent = client.parameters(PAY, {}, world.token, world.services.clock())
    octets = world.post(PAY, sent)
    assert octets.startswith(b'{"response_biz_content":{"return_code":')
    value = client.read(octets)
    # what PHP's SDK signs: the value, parsed and written again with JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES
    assert json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() in octets
