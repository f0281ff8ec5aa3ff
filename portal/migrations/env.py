"""Alembic's way in."""

from alembic import context
from sqlalchemy import create_engine, pool

from portal import models
from portal.db import Base

assert models  # its tables are what the revisions make


def run() -> None:
    """All pending revisions, each in a transaction of its own."""
    engine = create_engine(
        context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool
    )
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            transaction_per_migration=True,
            compare_type=True,
            user_module_prefix="",
        )
        with context.begin_transaction():
            context.run_migrations()


run()
