"""`python -m clients.demo OUT`: the whole story against a service of its own, with a line and a time for each step.

Ends with non-zero status at the first thing that does not verify.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clients.demo import payments, story
from clients.demo.running import running_service


class Teller:
    """Prints what was shown, and how long each act took."""

    def __init__(self) -> None:
        self.number = 0

    @contextmanager
    def act(self, name: str) -> Iterator[None]:
        """One numbered act with its time."""
        self.number += 1
        print(f"\n{self.number}. {name}", flush=True)
        began = time.monotonic()
        yield
        print(f"   ({time.monotonic() - began:.1f} s)", flush=True)

    def tell(self, line: str) -> None:
        """One thing that was verified."""
        print(f"   ✓ {line}", flush=True)


def main() -> int:
    """Run the story and leave its results in the folder."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "var/demo").resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    teller, began = Teller(), time.monotonic()
    try:
        _tell(out, teller)
    except story.DoesNotVerify as exc:
        print(f"   ✗ {exc}", flush=True)
        return 1
    print(f"\n全部通过 everything verified in {time.monotonic() - began:.0f} s; see {out}", flush=True)
    return 0


def _tell(out: Path, teller: Teller) -> None:
    with ExitStack() as running:
        with teller.act("启动服务 / the service starts with a fresh store"):
            service = running_service(out / "service", CONSENT_POLICY="standard")
            told = story.Story(running.enter_context(service), out, teller.tell)
            running.callback(told.close)
        with teller.act("证书体系 / certificate authority"):
            story.certificate_authority(told)
        with teller.act("平台与企业注册 / a platform and an enterprise enrol"):
            story.platform_enrols(told)
        with teller.act("法定代表人身份 / the representative's identity"):
            story.representative_is_known(told)
        with teller.act("合同签署 / the contract"):
            story.contract_is_sent(told)
            story.representative_signs(told)
        with teller.act("支付 / the payment"):
            payments.pay(told)
        with teller.act("合规核验 / the compliance officer"):
            story.officer_exports(told)
    with teller.act("离线验证 / offline, with the service stopped"):
        story.evidence_holds_offline(told)


if __name__ == "__main__":
    sys.exit(main())
