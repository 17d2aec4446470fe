"""What came of somebody else's snippet, as far as the database confirms it?

Its trial runs contained, in a database of its own. What it reports is read strictly; that
it worked is believed only if the schema that it says it left stands in the database.
A snippet can still lie about how it got there: it is its author's, and so is the lie.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook.databases import postgres, server
from migration_cookbook.databases.kinds import Kind
from migration_cookbook.verify.containment import Cage, NotContained
from migration_cookbook.verify.reported import NoReportError, report
from migration_cookbook.verify.verdict import Finding, Verdict
from migration_cookbook.worker import Limits
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from migration_cookbook.databases.database import Database
    from migration_cookbook.databases.server import Server
    from migration_cookbook.verify.trial import Trial
    from migration_cookbook.worker import Ended

_TRIAL = "migration_cookbook.verify.jobs:run"
_LEFT = "migration_cookbook.verify.jobs:left_in"
_LIMITS = Limits(seconds=10.0)
_TRUST = "needs --trust"
#: The SQLSTATEs of a statement that ran into its time limit, or into that of its temporary files.
_LIMITED = ("57014", "53400")
_FOLDER = "cookbook-stranger-"
#: No trial lasts as long.
_OLD_S = 3600


@dataclass(frozen=True)
class _Ground:
    """An empty database, and how what is contained gets there."""

    url: sa.URL
    server: Path | None
    #: Ends whoever is still at work in it, and undoes what would keep others out.
    calm: Callable[[], None]


class Quarantine:
    """A place for trials of somebody else's snippets; a warm process stands behind it."""

    def __init__(self, host: Server | None) -> None:
        self._host = host
        self._cage = Cage("migration_cookbook.verify.jobs")

    def start(self) -> None:
        """Let the process warm up meanwhile."""
        _tidy()
        self._cage.start()

    def close(self) -> None:
        self._cage.close()

    def try_out(self, job: Mapping[str, Any], kind: Kind) -> Trial | Finding:
        """The trial, or why it can't be told."""
        if kind is Kind.POSTGRES and (self._host is None or not self._host.makes_roles):
            return Finding(
                kind, Verdict.NOT_RUN, f"{_TRUST}: on a server of your own there are no roles to hold it"
            )
        try:
            with _scratch_folder() as folder, self._ground(kind, folder) as ground:
                return self._tried(job, kind, folder, ground)
        except NotContained as reason:
            return Finding(kind, Verdict.NOT_RUN, f"{_TRUST}: {reason}")
        except CookbookError as error:
            # Should the server have gone down with it, the next one finds it up again.
            if self._host is not None:
                server.attach(self._host.workspace)
            return Finding(kind, Verdict.NOT_DECIDED, str(error))

    def _tried(self, job: Mapping[str, Any], kind: Kind, folder: Path, ground: _Ground) -> Trial | Finding:
        own = {"url": ground.url.render_as_string(hide_password=False), "own": True}
        ended = self._cage.run(_TRIAL, {"job": {**job, **own}}, folder, ground.server, _LIMITS)
        if ended.how != "returned":
            return Finding(kind, Verdict.NOT_DECIDED, _why(ended))
        try:
            trial = report(ended.value)
        except NoReportError:
            return Finding(kind, Verdict.NOT_DECIDED, "its report can't be read")
        if trial.refusal is not None and trial.refusal.sqlstate in _LIMITED:
            return Finding(kind, Verdict.NOT_DECIDED, trial.refusal.message)
        # All else is no pass, and needs no proof.
        passes = trial.ended == "done" and trial.ran and not trial.idle and not trial.left
        doubt = self._doubt(trial, folder, ground) if passes else None
        return trial if doubt is None else Finding(kind, Verdict.NOT_DECIDED, doubt)

    def _doubt(self, trial: Trial, folder: Path, ground: _Ground) -> str | None:
        """What speaks against the report; None if nothing does."""
        ground.calm()
        # Contained too: what it reads is somebody else's.
        arguments = {"url": ground.url.render_as_string(hide_password=False)}
        ended = self._cage.run(_LEFT, arguments, folder, ground.server, _LIMITS)
        if ended.how != "returned":
            return f"the database can't be read after it: {_why(ended)}"
        if ended.value != trial.fingerprint:
            return "what it reports is not what stands in the database"
        return None

    @contextlib.contextmanager
    def _ground(self, kind: Kind, folder: Path) -> Iterator[_Ground]:
        if kind is Kind.SQLITE:
            url = sa.URL.create("sqlite", database=str(folder / "scratch.db"))
            yield _Ground(url, None, lambda: None)
            return
        assert self._host is not None
        with postgres.restrained(self._host) as (database, calm):
            yield _Ground(database.url, _socket(database), calm)


def _socket(database: Database) -> Path:
    host, port = (str(database.url.query[name]) for name in ("host", "port"))
    return Path(host, f".s.PGSQL.{port}")


def _why(ended: Ended) -> str:
    if ended.how == "too much memory":
        return f"it needed more than {_LIMITS.memory // 2**20} MB of memory"
    return ended.error or ended.how


@contextlib.contextmanager
def _scratch_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER)).resolve()
    try:
        yield folder
    finally:
        _remove(folder)


def _tidy() -> None:
    """Remove what killed processes left of theirs."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with contextlib.suppress(FileNotFoundError):
            found = folder.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _OLD_S:
                _remove(folder)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        # Folders in folders, deeper than Python goes.
        subprocess.run(["rm", "-rf", "--", folder], check=False)
