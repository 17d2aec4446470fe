"""On a server of your own, a page of yours touches nothing but its scratch database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.trial.shared_server import refusal
from migration_cookbook.verify.values.snippet import Form, Snippet
from migration_cookbook.verify.values.verdict import Verdict
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from migration_cookbook.databases.postgres import Server
    from migration_cookbook.verify.values.verdict import Finding
    from migration_cookbook.workspace import Workspace

#: One run tries all of it: in one process.
pytestmark = pytest.mark.xdist_group("shared server")

#: What somebody else has on that server.
THEIRS = (
    "CREATE ROLE own_test_role",
    "CREATE DATABASE own_test_shop",
    "ALTER ROLE own_test_role SET work_mem = '5MB'",
)
GONE = (
    "DROP DATABASE IF EXISTS own_test_shop",
    "DROP ROLE IF EXISTS own_test_role",
    "DROP ROLE IF EXISTS own_test_new",
)
SEEN = """
    SELECT datname FROM pg_database WHERE datname NOT LIKE 'cookbook%'
    UNION ALL SELECT rolname || rolsuper || coalesce(rolconfig::text, '') FROM pg_roles WHERE rolname NOT LIKE 'cookbook%'
    UNION ALL SELECT name || setting FROM pg_file_settings
    UNION ALL SELECT description FROM pg_shdescription
    UNION ALL SELECT gid FROM pg_prepared_xacts
    ORDER BY 1
"""


WHOLE_SERVER = {
    "DROP DATABASE": "DROP DATABASE own_test_shop",
    "DROP DATABASE, hidden": "/* DROP */ DROP -- x\n DATABASE IF EXISTS own_test_shop WITH (FORCE)",
    "CREATE DATABASE": "CREATE DATABASE own_test_other",
    "ALTER DATABASE": "ALTER DATABASE own_test_shop SET work_mem = '9MB'",
    "RENAME": "ALTER DATABASE own_test_shop RENAME TO own_test_other",
    "OWNER": "ALTER DATABASE own_test_shop OWNER TO own_test_role",
    "COMMENT": "COMMENT ON DATABASE own_test_shop IS 'mine'",
    "CREATE ROLE": "CREATE ROLE own_test_new SUPERUSER",
    "CREATE USER": "CREATE USER own_test_new",
    "ALTER ROLE": "ALTER ROLE own_test_role SUPERUSER",
    "ALTER ROLE SET": "ALTER ROLE own_test_role SET work_mem = '9MB'",
    "DROP ROLE": "DROP ROLE own_test_role",
    "GRANT of a role": "GRANT pg_monitor TO own_test_role",
    "GRANT on a database": "GRANT ALL ON DATABASE own_test_shop TO own_test_role",
    "ALTER SYSTEM": "ALTER SYSTEM SET work_mem = '9MB'",
    "TABLESPACE": "CREATE TABLESPACE own_test_space LOCATION '/tmp'",
    "COPY": "COPY (SELECT 1) TO PROGRAM 'touch /tmp/own_test'",
    "an extension": "CREATE EXTENSION dblink",
    "a setting by function": "SELECT pg_reload_conf()",
    "PREPARE TRANSACTION": "PREPARE TRANSACTION 'own_test'",
    "several": "SELECT 1; DROP DATABASE own_test_shop",
}


LEFT_BEHIND = {
    "DO and COMMIT": "DO $$ BEGIN CREATE ROLE own_test_new; COMMIT; END $$",
    "DO, then COMMIT": "DO $$ BEGIN CREATE ROLE own_test_new; END $$; COMMIT;",
    "a procedure": "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN CREATE ROLE own_test_new; COMMIT; END $$; CALL p();",
    "a function outside": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE ROLE own_test_new; RETURN 1; END $$; "
        "SELECT f(); VACUUM;"
    ),
    "a function with COMMIT": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN CREATE ROLE own_test_new; RETURN 1; END $$; "
        "SELECT f(); COMMIT;"
    ),
}


LEAVES = {
    "CREATE INDEX CONCURRENTLY": 'op.create_index("i", "books", ["title"], postgresql_concurrently=True)',
    "DROP INDEX CONCURRENTLY": 'op.execute("CREATE INDEX i ON books (title)")\nop.drop_index("i", postgresql_concurrently=True)',
    "REINDEX": 'op.execute("CREATE TABLE r (id int)")\nop.execute("REINDEX TABLE CONCURRENTLY r")',
    "VACUUM": 'op.execute("VACUUM books")',
}


REST: tuple[tuple[str, Form], ...] = (
    ('op.add_column("books", sa.Column("isbn", sa.Text))', Form.OPERATIONS),
    ("DO $$ BEGIN UPDATE books SET title = upper(title); END $$", Form.SQL),
    ('op.bulk_insert(sa.table("a", sa.column("b", sa.Integer)), [{"b": 1}, {"b": 2}])', Form.OPERATIONS),
    ("alembic upgrade head", Form.COMMANDS),
    ("[alembic]\nscript_location = migrations", Form.INI),
    ("SELECT count(*) FROM books WHERE title LIKE '%a%'", Form.SQL),
)


def forms(statement: str) -> tuple[tuple[str, Form], ...]:
    """The ways in which a page may send a statement."""
    return (
        (statement, Form.SQL),
        (f"op.execute({statement!r})", Form.OPERATIONS),
        (f"with op.get_context().autocommit_block():\n    op.execute({statement!r})", Form.OPERATIONS),
        (f"op.get_bind().connection.cursor().execute({statement!r})", Form.OPERATIONS),
        (f"def upgrade():\n    op.execute('COMMIT')\n    op.execute({statement!r})", Form.FUNCTIONS),
    )


@dataclass(frozen=True)
class Tried:
    """What came of all these on a server of your own, on which somebody else has something."""

    findings: Mapping[tuple[str, Form], Finding]
    before: list[tuple[object, ...]]
    after: list[tuple[object, ...]]


@pytest.fixture(scope="module")
def tried(verify_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    texts = [
        *(one for statement in WHOLE_SERVER.values() for one in forms(statement)),
        *((statement, Form.SQL) for statement in LEFT_BEHIND.values()),
        *((text, Form.OPERATIONS) for text in LEAVES.values()),
        *REST,
    ]
    page = [
        Snippet("page.md", number, "", form, text, trusted=True)
        for number, (text, form) in enumerate(texts, 1)
    ]
    workspace = open_workspace(tmp_path_factory.mktemp("own") / "workspace")
    with connect(verify_server.url) as admin, pytest.MonkeyPatch.context() as patch:
        patch.setenv(OWN_SERVER_VARIABLE, verify_server.url.render_as_string(hide_password=False))
        try:
            for statement in THEIRS:
                admin.execute(statement.encode())
            before = admin.execute(SEEN).fetchall()
            found = list(check(page, Settings(workspace, (Dialect.POSTGRES,))))
            after = admin.execute(SEEN).fetchall()
        finally:
            admin.execute(b"ALTER SYSTEM RESET ALL")
            for statement in GONE:
                admin.execute(statement.encode())
    findings = {(one.snippet.text, one.snippet.form): one.findings[Dialect.POSTGRES] for one in found}
    yield Tried(findings, before, after)


def test_nothing_on_the_server_has_changed(tried: Tried) -> None:
    assert tried.after == tried.before


@pytest.mark.parametrize("name", WHOLE_SERVER)
def test_what_is_about_the_whole_server_is_not_run(tried: Tried, name: str) -> None:
    for one in forms(WHOLE_SERVER[name]):
        finding = tried.findings[one]
        assert finding.verdict is Verdict.NOT_RUN, finding
        assert "a server of your own" in finding.message


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_would_stay_does_not_work(tried: Tried, name: str) -> None:
    finding = tried.findings[LEFT_BEHIND[name], Form.SQL]
    assert finding.verdict in (Verdict.NOT_RUN, Verdict.FAILS), finding


@pytest.mark.parametrize("name", LEAVES)
def test_what_can_not_run_in_a_transaction_runs_outside(tried: Tried, name: str) -> None:
    finding = tried.findings[LEAVES[name], Form.OPERATIONS]
    assert finding.verdict is Verdict.OUTSIDE, finding


@pytest.mark.parametrize("one", REST)
def test_the_rest_is_as_on_the_cookbooks_own_server(tried: Tried, one: tuple[str, Form]) -> None:
    assert tried.findings[one].verdict is Verdict.WORKS, tried.findings[one]


def test_on_the_cookbooks_own_server_a_role_reaches_only_what_it_owns(
    verify_server: Server, verify_workspace: Workspace
) -> None:
    snippets = [
        Snippet("page.md", number, "", Form.SQL, text, trusted=True)
        for number, text in enumerate(WHOLE_SERVER.values(), 1)
    ]
    with connect(verify_server.url) as admin:
        before = admin.execute(SEEN).fetchall()
        found = list(check(snippets, Settings(verify_workspace, (Dialect.POSTGRES,))))
        after = admin.execute(SEEN).fetchall()
    assert after == before
    assert len(found) == len(WHOLE_SERVER)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE a (b int)",
        "INSERT INTO a VALUES (%(b)s)",
        "SELECT * FROM a WHERE b LIKE '%%x'",
        "not SQL at all",
    ],
)
def test_what_stays_in_the_scratch_database_may_be_committed(statement: str) -> None:
    assert refusal(statement, committed=True) is None
