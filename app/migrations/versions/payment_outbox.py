"""One outbox for dispatches and callbacks; clearing messages, channel files, risk counters, approvals, receipts."""

import sqlalchemy as sa
from alembic import op

import app.db

revision = "payment_outbox"
down_revision = "0003_forgotten_persons"
branch_labels = None
depends_on = None

MOMENT = app.db.UtcDateTime(timezone=True)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, MOMENT, nullable=nullable)


def _large(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def upgrade() -> None:
    _make_outbox()
    _make_clearing()
    _make_risk()
    _make_people()


def downgrade() -> None:
    for table in (
        "payment_receipts",
        "payment_approvals",
        "risk_listings",
        "risk_payees",
        "risk_counters",
        "callback_addresses",
        "channel_files",
        "clearing_messages",
        "payment_outbox",
    ):
        op.drop_table(table)


def _make_outbox() -> None:
    op.create_table(
        "payment_outbox",
        _text("id", 26),
        _text("kind", 12),
        _text("subject", 26),
        _text("state", 12),
        _moment("due_at"),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("deferred", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _moment("created_at"),
        _moment("claimed_until", nullable=True),
        _moment("first_sent_at", nullable=True),
        _text("last_error", 200, nullable=True),
        sa.Column("payload", sa.JSON(), nullable=True),
        _key("payment_outbox", "id"),
    )
    op.create_index("ix_payment_outbox_kind_state_due", "payment_outbox", ["kind", "state", "due_at"])
    op.create_index("ix_payment_outbox_subject", "payment_outbox", ["subject"])
    op.create_table(
        "callback_addresses",
        _text("application_id", 26),
        _text("url", 500),
        _text("set_by", 64),
        _moment("set_at"),
        _key("callback_addresses", "application_id"),
    )


def _make_clearing() -> None:
    op.create_table(
        "clearing_messages",
        _text("message_id", 64),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        _moment("received_at"),
        _text("fault", 200, nullable=True),
        _key("clearing_messages", "message_id"),
    )
    op.create_index("ix_clearing_messages_fault", "clearing_messages", ["fault"])
    op.create_table(
        "channel_files",
        _text("channel", 8),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        _moment("fetched_at"),
        _key("channel_files", "channel", "day"),
    )


def _make_risk() -> None:
    op.create_table(
        "risk_counters",
        _text("subject", 40),
        _large("minute"),
        sa.Column("in_minute", sa.Integer(), nullable=False),
        sa.Column("in_minute_before", sa.Integer(), nullable=False),
        *(_large(name) for name in ("payments", "total_minor", "largest_minor")),
        _key("risk_counters", "subject"),
    )
    op.create_table(
        "risk_payees",
        _text("tenant_id", 26),
        _text("account", 32),
        *(_large(name) for name in ("payments", "total_minor", "largest_minor")),
        _key("risk_payees", "tenant_id", "account"),
    )
    op.create_table(
        "risk_listings",
        _text("kind", 8),
        _text("entry", 140),
        _text("reason", 200),
        _text("added_by", 64),
        _moment("added_at"),
        _key("risk_listings", "kind", "entry"),
    )


def _make_people() -> None:
    op.create_table(
        "payment_approvals",
        _text("payment_id", 26),
        _text("tenant_id", 26),
        _text("authorization_id", 26),
        sa.Column("reasons", sa.JSON(), nullable=False),
        _moment("held_at"),
        _moment("expires_at"),
        _text("outcome", 12, nullable=True),
        _text("decided_by", 26, nullable=True),
        _moment("decided_at", nullable=True),
        _text("note", 200, nullable=True),
        _key("payment_approvals", "payment_id"),
    )
    op.create_index("ix_payment_approvals_tenant_outcome", "payment_approvals", ["tenant_id", "outcome", "expires_at"])
    op.create_table(
        "payment_receipts",
        _text("payment_id", 26),
        _text("tenant_id", 26),
        _text("verify_code", 20),
        _text("document_sha256", 64),
        _moment("made_at"),
        _key("payment_receipts", "payment_id"),
        sa.UniqueConstraint("verify_code", name=op.f("uq_payment_receipts_verify_code")),
    )
