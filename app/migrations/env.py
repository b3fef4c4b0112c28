"""Alembic's environment: runs the migrations on the connection that `app.migrations.runner` hands over."""

from alembic import context

from app.migrations.runner import all_metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=all_metadata(),
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
