"""Students, accounts, charges, payments, sessions and the journal.

Revision ID: 0001
Revises: none
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=256), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_journal"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_subject", "journal", ["subject"], unique=False)

    op.create_table(
        "payer_serial",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_payer_serial"),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("ticket_hash", sa.String(length=64), nullable=False),
        sa.Column("cas_user", sa.String(length=256), nullable=False),
        sa.Column("album", sa.String(length=10), nullable=True),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_session"),
    )
    op.create_index("ix_session_expires_at", "session", ["expires_at"], unique=False)
    op.create_index("ix_session_ticket_hash", "session", ["ticket_hash"], unique=False)

    op.create_table(
        "student",
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("os_id", sa.String(length=20), nullable=False),
        sa.Column("album", sa.String(length=10), nullable=True),
        sa.Column("album_number", sa.String(length=10), nullable=True),
        sa.Column("given_name", sa.String(length=64), nullable=False),
        sa.Column("surname", sa.String(length=130), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("student_id", name="pk_student"),
        sa.UniqueConstraint("album_number", name="uq_student_album_number"),
        sa.UniqueConstraint("os_id", name="uq_student_os_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "account",
        sa.Column("nrb", sa.String(length=26), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["student_id"], ["student.student_id"], name="fk_account_student_id"),
        sa.PrimaryKeyConstraint("nrb", name="pk_account"),
    )
    op.create_index("ix_account_student_id", "account", ["student_id"], unique=False)
    op.create_index(
        "uq_account_open",
        "account",
        ["student_id", "kind", "currency"],
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )

    op.create_table(
        "charge",
        sa.Column("charge_id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("title_en", sa.String(length=200), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("minor > 0", name=op.f("ck_charge_minor")),
        sa.ForeignKeyConstraint(["student_id"], ["student.student_id"], name="fk_charge_student_id"),
        sa.PrimaryKeyConstraint("charge_id", name="pk_charge"),
        sa.UniqueConstraint("reference", name="uq_charge_reference"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_charge_student_id", "charge", ["student_id"], unique=False)

    op.create_table(
        "programme",
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("form", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("status_from", sa.Date(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["student_id"], ["student.student_id"], name="fk_programme_student_id"),
        sa.PrimaryKeyConstraint("student_id", "code", name="pk_programme"),
    )
    op.create_table(
        "payment",
        sa.Column("payment_id", sa.Integer(), nullable=False),
        sa.Column("nrb", sa.String(length=26), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("ordered_on", sa.Date(), nullable=True),
        sa.Column("credited_on", sa.Date(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("minor > 0", name=op.f("ck_payment_minor")),
        sa.ForeignKeyConstraint(["nrb"], ["account.nrb"], name="fk_payment_nrb"),
        sa.PrimaryKeyConstraint("payment_id", name="pk_payment"),
        sa.UniqueConstraint("reference", name="uq_payment_reference"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_payment_nrb", "payment", ["nrb"], unique=False)


def downgrade() -> None:
    for table in ("payment", "programme", "charge", "account", "student", "session", "payer_serial", "journal"):
        op.drop_table(table)
