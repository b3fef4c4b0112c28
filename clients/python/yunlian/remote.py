"""The platform's side of an agent: an `Enterprise` whose keys are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from yunlian.errors import YunlianError


class AgentRefused(YunlianError):
    """The enterprise's agent did not sign or open; the reason is its own."""


class RemoteEnterprise:
    """One product of one enterprise behind its agent, at `http://127.0.0.1:<port>` or the path of a Unix socket."""

    def __init__(self, agent: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        if transport is None and not agent.startswith("http"):
            transport = httpx.HTTPTransport(uds=agent)
        base_url = agent if agent.startswith("http") else "http://agent"
        self._http = httpx.Client(
            base_url=base_url, transport=transport, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    @cached_property
    def _who(self) -> dict[str, str]:
        who: dict[str, str] = self._ask("GET", "/")
        return who

    @property
    def x5t_s256(self) -> str:
        """The product signing certificate."""
        return self._who["x5t#S256"]

    @property
    def urn(self) -> str:
        """The product's name."""
        return self._who["urn"]

    def content(
        self, document: Mapping[str, Any], *, issuer: str, client_id: str, method: str, url: str, now: datetime
    ) -> str:
        """The signed content. The agent has its own issuer, client_id and clock. Raises AgentRefused."""
        return str(self._ask("POST", "/sign", {"method": method, "url": url, "document": document})["content"])

    def open(self, sealed: str) -> dict[str, Any] | None:
        """What the bank sealed, where the enterprise lets the platform read it; else None."""
        try:
            opened: dict[str, Any] = self._ask("POST", "/open", {"sealed": sealed})["document"]
        except AgentRefused:
            return None
        return opened

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        response = self._http.request(method, path, json=body)
        answer = response.json()
        if response.status_code != 200:
            raise AgentRefused(str(answer.get("error", response.status_code)))
        return answer


def connect(profile: Path, values: Mapping[str, str]) -> RemoteEnterprise:
    """The agent of a profile: `agent` is its address, `agent_token` the file with its token."""
    agent = values["agent"] if values["agent"].startswith("http") else str(profile.parent / values["agent"])
    return RemoteEnterprise(agent, (profile.parent / values["agent_token"]).read_text().strip())
