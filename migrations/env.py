"""Runs migrations on the connection that orchestrator/store/migrate.py hands over."""

from alembic import context

# Both databases take back schema changes, so a migration that fails leaves nothing behind.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
