"""With `--locks` a finding tells what the snippet locked, and who had to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cages import cage_or_skip

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.locks import Lock
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.values.snippet import Form, Snippet
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.verify.values.verdict import Finding

EVERYBODY, WRITERS = ("SELECT", "INSERT", "UPDATE"), ("INSERT", "UPDATE")

PAGE = (
    (Form.OPERATIONS, 'op.add_column("books", sa.Column("isbn", sa.Text))'),
    (Form.OPERATIONS, 'op.create_index("ix", "books", ["title"], postgresql_concurrently=True)'),
    (
        Form.FUNCTIONS,
        'def upgrade():\n    op.alter_column("books", "price", type_=sa.BigInteger(), existing_type=sa.Integer())\n'
        'def downgrade():\n    op.alter_column("books", "price", type_=sa.Integer(), existing_type=sa.BigInteger())\n',
    ),
    (Form.SQL, "ALTER TABLE books ADD FOREIGN KEY (author_id) REFERENCES authors (id) NOT VALID"),
    (Form.SQL, "ALTER TABLE books ADD COLUMN isbn nonsense"),
)
LOCKS = (
    (Lock("books", "ACCESS EXCLUSIVE", False, EVERYBODY),),
    (Lock("books", "SHARE UPDATE EXCLUSIVE", False, ()),),
    (Lock("books", "ACCESS EXCLUSIVE", True, EVERYBODY),),
    (
        Lock("authors", "SHARE ROW EXCLUSIVE", False, WRITERS),
        Lock("books", "SHARE ROW EXCLUSIVE", False, WRITERS),
    ),
    (),
)


def found(server: Server, *, trusted: bool, locks: bool) -> list[Finding]:
    snippets = [
        Snippet("page.md", number, "", form, text, trusted=trusted)
        for number, (form, text) in enumerate(PAGE, 1)
    ]
    settings = Settings(server.workspace, (Dialect.POSTGRES,), locks=locks)
    return [checked.findings[Dialect.POSTGRES] for checked in check(snippets, settings)]


def test_own_snippets(verify_server: Server) -> None:
    findings = found(verify_server, trusted=True, locks=True)
    assert tuple(finding.locks for finding in findings) == LOCKS
    plain = found(verify_server, trusted=True, locks=False)
    assert [finding.verdict for finding in findings] == [finding.verdict for finding in plain]
    assert not any(finding.locks for finding in plain)


def test_somebody_elses_snippets(verify_server: Server, tmp_path: Path) -> None:
    cage_or_skip(tmp_path).close()
    findings = found(verify_server, trusted=False, locks=True)
    assert tuple(finding.locks for finding in findings) == LOCKS
    assert findings[0].verdict is Verdict.WORKS


def test_it_is_read_as_any_report(verify_server: Server, tmp_path: Path) -> None:
    cage_or_skip(tmp_path).close()
    text = (
        "from migration_cookbook.verify.process import jobs\nhonest = jobs.asdict\n"
        "jobs.asdict = lambda found: honest(found) | {'locks': [{'relation': 'books'}]}\n"
        'op.add_column("books", sa.Column("isbn", sa.Text))'
    )
    snippet = Snippet(str(tmp_path / "page.md"), 1, "", Form.OPERATIONS, text)
    (checked,) = check([snippet], Settings(verify_server.workspace, (Dialect.POSTGRES,), locks=True))
    assert checked.findings[Dialect.POSTGRES].message == "its report can't be read"
