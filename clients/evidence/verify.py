#!/usr/bin/env python3
"""Verify an evidence bundle offline: python clients/evidence/verify.py BUNDLE.zip --trust root.pem

Uses no network and nothing of the running service. Exit status 0: everything verified; 1: something did not.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cryptography import x509

from contracts.errors import InvalidEvidence
from contracts.evidence import check_bundle

STEPS = {
    "container": "证据包 / container",
    "manifest": "清单 / manifest",
    "trust": "信任根 / trust",
    "signatures": "电子签名 / signatures",
    "certificates": "证书 / certificates",
    "binding": "绑定 / binding",
    "consent": "签署同意 / consent",
    "face-evidence": "人脸核验 / face evidence",
    "document": "所阅文件 / document",
    "log": "存证日志 / log",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="离线验证证据包 / verify an evidence bundle offline")
    parser.add_argument("bundle", type=Path, help="证据包 / the bundle (.zip)")
    parser.add_argument("--trust", type=Path, required=True, help="可信根证书 / trusted root certificates (PEM)")
    parser.add_argument("--at", type=_time, default=datetime.now(UTC), help="验证时间 / time of examination (ISO 8601)")
    options = parser.parse_args(arguments)
    try:
        bundle = options.bundle.read_bytes()
        anchors = x509.load_pem_x509_certificates(options.trust.read_bytes())
    except (OSError, ValueError) as exc:
        print(f"✗ 无法读取 / cannot read: {exc}")
        return 1
    number = 0
    try:
        for number, step in enumerate(check_bundle(bundle, anchors, options.at), start=1):
            print(
                f"✓ {number:2d}. {step.text_zh} / {step.text_en}" + (f"\n       {step.detail}" if step.detail else "")
            )
    except InvalidEvidence as exc:
        print(f"✗ {number + 1:2d}. 验证失败 / failed: {STEPS.get(exc.step, exc.step)}\n       {exc.detail}")
        return 1
    print("✓ 全部验证通过 / everything verified")
    return 0


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


if __name__ == "__main__":
    sys.exit(main())
