"""Somebody else's snippet may try what it likes: it gets a verdict, the run goes on, nothing outside has changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cages import cage_or_skip

from migration_cookbook.databases import cluster, throwaway
from migration_cookbook.databases.connections import connect
from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.verify.containment import ContainedWorker
from migration_cookbook.verify.process import quarantine
from migration_cookbook.verify.process.checking import Settings, check
from migration_cookbook.verify.values.snippet import Form, Snippet, changes_libraries
from migration_cookbook.verify.values.verdict import Finding, Verdict
from migration_cookbook.worker import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from migration_cookbook.databases.postgres import Server

#: One run makes all attacks, and takes a minute: in one process.
pytestmark = pytest.mark.xdist_group("hostile")

SQLITE, POSTGRES = Dialect.SQLITE, Dialect.POSTGRES
FAILS, NOT_DECIDED = (Verdict.FAILS,), (Verdict.NOT_DECIDED,)
NO_PASS = (Verdict.FAILS, Verdict.NOT_DECIDED, Verdict.NEEDS_CONTEXT)

GOOD = 'op.add_column("books", sa.Column("isbn", sa.Text))'


@dataclass(frozen=True)
class Attack:
    """A snippet of which something bad is to be feared."""

    text: str
    verdicts: tuple[Verdict, ...]
    #: A part of the message.
    message: str = ""
    form: Form = Form.OPERATIONS
    dialects: tuple[Dialect, ...] = BOTH


#: Reports in place of its process what it likes.
FORGED = """
import json, os
from dataclasses import asdict
from migration_cookbook.verify.values.outcome import Trial
report = asdict(Trial("done", sent=("SELECT 1",), ran=1))
§CHANGE§
for fd in range(3, 128):
    try: os.write(fd, json.dumps({"how": "returned", "value": [report]}).encode() + b"\\n")
    except OSError: pass
os._exit(0)
"""

#: What isn't to be read isn't there at all, where the kernel allows that.
OUT_OF_REACH = (Verdict.FAILS, Verdict.NEEDS_CONTEXT)
UNREACHABLE = "Permission denied|No such file or directory|Read-only file system"

#: The guard prevents accidents. Whoever means harm takes it away, and meets the cage.
PAST_THE_GUARD = "from migration_cookbook.databases import guard\nguard._blocks = ()\n"

#: Words in capitals between § stand for what the test knows of the outside.
ATTACKS = {
    "endless loop": Attack("while True: pass", NOT_DECIDED, "it ran for more than 3 seconds"),
    "endless loop that nothing stops": Attack(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass", NOT_DECIDED
    ),
    "memory": Attack("held = []\nwhile True: held.append(bytearray(2**24))", NO_PASS),
    "shared memory": Attack(
        "import mmap\nheld = []\nwhile True:\n    held.append(mmap.mmap(-1, 2**28))", FAILS, "allocate memory"
    ),
    "output without end": Attack("while True: print('x' * 100_000)", NO_PASS),
    "a disk full": Attack("file = open('x', 'wb')\nwhile True: file.write(b'x' * 2**20)", FAILS, "too large"),
    "folders without end": Attack("import os\nwhile True:\n    os.mkdir('x')\n    os.chdir('x')", NO_PASS),
    "os.system": Attack("import os\nassert os.system('touch §OUTSIDE§.new') == 0", FAILS, "AssertionError"),
    "subprocess": Attack(
        "import subprocess\nsubprocess.run(['touch', '§OUTSIDE§.new'])", FAILS, "not permitted"
    ),
    "subclasses": Attack(
        "found = [one for one in ().__class__.__base__.__subclasses__() if one.__name__ == 'Popen']\n"
        "found[0](['touch', '§OUTSIDE§.new'])",
        FAILS,
        "not permitted",
    ),
    "builtins of a frame": Attack(
        "import sys\nframe = sys._getframe()\nwhile frame.f_back: frame = frame.f_back\n"
        "frame.f_builtins['open']('§OUTSIDE§', 'w')",
        OUT_OF_REACH,
        UNREACHABLE,
    ),
    "machine code": Attack(
        "import ctypes\nassert ctypes.CDLL(None).system(b'touch §OUTSIDE§.new') == 0", FAILS, "AssertionError"
    ),
    "another user": Attack(
        "url = op.get_bind().engine.url.set(username='postgres')\n"
        "sa.create_engine(url).connect().exec_driver_sql('CREATE ROLE mine SUPERUSER')",
        FAILS,
        "password authentication failed",
        dialects=(POSTGRES,),
    ),
    "another database": Attack(
        "url = op.get_bind().engine.url.set(database='postgres')\n"
        "sa.create_engine(url).connect().exec_driver_sql('CREATE TABLE mine (id integer)')",
        (Verdict.NEEDS_CONTEXT,),
        "it connects to postgresql://",
        dialects=(POSTGRES,),
    ),
    "another database past the guard": Attack(
        PAST_THE_GUARD + "url = op.get_bind().engine.url.set(database='postgres')\n"
        "sa.create_engine(url).connect().exec_driver_sql('CREATE TABLE mine (id integer)')",
        FAILS,
        "permission denied for database",
        dialects=(POSTGRES,),
    ),
    "the cookbook's own server": Attack(
        PAST_THE_GUARD + "import psycopg\nurl = op.get_bind().engine.url\n"
        "one = psycopg.connect(f'host=§SOCKETS§ user={url.username} password={url.password} dbname={url.database}')\n"
        "found = one.execute(\"SELECT count(*) FROM pg_roles WHERE rolname LIKE 'cookbook%'\").fetchone()\n"
        "assert found != (0,), 'nobody of the cookbook is here'",
        FAILS,
        "nobody of the cookbook is here",
        dialects=(POSTGRES,),
    ),
    "all advisory locks": Attack(
        "SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 200000) n",
        NOT_DECIDED,
        "out of shared memory",
        Form.SQL,
        (POSTGRES,),
    ),
    "connections that never say who": Attack(
        "import socket, time\nheld = []\n"
        "while True:\n    one = socket.socket(socket.AF_UNIX)\n    one.connect('any')\n    held.append(one)",
        NO_PASS,
    ),
    "a disk full by SQL": Attack(
        "CREATE TABLE x AS SELECT repeat(md5(n::text), 60) AS y FROM generate_series(1, 1000000) n",
        NO_PASS,
        "",
        Form.SQL,
        (POSTGRES,),
    ),
    "a disk full by many files": Attack(
        "n = 0\nwhile True:\n    n += 1\n    open(f'x{n}', 'wb').write(b'x' * 2**25)",
        NOT_DECIDED,
        "it wrote more",
    ),
    "a server's memory": Attack(
        "SELECT length(string_agg(repeat('x', 1000000), '')) FROM generate_series(1, 900)",
        NO_PASS,
        "",
        Form.SQL,
        (POSTGRES,),
    ),
    "another server": Attack(
        "import socket\nsocket.create_connection(('127.0.0.1', 5432))",
        FAILS,
        "not permitted",
    ),
    "a socket elsewhere": Attack(
        "import socket\none = socket.socket(socket.AF_UNIX)\none.connect('§SOCKET§')\none.send(b'x')\n"
        "import time\ntime.sleep(0.2)\none.recv(1)\nraise AssertionError('somebody answered')",
        FAILS,
    ),
    "a connection of SQLite's": Attack(
        PAST_THE_GUARD
        + "import sqlite3\nsqlite3.connect('§OUTSIDE§.new').execute('CREATE TABLE mine (id integer)')",
        FAILS,
        "unable to open",
    ),
    "ATTACH": Attack(
        "op.execute(\"ATTACH '§OUTSIDE§.new' AS mine\")",
        (Verdict.NEEDS_CONTEXT,),
        "another SQLite file",
        dialects=(SQLITE,),
    ),
    "ATTACH in SQL": Attack(
        "ATTACH '§OUTSIDE§' AS mine; CREATE TABLE mine.x (id integer)",
        (Verdict.NEEDS_CONTEXT,),
        "another SQLite file",
        form=Form.SQL,
        dialects=(SQLITE,),
    ),
    "ATTACH past the guard": Attack(
        PAST_THE_GUARD
        + "import _sqlite3\n_sqlite3.connect('§OUTSIDE§.new').execute(\"ATTACH '§OUTSIDE§' AS mine\")",
        FAILS,
        "unable to open",
        dialects=(SQLITE,),
    ),
    "RESET ROLE": Attack("RESET ROLE; CREATE ROLE mine SUPERUSER", FAILS, "ermission", Form.SQL, (POSTGRES,)),
    "SET SESSION AUTHORIZATION": Attack(
        "SET SESSION AUTHORIZATION postgres", FAILS, "permission denied", Form.SQL, (POSTGRES,)
    ),
    "variables of libpq": Attack(
        PAST_THE_GUARD
        + "import os, psycopg\nos.environ |= {'PGUSER': 'postgres', 'PGDATABASE': 'postgres', 'PGHOST': '§SOCKETS§'}\n"
        "psycopg.connect()",
        FAILS,
        "no password supplied",
        dialects=(POSTGRES,),
    ),
    ".pgpass": Attack(
        PAST_THE_GUARD + "import os, psycopg\nos.environ['PGPASSFILE'] = '§OUTSIDE§'\n"
        "psycopg.connect('host=§SOCKETS§ user=postgres dbname=postgres')",
        FAILS,
        "no password supplied",
        dialects=(POSTGRES,),
    ),
    "the environment": Attack("import os\nraise Exception(os.environ['COOKBOOK_HOME'])", NO_PASS),
    "the server's password": Attack(
        "open('§WORKSPACE§/databases/server.json').read()", OUT_OF_REACH, UNREACHABLE
    ),
    "the journal": Attack("import os\nos.listdir('§WORKSPACE§/databases')", OUT_OF_REACH, UNREACHABLE),
    "the keys of SSH": Attack("import os\nos.listdir('§HOME§')", FAILS, "Permission denied"),
    "a secret": Attack("raise Exception(open('§OUTSIDE§').read())", OUT_OF_REACH, UNREACHABLE),
    "pg_hba.conf": Attack(
        "open('§DATA§/pg_hba.conf', 'a').write('local all all trust')", OUT_OF_REACH, UNREACHABLE
    ),
    "the checkout": Attack("open('§CHECKOUT§/README.md', 'a').write('mine')", OUT_OF_REACH, UNREACHABLE),
    "a library": Attack(
        "import alembic\nopen(alembic.__file__, 'a').write('mine')", FAILS, "Permission denied"
    ),
    "killing the server": Attack("import os\nos.kill(§POSTMASTER§, 9)", FAILS, "not permitted"),
    "killing the parent": Attack("import os\nos.kill(os.getppid(), 9)", FAILS, "not permitted"),
    "killing the run": Attack("import os, signal\nos.kill(§RUN§, signal.SIGKILL)", FAILS, "not permitted"),
    "killing all": Attack("import os\nos.kill(-1, 9)", FAILS, "not permitted"),
    "its own end": Attack("import os\nos._exit(0)", NOT_DECIDED, "can't be read"),
    "its own violent end": Attack("import os\nos.kill(os.getpid(), 9)", NOT_DECIDED, "SIGKILL"),
    "a forged verdict": Attack(
        """
import json, os
from dataclasses import asdict
from migration_cookbook.verify.values.outcome import Trial
report = asdict(Trial("done", sent=("DROP TABLE x",), ran=1, changes=("- table x",), fingerprint="0" * 64))
for fd in range(3, 128):
    try: os.write(fd, json.dumps({"how": "returned", "value": [report]}).encode() + b"\\n")
    except OSError: pass
os._exit(0)
""",
        NOT_DECIDED,
        "isn't what's in the database",
    ),
    "a forged verdict of another form": Attack(
        """
import os
for fd in range(3, 128):
    try: os.write(fd, b'{"how": "returned", "value": [{"ended": "done", "ran": 1}]}\\n')
    except OSError: pass
os._exit(0)
""",
        NOT_DECIDED,
        "its report can't be read",
    ),
    "a forged end": Attack(
        FORGED.replace("§CHANGE§", "report['ended'] = 'whatever'"), NOT_DECIDED, "its report can't be read"
    ),
    "a forged number": Attack(
        FORGED.replace("§CHANGE§", "report['ran'] = 10**400"), NOT_DECIDED, "its report can't be read"
    ),
    "a forged number that is none": Attack(
        FORGED.replace("§CHANGE§", "report['ran'] = float('nan')"), NOT_DECIDED, "its report can't be read"
    ),
    "a forged lock": Attack(
        FORGED.replace(
            "§CHANGE§",
            "report['locks'] = [dict(relation='x', mode='NONE', rewritten=False, waiting=[], made=False)]",
        ),
        NOT_DECIDED,
        "its report can't be read",
    ),
    "a forged text without end": Attack(
        FORGED.replace("§CHANGE§", "report['sent'] = ['x' * 210_000]"),
        NOT_DECIDED,
        "its report can't be read",
    ),
    "a forged list without end": Attack(
        FORGED.replace("§CHANGE§", "report['sent'] = [''] * 6_000"), NOT_DECIDED, "its report can't be read"
    ),
    "half a letter": Attack("raise Exception('\\ud800')", FAILS, "\ufffd"),
    "a report that was bent": Attack(
        "from migration_cookbook.verify.trial import trial\n"
        "trial.schema.fingerprint = lambda schema: 'f' * 64\n" + GOOD,
        NOT_DECIDED,
        "isn't what's in the database",
    ),
    "work that is taken back": Attack(
        """
import gc, sqlalchemy as sa
from migration_cookbook import schema
from migration_cookbook.verify.trial import trial
honest = schema.fingerprint
def fingerprint(found):
    mark = honest(found)
    for one in gc.get_objects():
        if isinstance(one, sa.Connection) and not one.closed:
            one.exec_driver_sql("DROP TABLE shelves")
            one.commit()
    return mark
trial.schema.fingerprint = fingerprint
op.create_table("shelves", sa.Column("id", sa.Integer, primary_key=True))
""",
        NO_PASS,
    ),
    "escapes for the terminal": Attack("raise Exception('\\x1b[2J\\x1b]0;mine\\x07')", FAILS, "\ufffd[2J"),
    "poison": Attack(
        "import alembic.op, sqlalchemy\nfor module in (alembic.op, sqlalchemy):\n"
        "    for name in list(vars(module)):\n        setattr(module, name, None)",
        (*NO_PASS, Verdict.NOTHING_RAN),
    ),
    "no timeout": Attack(
        "SET statement_timeout = 0; SELECT pg_sleep(60)", NOT_DECIDED, "3 sec", Form.SQL, (POSTGRES,)
    ),
    "a long computation": Attack(
        "SELECT count(*) FROM generate_series(1, 10000000000)", NOT_DECIDED, "", Form.SQL, (POSTGRES,)
    ),
    "a text that breaks its reader": Attack("-" * 200_000 + "1", FAILS, "nested too deeply"),
    "a lock that stays": Attack(
        "import os, time\nop.execute('CREATE TABLE x (id integer)')\n"
        "op.execute('LOCK TABLE x')\nop.execute('SELECT pg_sleep(60)')",
        NOT_DECIDED,
        dialects=(POSTGRES,),
    ),
    "COPY TO PROGRAM": Attack(
        "COPY (SELECT 1) TO PROGRAM 'touch §OUTSIDE§.new'", FAILS, "ermission denied", Form.SQL, (POSTGRES,)
    ),
    "COPY TO a file": Attack(
        "COPY (SELECT 1) TO '§OUTSIDE§.new'", FAILS, "ermission denied", Form.SQL, (POSTGRES,)
    ),
    "a file by SQL": Attack(
        "SELECT pg_read_file('pg_hba.conf')", FAILS, "permission denied", Form.SQL, (POSTGRES,)
    ),
    "a language without limits": Attack(
        "CREATE FUNCTION f() RETURNS text LANGUAGE plpython3u AS 'return 1'", FAILS, "", Form.SQL, (POSTGRES,)
    ),
    "DROP DATABASE": Attack("DROP DATABASE postgres WITH (FORCE)", FAILS, "", Form.SQL, (POSTGRES,)),
    "DROP DATABASE of its own": Attack(
        "name = op.get_bind().engine.url.database\n"
        "with op.get_context().autocommit_block(): op.execute(f'DROP DATABASE \"{name}\"')",
        FAILS,
        "currently open",
        dialects=(POSTGRES,),
    ),
    "ending others' sessions": Attack(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        FAILS,
        "ermission denied",
        Form.SQL,
        (POSTGRES,),
    ),
}

#: What it may do to its own database must not keep the run from going on.
MISCHIEF = {
    "its password": "ALTER ROLE CURRENT_USER PASSWORD 'another'",
    "its database's settings": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());"
        " EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 0', current_database());"
        " EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), current_user); END $$"
    ),
    "the path of names": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());"
        " END $$; CREATE FUNCTION public.format_type(oid, integer) RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN CREATE ROLE mine SUPERUSER; RETURN 'x'; END $$"
    ),
}


@dataclass(frozen=True)
class Outside:
    """What must be as before."""

    words: Mapping[str, str]
    files: tuple[Path, ...]
    #: Where the folders of strangers are made.
    scratch: Path
    server: Server

    def mark(self) -> str:
        """Another one whenever something has changed."""
        seen = hashlib.sha256()
        for file in self.files:
            seen.update(f"{file} {file.exists()}".encode())
            if file.is_file():
                seen.update(file.read_bytes())
        with connect(self.server.url) as connection:
            query = "SELECT rolname, rolsuper FROM pg_roles UNION ALL SELECT datname, false FROM pg_database ORDER BY 1"
            seen.update(repr(connection.execute(query.encode()).fetchall()).encode())
            count = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
            seen.update(repr(connection.execute(count.encode()).fetchall()).encode())
        return seen.hexdigest()


@pytest.fixture(scope="module")
def outside(verify_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    cage_or_skip(tmp_path_factory.mktemp("cage")).close()
    folder = tmp_path_factory.mktemp("outside")
    secret = folder / "secret"
    secret.write_text("*:*:*:postgres:precious\n")
    secret.chmod(0o600)
    known = cluster.known(verify_server.workspace)
    assert known is not None
    checkout = Path(__file__).parents[2]
    words = {
        "OUTSIDE": str(secret),
        "WORKSPACE": str(verify_server.workspace.root),
        "HOME": str(Path.home()),
        "DATA": str(known.data),
        "CHECKOUT": str(checkout),
        "SOCKETS": str(known.sockets),
        "SOCKET": str(folder / "socket"),
        "POSTMASTER": str(known.pid()),
        "RUN": str(os.getpid()),
    }
    import alembic

    files = (
        secret,
        secret.with_name("secret.new"),
        Path("/tmp/mine"),
        verify_server.workspace.databases / "server.json",
        known.data / "pg_hba.conf",
        checkout / "README.md",
        Path(alembic.__file__),
    )
    scratch = Path(tempfile.mkdtemp(dir=throwaway._MEMORY if throwaway._MEMORY.is_dir() else folder))
    # The server runs as somebody else where we are root.
    scratch.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setattr(throwaway, "_MEMORY", scratch)
        yield Outside(words, files, scratch, verify_server)
    shutil.rmtree(folder)
    scratch.rmdir()


def tried(outside: Outside, *snippets: tuple[str, Form]) -> list[Mapping[Dialect, Finding]]:
    """What came of them on a page of somebody else's."""
    made = []
    for number, (text, form) in enumerate(snippets, 1):
        for word, meaning in outside.words.items():
            text = text.replace(f"§{word}§", meaning)
        assert UNREACHABLE not in text
        made.append(Snippet("somebody's page.md", number, "", form, text, alone=changes_libraries(text)))
    settings = Settings(outside.server.workspace)
    return [checked.findings for checked in check(made, settings)]


@dataclass(frozen=True)
class Survived:
    """What came of all attacks in one run, a good snippet after each."""

    findings: Mapping[str, Mapping[Dialect, Finding]]
    good: Mapping[str, Mapping[Dialect, Finding]]
    before: str
    after: str


@pytest.fixture(scope="module")
def survived(outside: Outside) -> Survived:
    names, snippets = [*ATTACKS, *MISCHIEF], []
    for attack in (*ATTACKS.values(), *(Attack(text, (), form=Form.SQL) for text in MISCHIEF.values())):
        snippets += [(attack.text, attack.form), (GOOD, Form.OPERATIONS)]
    before = outside.mark()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quarantine, "_LIMITS", Limits(seconds=3, memory=300 * 2**20))
        patch.setattr(quarantine, "_DISK", 256 * 2**20)
        found = tried(outside, *snippets)
    return Survived(
        dict(zip(names, found[::2], strict=True)),
        dict(zip(names, found[1::2], strict=True)),
        before,
        outside.mark(),
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_a_verdict_that_is_no_pass(name: str, survived: Survived) -> None:
    attack, found = ATTACKS[name], survived.findings[name]
    for dialect in attack.dialects:
        assert found[dialect].verdict in attack.verdicts, found[dialect]
        assert is_in(attack.message, found[dialect].message)


def is_in(words: str, message: str) -> bool:
    return any(one in message for one in words.split("|"))


@pytest.mark.parametrize("name", MISCHIEF)
def test_mischief_in_its_own_database_is_its_own_business(name: str, survived: Survived) -> None:
    assert survived.findings[name][POSTGRES].verdict in (Verdict.WORKS, *NO_PASS)


@pytest.mark.parametrize("name", [*ATTACKS, *MISCHIEF])
def test_the_next_one_is_as_if_nothing_had_been(name: str, survived: Survived) -> None:
    good = survived.good[name]
    assert {dialect: finding.verdict for dialect, finding in good.items()} == dict.fromkeys(
        BOTH, Verdict.WORKS
    ), good


def test_nothing_outside_has_changed(survived: Survived, outside: Outside) -> None:
    assert survived.after == survived.before
    assert nobody_is_left(outside)


def test_an_honest_snippet_gets_the_verdict_that_it_would_get_anywhere(
    outside: Outside,
) -> None:
    snippets = (
        (GOOD, Form.OPERATIONS),
        ('op.create_index("ix", "books", ["title"], postgresql_concurrently=True)', Form.OPERATIONS),
        ('op.alter_column("books", "title", nullable=False)', Form.OPERATIONS),
        ("CREATE TABLE x (id integer PRIMARY KEY)", Form.SQL),
        (
            'def upgrade():\n    op.add_column("a", sa.Column("b", sa.Integer))\ndef downgrade():\n    pass',
            Form.FUNCTIONS,
        ),
        ("def helper(): pass", Form.OPERATIONS),
        ("alembic upgrade head", Form.COMMANDS),
        ("[alembic]\nscript_location = migrations", Form.INI),
    )
    strange = tried(outside, *snippets)
    own = [
        checked.findings
        for checked in check(
            [Snippet("page.md", 1, "", form, text, trusted=True) for text, form in snippets],
            Settings(outside.server.workspace),
        )
    ]
    assert [{dialect: one.verdict for dialect, one in each.items()} for each in strange] == [
        {dialect: one.verdict for dialect, one in each.items()} for each in own
    ]
    assert {finding.verdict for finding in strange[0].values()} == {Verdict.WORKS}
    assert strange[1][POSTGRES].verdict is Verdict.OUTSIDE


def test_the_server_may_go_down_with_it(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    kill = "UPDATE books SET title = 'kill'"
    judged = quarantine.Quarantine._judged

    def fall_and_judge(self: Any, jobs: Any, trials: Any, scratch: Any) -> Any:
        if any(kill in getattr(trial, "sent", ()) for trial in trials) and scratch.socket:
            pid = (scratch.socket.parent.parent / "data" / "postmaster.pid").read_text().split("\n")[0]
            os.kill(int(pid), signal.SIGKILL)
        return judged(self, jobs, trials, scratch)

    monkeypatch.setattr(quarantine.Quarantine, "_judged", fall_and_judge)
    found, next_one = tried(outside, (kill, Form.SQL), (GOOD, Form.OPERATIONS))
    assert found[POSTGRES].verdict is Verdict.NOT_DECIDED
    assert next_one[POSTGRES].verdict is Verdict.WORKS
    assert nobody_is_left(outside)


def test_a_page_has_so_much_time_and_no_more(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "_PAGE_S", 2.0)
    monkeypatch.setattr(quarantine, "_SNIPPET_S", 0.0)
    endless, good = tried(outside, ("while True: pass", Form.OPERATIONS), (GOOD, Form.OPERATIONS))
    for finding in (*endless.values(), *good.values()):
        assert finding.verdict is Verdict.NOT_DECIDED
    assert good[SQLITE].message == "the page has used up its 2 seconds"


def test_where_it_can_not_be_contained_it_is_not_run(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Powerless(ContainedWorker):
        def __init__(self, *preload: str) -> None:
            super().__init__("without_landlock", *preload)

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(quarantine, "ContainedWorker", Powerless)
    (found,) = tried(outside, (GOOD, Form.OPERATIONS))
    for finding in found.values():
        assert finding.verdict is Verdict.NOT_RUN
        assert finding.message.startswith("needs --trust: the kernel offers no Landlock")


def nobody_is_left(outside: Outside) -> bool:
    """Whether all servers and folders of strangers are gone, if not at once then in a moment."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        servers = [one for one in Path("/proc").glob("[0-9]*/cwd") if leads_below(one, outside.scratch)]
        if not servers and not list(outside.scratch.iterdir()):
            return True
        time.sleep(0.05)
    return False


def leads_below(link: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return link.readlink().is_relative_to(folder)
    return False
