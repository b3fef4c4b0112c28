"""What each party takes home: the signed contract, and proof that the log of the bank holds it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session

from app.problems import NotFound
from app.signing.models import Contract, Revision
from app.signing.problems import CopyNotReady

if TYPE_CHECKING:
    from app.wiring import Services

_README = """本压缩包内容 / In this archive

contract.pdf      各方签署并归档的合同  the contract, signed by all, sealed and archived
log-proof.json    该合同在日志中的存证：叶子、包含证明、签名的日志头
                  its leaf in the log, the inclusion proof (RFC 9162) and the signed head (C2SP checkpoint)
log.pem           日志签名证书  the certificate that signs the heads

核验 / To verify: {people_url}/verify
"""


def make_copy(services: Services, session: Session, contract: Contract) -> bytes:
    """A ZIP with the archived contract, its inclusion proof and the signed head.

    Raises CopyNotReady until the contract is archived and the log has sealed its entry (about a second).
    """
    if contract.delivered_at is None:
        raise CopyNotReady("the contract is not archived yet")
    newest = session.get(Revision, (contract.id, contract.current_sha256))
    kind = "contract-renewed" if newest is not None and newest.kind == "renewed" else "contract-completed"
    try:
        proof = services.journal.prove(session, kind, contract.id)
    except NotFound as exc:
        raise CopyNotReady("the log has not sealed the entry yet") from exc
    parts = {
        "contract.pdf": services.documents.get(contract.current_sha256),
        "log-proof.json": json.dumps(proof.to_json(), ensure_ascii=False, indent=1).encode(),
        "log.pem": services.hierarchy.log.certificate.public_bytes(Encoding.PEM),
        "README.txt": _README.format(people_url=services.settings.people_url).encode(),
    }
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return output.getvalue()
