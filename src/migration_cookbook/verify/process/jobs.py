"""Trials and judgments from JSON to JSON, for a process of their own."""

from __future__ import annotations

import base64
import warnings
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from migration_cookbook import schema
from migration_cookbook.databases import guard
from migration_cookbook.databases.database import Database
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.sandbox.recorder import recording
from migration_cookbook.verify.judging.judge import judge, placeholder
from migration_cookbook.verify.process.untrusted import read_snippet, read_trial, snippet_as_json
from migration_cookbook.verify.reading import read_text
from migration_cookbook.verify.trial import commands, configuration, shared_server, trial
from migration_cookbook.verify.values.outcome import Text, Trial
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.sandbox.recorder import Recorder


def run(job: Mapping[str, Any]) -> dict[str, Any]:
    """One trial: `kind`, `url` (None: SQLite in memory), `form`, `text`, `before`, `given`, `answers`, `locks`.

    `proof`: the URL of an empty database in which its work is left. `shared`: the server isn't the cookbook's.
    """
    return run_all([job])[0]


def run_all(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One after the other, over one connection."""
    with warnings.catch_warnings(), recording() as recorder:
        warnings.simplefilter("ignore")
        return [asdict(found) for found in (_try(job, recorder) for job in jobs)]


def left_in(url: str) -> str:
    """The fingerprint of the schema that a database has."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return schema.fingerprint(schema.read(connection))


def judge_all(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What's said of trials that ran elsewhere: `snippet`, `kind`, `trial`; and what was left in `proof`."""
    return [_judge(job) for job in jobs]


def read_page(file: str, content: str) -> dict[str, Any]:
    """The snippets of a page, given by its bytes in base64; or the mistake in it, as a sentence."""
    try:
        found = read_text(file, base64.b64decode(content))
    except CookbookError as mistake:
        return {"mistake": str(mistake), "snippets": []}
    places = {snippet.place: number for number, snippet in enumerate(found)}
    snippets = [
        replace(one, placeholder=placeholder(one) or "", alone=one.needs_own_process) for one in found
    ]
    return {"mistake": "", "snippets": [snippet_as_json(one, places) for one in snippets]}


def _judge(job: Mapping[str, Any]) -> dict[str, Any]:
    snippet = read_snippet(job["snippet"])
    finding = judge(snippet, Dialect(job["kind"]), read_trial(job["trial"]))
    return {"finding": asdict(finding), "left": left_in(job["proof"]) if job["proof"] else ""}


def _try(job: Mapping[str, Any], recorder: Recorder) -> Trial:
    dialect = Dialect(job["kind"])
    urls = {one: sa.make_url(job[one]) for one in ("url", "proof") if job.get(one)}
    with shared_server.apply_policy(shared=bool(job.get("shared"))) as refused:
        found = _trial(job, dialect, urls.get("url"), urls.get("proof"), recorder)
    if found.refusal is not None and refused.reason:
        return replace(found, refusal=None, not_run=refused.reason)
    return found


def _database(url: sa.URL) -> Database:
    dialect = Dialect.SQLITE if url.get_backend_name() == "sqlite" else Dialect.POSTGRES
    return Database(dialect, str(url.database), url)


def _trial(
    job: Mapping[str, Any], dialect: Dialect, url: sa.URL | None, proof: sa.URL | None, recorder: Recorder
) -> Trial:
    form = Form(job["form"])
    where, keep = proof or url, proof is not None
    if form is Form.COMMANDS:
        return _with_proof(
            commands.trial(job["text"], job.get("answers", ()), dialect, where, keep=keep), proof
        )
    if form in (Form.INI, Form.PYPROJECT, Form.ENVIRONMENT):
        return _with_proof(configuration.trial(form, job["text"], dialect, where, keep=keep), proof)
    text = Text(
        form,
        job["text"],
        tuple((Form(other), earlier) for other, earlier in job.get("before", ())),
        job.get("given"),
    )
    databases = [_database(one) for one in (url, proof) if one is not None]
    with guard.only(databases, cursor_factory=shared_server.cursor_factory()):
        return trial.trial(text, dialect, url, recorder, proof=proof, locks=bool(job.get("locks")))


def _with_proof(found: Trial, proof: sa.URL | None) -> Trial:
    """A project leaves its work where the proof is looked for."""
    if proof is None or found.ended != "done":
        return found
    return replace(found, fingerprint=left_in(proof.render_as_string(hide_password=False)))
