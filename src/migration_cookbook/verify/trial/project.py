"""The ordinary project in which command lines and configuration are tried."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from migration_cookbook.databases.database import Database
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.sandbox import commandline
from migration_cookbook.sandbox.command import parse
from migration_cookbook.verify.trial import places, shared_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: As Alembic gives them: twelve hex digits.
IDS = ("5c7d2f1a9b40", "8e13b0c4d6a2", "b3f9a7e25c18", "d04e6c81f7b9")
_MOMENT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

MODELS = '''\
"""The tables of a small shop."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(200))
    step_2: Mapped[int | None]
    step_3: Mapped[int | None]
    step_4: Mapped[int | None]
'''
_REVISION = '''\
"""{message}

Revision ID: {id}
Revises: {after}
Create Date: 2026-01-02 03:04:00

"""

from alembic import op
import sqlalchemy as sa

revision = {id!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = None


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {back}
'''


@dataclass(frozen=True)
class Project:
    """A folder with alembic.ini, env.py, models and revisions, and one database."""

    folder: Path
    database: Database

    @property
    def ini(self) -> Path:
        return self.folder / "alembic.ini"

    @property
    def env(self) -> Path:
        return self.folder / "migrations" / "env.py"

    def alembic(self, line: str) -> commandline.Printed:
        """Run a command line in it."""
        ids = iter(f"{number:012x}" for number in range(0xA1, 0xFF))
        run = commandline.Run(
            self.folder,
            [self.database],
            lambda: next(ids),
            lambda: _MOMENT,
            cursor_factory=shared_server.cursor_factory(),
        )
        with _programs_of_this_environment():
            return commandline.execute(parse(line), run)

    def replace(self, path: Path, old: str, new: str) -> None:
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


@contextlib.contextmanager
def _programs_of_this_environment() -> Iterator[None]:
    """Found by name, as where an environment is activated: a post-write hook's."""
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    try:
        yield
    finally:
        os.environ["PATH"] = path


@contextlib.contextmanager
def project(
    dialect: Dialect, url: sa.URL | None, template: str = "generic", *, keep: bool = False
) -> Iterator[Project]:
    """A fresh one without revisions, gone afterwards; and but for `keep`, with all that it left in the database."""
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="cookbook-verify-"))
        if url is not None and dialect is Dialect.POSTGRES and not keep:
            stack.callback(places.wipe, url)
        folder = Path(name).resolve()
        if url is None or dialect is Dialect.SQLITE:
            path = Path(url.database) if url is not None and url.database else folder / "shop.db"
            database = Database(dialect, str(path), sa.URL.create("sqlite", database=str(path)))
        else:
            database = Database(dialect, str(url.database), url)
        made = Project(folder, database)
        made.alembic(f"init -t {template} migrations")
        (folder / "models.py").write_text(MODELS, encoding="utf-8")
        made.replace(
            made.env, "target_metadata = None", "from models import Base\n\ntarget_metadata = Base.metadata"
        )
        # A URL that a fragment brings is read, so that a mistake in it is seen; then it is replaced.
        made.replace(
            made.env,
            "config = context.config\n",
            "import os\n\nconfig = context.config\nconfig.get_section(config.config_ini_section)\n"
            'config.set_main_option("sqlalchemy.url", os.environ["DATABASE_URL"].replace("%", "%%"))\n',
        )
        yield made


def write_revisions(
    made: Project, ids: Sequence[str], *, fork: bool, label: str | None = None
) -> tuple[str, ...]:
    """Four revisions, under these ids as far as they go; with `fork` the last two are siblings."""
    names = (*ids, *(one for one in IDS if one not in ids))[: max(len(IDS), len(ids))]
    for number, id_ in enumerate(names):
        down = names[number - 1] if number else None
        if fork and number == len(names) - 1:
            down = names[number - 2]
        column = f"step_{number + 1}"
        up = f'op.add_column("books", sa.Column("{column}", sa.Integer))'
        back = f'op.drop_column("books", "{column}")'
        if not number:
            columns = 'sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(200), nullable=False)'
            up, back = f'op.create_table("books", {columns})', 'op.drop_table("books")'
        elif number >= len(IDS):
            up = back = "pass"
        text = _REVISION.format(
            message=f"step {number + 1}",
            id=id_,
            after=down or "",
            down=down,
            labels=(label,) if label and number == len(names) - 1 else None,
            up=up,
            back=back,
        )
        slug = re.sub(r"\W", "_", id_)
        (made.folder / "migrations" / "versions" / f"{slug}_step_{number + 1}.py").write_text(
            text, encoding="utf-8"
        )
    return names
