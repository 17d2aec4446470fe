"""A copy of the bookshop as it stood at a revision, and Alembic's commands in it, in process."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.config import CommandLine, Config

from migration_cookbook.sandbox.models_at import models_at

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2] / "sandbox_project"
REVISIONS = [f"{number:04d}" for number in range(1, 11)]


@dataclass(frozen=True)
class Copy:
    """One copy of the project and one database."""

    folder: Path
    url: sa.URL

    def alembic(self, *arguments: str) -> str:
        """Run a command; what it wrote to its output, or its error raised."""
        line = CommandLine()
        options = line.parser.parse_args(["-c", str(self.folder / "alembic.ini"), *arguments])
        output = io.StringIO()
        config = Config(options.config[0], stdout=output, output_buffer=output, cmd_opts=options)
        function, positional, keywords = options.cmd
        with self._as_a_new_process():
            function(
                config,
                *[getattr(options, name) for name in positional],
                # Some keywords are for callers in Python, and no option of the command line.
                **{name: getattr(options, name, None) for name in keywords},
            )
        return output.getvalue()

    def add_revision(self, revision: str, after: str, upgrade: str, downgrade: str = "pass") -> None:
        """Write a revision file of the test's own."""
        (self.folder / "migrations" / "versions" / f"{revision}_test.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n\n"
            f"revision = {revision!r}\ndown_revision = {after!r}\n\n\n"
            f"def upgrade():\n    {upgrade}\n\n\ndef downgrade():\n    {downgrade}\n"
        )

    def metadata(self) -> sa.MetaData:
        with self._as_a_new_process():
            sys.path.insert(0, str(self.folder))
            models: Any = importlib.import_module("bookshop.models")
            metadata: sa.MetaData = models.Base.metadata
            return metadata

    def rows(self) -> Any:
        """The module bookshop.rows of this copy."""
        with self._as_a_new_process():
            sys.path.insert(0, str(self.folder))
            return importlib.import_module("bookshop.rows")

    @contextlib.contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A transaction on the database, with foreign keys in force."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            if self.url.get_backend_name() == "sqlite":
                connection.exec_driver_sql("PRAGMA foreign_keys = ON")
            yield connection

    def fill(self) -> None:
        with self.connect() as connection:
            self.rows().fill(connection, self.metadata())

    def contents(self) -> dict[str, list[Any]]:
        """Every row of every table."""
        with self.connect() as connection:
            metadata = sa.MetaData()
            metadata.reflect(connection)
            return {
                table.name: sorted(map(repr, connection.execute(sa.select(table))))
                for table in metadata.sorted_tables
            }

    def schema(self) -> dict[str, Any]:
        """All that a migration could leave behind."""
        with self.connect() as connection:
            inspector = sa.inspect(connection)
            found: dict[str, Any] = {
                table: {
                    "columns": [{**each, "type": str(each["type"])} for each in inspector.get_columns(table)],
                    "primary key": inspector.get_pk_constraint(table),
                    "foreign keys": _sorted(inspector.get_foreign_keys(table)),
                    "unique": _sorted(inspector.get_unique_constraints(table)),
                    "check": _sorted(inspector.get_check_constraints(table)),
                    "indexes": _sorted(inspector.get_indexes(table)),
                }
                for table in inspector.get_table_names()
            }
            if connection.dialect.name == "postgresql":
                public = "'public'::regnamespace"
                found["relations"] = _column(
                    connection, f"relname FROM pg_class WHERE relnamespace = {public}"
                )
                found["types"] = _column(connection, f"typname FROM pg_type WHERE typnamespace = {public}")
            else:
                found["relations"] = _column(connection, "name FROM sqlite_master")
            return found

    @contextlib.contextmanager
    def _as_a_new_process(self) -> Iterator[None]:
        """The project's modules are imported afresh, and nothing of it stays."""
        path, variable = list(sys.path), os.environ.get("BOOKSHOP_DATABASE_URL")
        bytecode = sys.dont_write_bytecode
        # A file rewritten within one second would be read from its old .pyc.
        sys.dont_write_bytecode = True
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        os.environ["BOOKSHOP_DATABASE_URL"] = self.url.render_as_string(hide_password=False)
        _forget()
        try:
            yield
        finally:
            _forget()
            sys.path[:] = path
            sys.dont_write_bytecode = bytecode
            root.handlers[:] = handlers
            root.setLevel(level)
            if variable is None:
                del os.environ["BOOKSHOP_DATABASE_URL"]
            else:
                os.environ["BOOKSHOP_DATABASE_URL"] = variable


def copy_project(folder: Path, url: sa.URL, revision: str = REVISIONS[-1]) -> Copy:
    """The project as it stood at `revision`: its files, its models."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__", "*.db"))
    for path in (folder / "migrations" / "versions").glob("*.py"):
        if path.name[:4] > revision:
            path.unlink()
    models = folder / "bookshop" / "models.py"
    models.write_text(models_at(models.read_text(), revision))
    return Copy(folder, url)


def _forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "bookshop"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _sorted(found: list[Any]) -> list[Any]:
    return sorted(found, key=lambda each: str(each["name"]))


def _column(connection: sa.Connection, query: str) -> list[str]:
    return sorted(connection.scalars(sa.text(f"SELECT {query}")))
