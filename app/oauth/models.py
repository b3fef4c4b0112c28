"""Applications of platforms, authorizations by enterprises, and the short-lived records of the OAuth flows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, new_id
from app.identity.models import DecisionState, Tenant


class Application(Base):
    """A platform's application: an OAuth client. Its keys are those of its API certificates."""

    __tablename__ = "applications"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(String(64), unique=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    redirect_uris: Mapped[list[str]]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]

    tenant: Mapped[Tenant] = relationship(lazy="joined")


class PlatformRegistration(Base):
    """A platform that the bank's onboarding system proposes; an operator confirms it, and then it is a tenant."""

    __tablename__ = "platform_registrations"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"))  # the system that proposes
    registration_id: Mapped[str] = mapped_column(String(64))  # its own name for the proposal
    name: Mapped[str] = mapped_column(String(200))
    uscc: Mapped[str] = mapped_column(String(18))
    state: Mapped[DecisionState] = mapped_column(String(16))
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None]
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))

    application: Mapped[Application] = relationship(lazy="joined")

    __table_args__ = (UniqueConstraint("application_id", "registration_id"),)


class Authorization(Base):
    """What an enterprise's legal representative allows one application to do with one product (protocol.md).

    It stands until it ends or is revoked; tokens only carry its id.
    """

    __tablename__ = "authorizations"
    id: Mapped[str] = mapped_column(String(26), primary_key=True, default=new_id)
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"), index=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)  # the enterprise
    uscc: Mapped[str] = mapped_column(String(18))
    product: Mapped[str] = mapped_column(String(32))
    limits: Mapped[dict[str, Any]]  # {"single_minor": int, "daily_minor": int}, fen
    product_x5t_s256: Mapped[str] = mapped_column(String(43))
    granted_by: Mapped[str] = mapped_column(String(26))  # account
    contract_id: Mapped[str | None] = mapped_column(String(26))
    consent_sha256: Mapped[str | None] = mapped_column(String(64))  # of what was shown and agreed to, hexadecimal
    face_check_id: Mapped[str | None] = mapped_column(String(26))  # passed for this very consent
    granted_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    application: Mapped[Application] = relationship(lazy="joined")


class PushedRequest(Base):
    """A pushed authorization request (RFC 9126). Only the digest of its request_uri is stored."""

    __tablename__ = "pushed_requests"
    uri_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"))
    parameters: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class AuthorizationCode(Base):
    """An authorization code, at most 60 s old, redeemed by one UPDATE of `used_at`."""

    __tablename__ = "authorization_codes"
    code_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"))
    authorization_id: Mapped[str] = mapped_column(ForeignKey("authorizations.id"))
    redirect_uri: Mapped[str] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(String(128))
    dpop_jkt: Mapped[str | None] = mapped_column(String(43))  # the key that must redeem it (RFC 9449 §10)
    scope: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A refresh token, bound to the application's key, not rotated (FAPI 2.0 §5.3.2.1)."""

    __tablename__ = "refresh_tokens"
    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"))
    authorization_id: Mapped[str] = mapped_column(ForeignKey("authorizations.id"))
    scope: Mapped[str] = mapped_column(String(200))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_refresh_tokens_authorization_id", "authorization_id"),)


class RevokedToken(Base):
    """An access token that was revoked before its end (RFC 7009). The row may go when the token would have expired."""

    __tablename__ = "revoked_tokens"
    jti: Mapped[str] = mapped_column(String(43), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class TokenKey(Base):
    """A key that signs access tokens from `active_from` until the next one is active.

    Its private part is in the key store; it stays published until the last token that it signed has expired.
    """

    __tablename__ = "token_keys"
    kid: Mapped[str] = mapped_column(String(43), primary_key=True)  # RFC 7638 thumbprint
    name: Mapped[str] = mapped_column(String(64), unique=True)  # in the key store
    created_at: Mapped[datetime]
    active_from: Mapped[datetime] = mapped_column(unique=True)
