"""TLS files for the doors of a development machine. Production brings its own certificates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.certificates.hierarchy import ORGANIZATION
from app.certificates.records import make_record
from pki import profiles
from pki.authority import CertificateRequest, Subject
from pki.keys import KeyType, generate

if TYPE_CHECKING:
    from app.wiring import Services


def make_tls_files(services: Services, folder: Path, name: str = "localhost") -> None:
    """Write door.key, door.pem, root.pem and client-ca.pem once. The key is the door's own, readable by it alone."""
    if (folder / "door.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = services.hierarchy.authority("service")
    key = generate(KeyType.EC_P256)
    request = CertificateRequest(Subject(name, ORGANIZATION), key.public_key(), dns_names=(name,))
    certificate = authority.issue(authority.prepare(profiles.TLS_SERVER, request))
    with services.transaction() as session:
        record = make_record(certificate, profiles.TLS_SERVER.name, authority.name, services.clock())
        session.add(record)
        services.journal.append(
            session, "certificate-issued", subject=record.x5t_s256, actor="system", body={"profile": "tls-server"}
        )
    descriptor = os.open(folder / "door.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    hierarchy = services.hierarchy
    pem = {
        "root.pem": (hierarchy.root,),
        "client-ca.pem": (hierarchy.root, hierarchy.authority("api").certificate),
        "door.pem": (certificate, authority.certificate),
    }
    for file_name, certificates in pem.items():
        content = b"".join(c.public_bytes(Encoding.PEM) for c in certificates)
        (folder / file_name).write_bytes(content)
