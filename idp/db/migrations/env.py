"""Alembic's entry for both databases: the connection and the tables come from idp.db.migrate."""

from alembic import context

from idp.db.migrate import plain_type

config = context.config
context.configure(
    connection=config.attributes["connection"],
    target_metadata=config.attributes["metadata"],
    version_table=config.attributes["version_table"],
    render_as_batch=True,  # SQLite alters a table by copying it
    render_item=plain_type,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
