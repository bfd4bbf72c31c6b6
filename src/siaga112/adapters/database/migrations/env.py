"""What Alembic runs: the steps from one version of the tables to another, on a connection that is given."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
