"""Which trial is for which form? From JSON to JSON, for a process of its own."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook import schema
from migration_cookbook.databases.kinds import Kind
from migration_cookbook.verify import commands, configuration, trial
from migration_cookbook.verify.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """One trial: `kind`, `url` (None: SQLite in memory), `form`, `text`, `before`, `given`, `answers`, `own`, `locks`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _trial(job)
        if job.get("own") and found.ended == "done" and not found.fingerprint:
            found = replace(found, fingerprint=left_in(job["url"]))
        return asdict(found)


def left_in(url: str) -> str:
    """The fingerprint of the schema that stands in a database."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return schema.fingerprint(schema.read(connection))


def run_all(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One after the other, over one connection."""
    return [run(job) for job in jobs]


def _trial(job: Mapping[str, Any]) -> trial.Trial:
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
    return trial.trial(text, kind, url, own=bool(job.get("own")), locks=bool(job.get("locks")))
