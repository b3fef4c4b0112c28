"""`flask pki …`: what people and scripts see."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from app.certificates.records import x5t_s256
from app.wiring import Services
from tests.app.certificates.helpers import csr, kinds, state
from tests.app.gateway.parties import Parties
from tests.app.identity.people import PASSWORD, People, make_people


@pytest.fixture
def run(app: Flask) -> Any:
    def invoke(*arguments: str | Path, typed: str | None = None) -> Result:
        return app.test_cli_runner().invoke(args=["pki", *map(str, arguments)], input=typed)

    return invoke


@pytest.fixture
def people(app: Flask, services: Services) -> People:
    return make_people(app, services)


def written(folder: Path, *requests: bytes) -> list[Path]:
    paths = [folder / f"{number}.csr" for number in range(len(requests))]
    for path, request in zip(paths, requests, strict=True):
        path.write_bytes(request)
    return paths


def leaf_file(folder: Path, certificate: x509.Certificate) -> Path:
    path = folder / "leaf.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return path


def test_a_life_of_certificates(services: Services, parties: Parties, run: Any, tmp_path: Path) -> None:
    application, enterprise = parties.platform.application, parties.enterprise.tenant
    platform_uscc = application.tenant.uscc
    code = run("enrol-code", "api", "--tenant", platform_uscc, "--application", application.client_id).output.strip()
    enrolled = run("enrol", code, *written(tmp_path, csr()))
    assert enrolled.exit_code == 0, enrolled.output
    leaf, issuer = x509.load_pem_x509_certificates(enrolled.stdout.encode())
    name = x5t_s256(leaf)
    assert issuer == services.hierarchy.authority("api").certificate
    assert run("enrol", code, *written(tmp_path, csr())).exit_code == 1
    assert kinds(services)["enrolment-refused"] == 1

    code = run("enrol-code", "product", "--tenant", enterprise.id, "--product", "payments").output.strip()
    pair = run("enrol", code, *written(tmp_path, csr(), csr())).stdout.encode()
    signing = x5t_s256(x509.load_pem_x509_certificates(pair)[0])
    assert run("renew", name, *written(tmp_path, csr())).exit_code == 0
    assert run("renew", signing, *written(tmp_path, csr(), csr())).exit_code == 0

    assert run("hold", name, "--note", "by phone").exit_code == 0
    assert state(services, name) == ("held", "certificate_hold")
    assert run("release", name, "--note", "a mistake").exit_code == 0
    assert run("revoke", name, "--reason", "superseded", "--note", "renewed").exit_code == 0
    refused = run("hold", name, "--note", "again")
    assert refused.exit_code == 1
    assert "certificate-state" in refused.output
    assert "Traceback" not in refused.output


def test_lists_and_facts(services: Services, parties: Parties, run: Any) -> None:
    listed = json.loads(run("list", "--profile", "api", "--json").output)
    assert parties.platform.x5t_s256 in {entry["x5t#S256"] for entry in listed}
    assert parties.platform.x5t_s256 in run("list", "--text", parties.platform.x5t_s256).output
    assert run("list", "--expiring").exit_code == 0
    shown = json.loads(run("show", parties.platform.x5t_s256, "--json").output)
    assert shown["application"] == parties.platform.application.id
    assert "BEGIN CERTIFICATE" in run("show", parties.platform.x5t_s256).output
    assert run("show", "0" * 43).exit_code == 1
    link = run("link", parties.authorization.id, "--json")
    assert (link.exit_code, json.loads(link.output)["gate"]) == (0, "open")


def test_crls(services: Services, parties: Parties, run: Any, tmp_path: Path) -> None:
    serial = f"{parties.platform.certificate.serial_number:x}"
    assert serial not in run("crl", "api").output
    run("revoke", parties.platform.x5t_s256, "--reason", "key_compromise", "--note", "lost")
    assert serial in run("crl", "api").output
    assert json.loads(run("crl", "api", "--delta", "--json").output)["entries"][0][0] == serial
    assert run("crl", "api", "--out", tmp_path / "api.crl").exit_code == 0
    x509.load_der_x509_crl((tmp_path / "api.crl").read_bytes())
    assert run("crl", "nobody").exit_code == 1


def test_a_chain_is_explained(services: Services, parties: Parties, run: Any, tmp_path: Path) -> None:
    leaf = leaf_file(tmp_path, parties.platform.certificate)
    told = run("verify", leaf)
    assert told.exit_code == 0, told.output
    for said in ("GOOD", "Yunlian API CA", "Yunlian Root CA", "trust anchor", "not revoked", "urn:yunlian:app:"):
        assert said in told.output
    assert run("ocsp-check", leaf).exit_code == 0

    wrong = run("verify", leaf, "--purpose", "seal", "--json")
    assert (wrong.exit_code, json.loads(wrong.output)[0]["error"]) == (1, "wrong-purpose")
    early = run("verify", leaf, "--at", "2020-01-01T00:00:00Z", "--json")
    assert (early.exit_code, json.loads(early.output)[0]["error"]) == (1, "certificate-not-yet-valid")
    assert run("verify", leaf, "--at", "2020-01-01").exit_code == 2

    run("revoke", parties.platform.x5t_s256, "--reason", "key_compromise", "--note", "lost")
    revoked = run("verify", leaf)
    assert revoked.exit_code == 1
    assert "keyCompromise since" in revoked.output
    assert "REFUSED  certificate-revoked" in revoked.output
    checked = run("ocsp-check", leaf, "--json")
    assert (checked.exit_code, json.loads(checked.output)["reason"]) == (1, "keyCompromise")


def test_foreign_certificates_and_other_files(run: Any, services: Services, parties: Parties, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_bytes(b"no certificate")
    assert run("verify", tmp_path / "no.pem").exit_code == 1
    parsed = parties.platform.certificate.public_bytes(Encoding.DER)
    foreign = bytearray(parsed)
    foreign[-1] ^= 1
    (tmp_path / "foreign.der").write_bytes(foreign)
    told = run("verify", tmp_path / "foreign.der", "--json")
    assert (told.exit_code, json.loads(told.output)[0]["error"]) == (1, "untrusted-issuer")
    assert run("ocsp-check", tmp_path / "no.pem").exit_code == 1


def test_exports(services: Services, run: Any) -> None:
    for name, expected in {
        "root": services.hierarchy.root,
        "api": services.hierarchy.authority("api").certificate,
        "log": services.hierarchy.log.certificate,
    }.items():
        assert x509.load_pem_x509_certificate(run("export", name).stdout.encode()) == expected
    assert run("export", "nobody").exit_code == 1
    assert run("init").exit_code == 1


def test_two_officers_at_the_command(services: Services, people: People, run: Any) -> None:
    def typed(login: str) -> str:
        services.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]
        return f"{PASSWORD}\n{people.code(login)}\n"

    first, second = "certificate-officer", "certificate-officer2"
    proposed = run("propose-issuing", "api", "--reason", "roll-over", "--officer", first, typed=typed(first))
    decision = proposed.stdout.split()[-1]
    assert run("sign-issuing", decision).exit_code == 1
    assert run("confirm", decision, "--officer", first, typed=typed(first)).exit_code == 1
    assert run("confirm", decision, "--officer", second, typed="wrong\n000000\n").exit_code == 1
    assert run("confirm", decision, "--officer", second, typed=typed(second)).exit_code == 0
    assert run("sign-issuing", decision).output.strip() == "api-2"
    names = {entry["name"]: entry["state"] for entry in json.loads(run("authorities", "--json").output)}
    assert names["api-2"] == names["api"] == "good"

    reason = ("--code", "superseded", "--reason", "rolled over", "--officer", first)
    decision = run("propose-revoke-issuing", "api", *reason, typed=typed(first)).stdout.split()[-1]
    assert run("confirm", decision, "--officer", second, typed=typed(second)).exit_code == 0
    assert "revoked" in run("authorities").output
    assert json.loads(run("root-crl", "--json").output)["entries"] == 1


def test_own_certificates_and_witnesses(services: Services, run: Any) -> None:
    assert run("renew-own", "ocsp-api").exit_code == 0
    assert run("renew-own", "issuing-api").exit_code == 1
    assert run("renew-own", "--within", "0").output == ""
    assert run("witness", "w.example", "A" * 43 + "=").exit_code == 0
    assert run("witness", "w.example", "A" * 43 + "=").exit_code == 1
    assert run("witness", "v.example", "***").exit_code == 2


def test_every_command_explains_itself(run: Any) -> None:
    told = run("--help").output
    for name in ("init", "sign-issuing", "root-crl", "list", "show", "enrol-code", "enrol", "renew", "hold", "release",
                 "revoke", "crl", "ocsp-check", "verify", "export", "authorities", "link", "witness"):  # fmt: skip
        assert f"  {name} " in told
        assert len(run(name, "--help").output.splitlines()) > 3


def test_a_name_may_begin_with_a_hyphen(services: Services, run: Any) -> None:
    refused = run("show", "-" + "A" * 42)
    assert "not-found" in refused.output
