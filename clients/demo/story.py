"""The whole story in its order. Every step asks the running service over HTTPS and checks what comes back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.demonstration import AGREEMENT_TERMS, ENTERPRISE, REPRESENTATIVE
from clients.demo.browser import Browser, Refused, option_value, shown_codes
from clients.demo.puppet import Puppet, astronaut, grace_hopper, jpeg
from clients.demo.running import ROOT, Running
from clients.demo.signer import Signer

ENROLMENTS = "/operations/enrolments"
REDIRECT_URI = "https://saas.example/yunlian/callback"
Step = Callable[[str], None]


class DoesNotVerify(Exception):
    """Something that must hold does not; the demonstration ends here."""


@dataclass(slots=True)
class Story:
    """What the steps hand on to each other; `out` is where a person looks afterwards."""

    service: Running
    out: Path
    tell: Step
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)
    client_id: str = ""
    link: str = ""
    contract_number: str = ""
    _browsers: dict[str, Browser] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def new_csr(self, name: str) -> str:
        """A key made and kept on the party's own side, and the request for its certificate, in PEM."""
        key = self.keys[name] = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        return csr.public_bytes(serialization.Encoding.PEM).decode()

    def keep_chain(self, name: str, chain: str) -> None:
        """An issued certificate with its chain, in PEM."""
        self.chains[name] = chain
        path = self.out / "certificates" / f"{name}.pem"
        path.parent.mkdir(exist_ok=True)
        path.write_text(chain)

    def browser(self, login: str) -> Browser:
        """The browser of a person who logs in once and stays: a code of the second factor is good for one log-in."""
        if login not in self._browsers:
            browser = self._open.enter_context(Browser(self.service.people, self.service.root))
            browser.log_in(self.service.log_ins[login])
            self._browsers[login] = browser
        return self._browsers[login]

    def close(self) -> None:
        """Close all browsers."""
        self._open.close()


def require(holds: bool, what: str) -> None:
    """Raises DoesNotVerify."""
    if not holds:
        raise DoesNotVerify(what)


# --- 1. certificate authority ---------------------------------------------------------------------------------------


def certificate_authority(story: Story) -> None:
    """Root, issuing authorities and the bank's own certificates, checked by openssl from what is published."""
    folder = story.out / "certificates"
    folder.mkdir(exist_ok=True)
    (folder / "root.pem").write_bytes(story.service.root.read_bytes())
    with Browser(story.service.pki, story.service.root) as plain:
        for name in ("api", "product", "signer", "service"):
            issuer = x509.load_der_x509_certificate(plain.download(f"/pki/issuers/{name}.crt"))
            path = folder / f"issuing-{name}.pem"
            path.write_bytes(issuer.public_bytes(serialization.Encoding.PEM))
            _openssl("verify", "-CAfile", folder / "root.pem", path)
            x509.load_der_x509_crl(plain.download(f"/pki/crl/{name}.crl"))
    _openssl("verify", "-CAfile", folder / "root.pem", "-untrusted", folder / "issuing-service.pem",
             story.service.var / "tls" / "door.pem")  # fmt: skip
    story.tell("根证书、四个签发机构及其 CRL 经 openssl 验证 / root, issuing authorities and CRLs, verified by openssl")


# --- 2. enrolment ---------------------------------------------------------------------------------------------------


def platform_enrols(story: Story) -> None:
    """A platform registers an application and gets its API certificate for a CSR."""
    platform, officer = story.browser("platform"), story.browser("certificates")
    fields = {"name": "云帆财务", "scopes": ["routing", "payments"], "redirect_uris": REDIRECT_URI}
    page = platform.submit("/developer/applications/new", fields)
    story.client_id = between(page[page.index("云帆财务") :], "<code>", "</code>")
    enrolments = officer.get(ENROLMENTS)
    application = option_value(enrolments, "application_id", "云帆财务")
    [code] = shown_codes(officer.submit(f"{ENROLMENTS}/api", {"application_id": application}, page=ENROLMENTS))
    fields = {"code": code, "csr": story.new_csr("api")}
    [chain] = shown_codes(platform.submit("/developer/certificates/enrol", fields))
    story.keep_chain("api", chain)

    fields = {
        "tenant_id": option_value(enrolments, "tenant_id", ENTERPRISE[0]),
        "product": "payments",
        "custody": "agent",
    }
    [code] = shown_codes(officer.submit(f"{ENROLMENTS}/product", fields, page=ENROLMENTS))
    fields = {"code": code, "sign_csr": story.new_csr("product-sign"), "encrypt_csr": story.new_csr("product-encrypt")}
    signing, encryption = shown_codes(story.browser("enterprise").submit("/enterprise/certificates/enrol", fields))
    story.keep_chain("product-sign", signing)
    story.keep_chain("product-encrypt", encryption)
    story.tell(
        f"API 证书与产品证书对已按 CSR 签发 / API certificate and product pair issued, client_id {story.client_id}"
    )


# --- 3. identity ----------------------------------------------------------------------------------------------------


def representative_is_known(story: Story) -> None:
    """The bank registers the legal representative, with check digits verified, and the portrait that it holds."""
    operator = story.browser("operator")
    page = operator.get("/operations/persons/new")
    tenant = option_value(page, "tenant_id", ENTERPRISE[0])
    name, number = REPRESENTATIVE
    wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    try:
        operator.submit("/operations/persons/new", {"tenant_id": tenant, "name": name, "identity_number": wrong})
    except Refused as refusal:
        require(refusal.status == 422, "a wrong check digit is refused as such")
    else:
        raise DoesNotVerify("an identity number with a wrong check digit was accepted")
    operator.submit("/operations/persons/new", {"tenant_id": tenant, "name": name, "identity_number": number})
    people = operator.get("/operations/persons")
    path = "/operations/persons/" + between(people, 'href="/operations/persons/', '/portrait"', last=True) + "/portrait"
    operator.submit(path, {"assurance": "high"}, image=("portrait.jpg", jpeg(astronaut()), "image/jpeg"))
    story.tell("法定代表人已登记，校验码有误的号码被拒，照片已加密保存 / representative registered, portrait sealed")


# --- 4. the contract ------------------------------------------------------------------------------------------------


def contract_is_sent(story: Story) -> None:
    """Another operator than the one who set the portrait has the agreement typeset and hands out the link."""
    operator = story.browser("operator2")
    page = operator.get("/operations/contracts/new")
    product = AGREEMENT_TERMS["products"][0]
    today = datetime.now(UTC).date()
    sent = operator.submit(
        "/operations/contracts/new",
        {
            "person_id": option_value(page, "person_id", REPRESENTATIVE[0][0]),
            "template": "product-service-agreement",
            "address": AGREEMENT_TERMS["enterprise_address"],
            "product": product["product"],
            "product_name": product["name"],
            "single_limit": str(product["single_limit"] // 100),
            "daily_limit": str(product["daily_limit"] // 100),
            "custody": product["custody"],
            "start_date": today.isoformat(),
            "end_date": (today + timedelta(days=365)).isoformat(),
            "dispute_method": AGREEMENT_TERMS["dispute"]["method"],
            "dispute_body": AGREEMENT_TERMS["dispute"]["body"],
        },
    )
    [story.link] = shown_codes(sent)
    story.tell("产品服务协议已按模板生成并发送 / agreement typeset and sent")


def representative_signs(story: Story) -> None:
    """Read, consent, face check (another person is refused), key, certificate, signature."""
    path = story.link.removeprefix(story.service.people)
    with Browser(story.service.people, story.service.root) as phone:
        signer = Signer(phone, path)
        state = signer.identify(REPRESENTATIVE[1][-6:])
        story.contract_number = state["contract"]["number"]
        state = signer.consent(signer.read(state))
        try:
            signer.show_face(Puppet(grace_hopper()))
        except Refused as refusal:
            require(refusal.code == "face-mismatch", f"another face is refused as such, not as {refusal.code}")
        else:
            raise DoesNotVerify("another person's face was accepted")
        state = signer.show_face(Puppet(astronaut()))
        require(state["step"] == "sign", "the face check leads to the signature")
        state = signer.sign()
        require(state["step"] == "done", "the signature stands")
        (story.out / "contract-signed-by-representative.pdf").write_bytes(signer.signed_document())
    story.tell("他人面孔被拒（face-mismatch），本人通过，签名已生成 / another face refused, the representative signed")


# --- 6. the officer -------------------------------------------------------------------------------------------------


def officer_exports(story: Story) -> None:
    """Find the contract, verify it from the stored bytes, export the evidence."""
    officer = story.browser("compliance")
    found = officer.get(f"/compliance?q={story.contract_number}")
    contract = "/compliance/contracts/" + between(found, 'href="/compliance/contracts/', '"')
    _await(lambda: "导出证据包" in officer.get(contract), "the contract is sealed and archived")
    verified = officer.submit(f"{contract}/verify", {}, page=contract)
    require("核验通过" in verified, "the contract verifies from the stored bytes")
    (story.out / "contract.pdf").write_bytes(officer.download(f"{contract}/contract.pdf"))
    bundle = _await(lambda: _evidence(officer, contract), "the journal has sealed the contract's entry")
    (story.out / "evidence.zip").write_bytes(bundle)
    _pdfsig(story.out / "contract.pdf")
    story.tell("合同经 pyHanko 与 pdfsig 验证，证据包已导出 / verified by pyHanko and pdfsig, evidence exported")


def evidence_holds_offline(story: Story) -> None:
    """The offline verifier, with the service stopped and nothing but the digest of the root."""
    program = ROOT / "clients" / "evidence" / "verify.py"
    root = x509.load_pem_x509_certificate((story.out / "certificates" / "root.pem").read_bytes())
    trust = ("--root-sha256", root.fingerprint(hashes.SHA256()).hex())
    printed = _run(_python(), program, story.out / "evidence.zip", *trust)
    (story.out / "evidence-verified.txt").write_text(printed, encoding="utf-8")
    damaged = bytearray((story.out / "evidence.zip").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (story.out / "evidence-damaged.zip").write_bytes(damaged)
    refused = subprocess.run(
        [_python(), program, story.out / "evidence-damaged.zip", *trust], capture_output=True, check=False
    )
    require(refused.returncode == 1, "a damaged bundle is refused")
    story.tell("服务已停止，证据包离线验证通过，改动一位即失败 / verified offline, one flipped bit refused")


# --- what the steps share -------------------------------------------------------------------------------------------


def _evidence(officer: Browser, contract: str) -> bytes:
    try:
        return officer.submit_raw(f"{contract}/evidence", {}, page=contract).content
    except Refused as refusal:
        if refusal.status != 409:
            raise
        return b""


def _pdfsig(path: Path) -> None:
    """poppler reads every signature; it knows no private root, so it says whether the bytes and keys fit."""
    printed = _run("pdfsig", path)
    signatures = printed.count("Signature Type: ETSI.CAdES.detached")
    require(signatures >= 2, "pdfsig finds the representative's and the bank's signature")
    require(printed.count("Signature Validation: Signature is Valid.") >= signatures, "pdfsig finds them valid")


def _await(question: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise DoesNotVerify(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.3)
    return answer


def between(text: str, before: str, after: str, *, last: bool = False) -> str:
    part = text.split(before)[-1 if last else 1]
    return part.split(after, 1)[0]


def _openssl(*arguments: str | Path) -> str:
    return _run("openssl", *arguments)


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DoesNotVerify(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def _python() -> str:
    return sys.executable
