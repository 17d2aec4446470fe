"""Which trial is for which form? From JSON to JSON, for a process of its own."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook import schema
from migration_cookbook.databases.kinds import Kind
from migration_cookbook.sandbox.recorder import recording
from migration_cookbook.verify import commands, configuration, trial
from migration_cookbook.verify.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.sandbox.recorder import Recorder


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """One trial: `kind`, `url` (None: SQLite in memory), `form`, `text`, `before`, `given`, `answers`, `own`, `locks`."""
    return run_all([job])[0]


def left_in(url: str) -> str:
    """The fingerprint of the schema that stands in a database."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return schema.fingerprint(schema.read(connection))


def run_all(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One after the other, over one connection."""
    with warnings.catch_warnings(), recording() as recorder:
        warnings.simplefilter("ignore")
        return [asdict(found) for found in (_tried(job, recorder) for job in jobs)]


def _tried(job: Mapping[str, Any], recorder: Recorder) -> trial.Trial:
    found = _trial(job, recorder)
    if job.get("own") and found.ended == "done" and not found.fingerprint:
        return replace(found, fingerprint=left_in(job["url"]))
    return found


def _trial(job: Mapping[str, Any], recorder: Recorder) -> trial.Trial:
    form, kind = Form(job["form"]), Kind(job["kind"])
    url = sa.make_url(job["url"]) if job.get("url") else None
    if form is Form.COMMANDS:
        return commands.trial(job["text"], job.get("answers", ()), kind, url)
    if form in (Form.INI, Form.PYPROJECT, Form.ENVIRONMENT):
        return configuration.trial(form, job["text"], kind, url)
    text = trial.Text(
        form,
        job["text"],
        tuple((Form(other), earlier) for other, earlier in job.get("before", ())),
        job.get("given"),
    )
    return trial.trial(text, kind, url, recorder, own=bool(job.get("own")), locks=bool(job.get("locks")))
