"""What is renewed keeps working, what a key's custodian may do stays small: through the real gate."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from flask import Flask
from yunlian import Enterprise, Refused

from app.certificates import service as certificates
from app.certificates.founding import renew_own
from app.oauth.authorizations import PLATFORM_CUSTODY_LIMITS
from app.wiring import Services
from pki.keys import KeyType, generate
from pki.profiles import Custody, find_custody
from tests.app.gateway.parties import Parties, _csr, make_enterprise, uscc
from tests.conftest import FakeClock

PATH = "/api/v1/echo"


def test_a_renewed_product_certificate_keeps_the_authorization(
    app: Flask, services: Services, parties: Parties, clock: FakeClock
) -> None:
    platform, before = parties.platform.client(app), parties.enterprise.client()
    old_token = parties.token()
    platform.call(PATH, {"a": 1}, token=old_token, enterprise=before)
    sign_key, encrypt_key = generate(KeyType.EC_P256), generate(KeyType.EC_P384)
    with services.transaction() as session:
        signing, encryption = certificates.renew_product(
            services, session, x5t_s256=before.x5t_s256, sign_csr=_csr(sign_key), encrypt_csr=_csr(encrypt_key),
            actor="test",
        )  # fmt: skip
    after = Enterprise(sign_key, x509.load_der_x509_certificate(signing.der), encrypt_key)
    with pytest.raises(Refused) as refused:  # it names the earlier certificate; its successor comes by refreshing
        platform.call(PATH, {"a": 2}, token=old_token, enterprise=before)
    assert refused.value.code == "not-authorized"
    with services.reading() as session:
        parties.authorization = session.get_one(type(parties.authorization), parties.authorization.id)
    answer = platform.call(PATH, {"a": 3}, token=parties.token(), enterprise=after)
    assert answer.sealed == {"document": '{"a":3}'}
    assert encryption.x5t_s256 != before.x5t_s256
    clock.advance(timedelta(days=29))
    platform.call(PATH, {"a": 4}, token=parties.token(), enterprise=after)


def test_clients_follow_the_bank_s_renewed_keys(app: Flask, services: Services, parties: Parties) -> None:
    platform = parties.platform.client(app)
    platform.call("/api/v1/look-up", {"text": ""}, token=parties.token("routing"))
    with services.transaction() as session:
        renewed = renew_own(services, session, "gateway-sign", "test")
    answer = platform.call("/api/v1/look-up", {"text": ""}, token=parties.token("routing"))
    assert renewed.x5t_s256 in answer.headers["Signature-Input"]


def test_platform_custody_is_in_the_certificate_and_caps_the_authorization(
    app: Flask, services: Services, parties: Parties
) -> None:
    held = make_enterprise(services, 5, "platform")
    assert find_custody(held.sign_certificate) is find_custody(held.encrypt_certificate) is Custody.PLATFORM
    assert held.tenant.uscc == uscc(5)
    granted = parties.grant(parties.platform, held)
    assert granted.limits == PLATFORM_CUSTODY_LIMITS.model_dump()
    token = parties.token(authorization=granted)
    parties.platform.client(app).call(PATH, {"a": 1}, token=token, enterprise=held.client())
    assert parties.seen[-1].authorization.custody == "platform"
    assert dict(parties.seen[-1].authorization.limits) == PLATFORM_CUSTODY_LIMITS.model_dump()
