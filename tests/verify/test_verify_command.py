"""`cookbook verify`: what it says, and the status it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import cli
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from repositories import git, known_author, made_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.databases.postgres import Server

    Verify = Callable[..., tuple[int, str, str]]

ADD = 'op.add_column("books", sa.Column("isbn", sa.String(13)))'
GOOD = f"# Good\n\n```python\n{ADD}\n```\n"
BAD = "# Bad\n\n```python\nop.add_colum('books', sa.Column('isbn', sa.String(13)))\n```\n"


@pytest.fixture
def verify(
    verify_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verify:
    """Runs the command beside some pages of a checkout; gives its status, stdout and stderr."""
    known_author(tmp_path, monkeypatch)
    checkout = made_here(tmp_path / "checkout")
    monkeypatch.chdir(checkout)

    def run(*words: str, **pages: str) -> tuple[int, str, str]:
        for name, text in pages.items():
            Path(f"{name}.md").write_text(text)
        git(checkout, "add", "-A")
        try:
            status = cli.main(["verify", *words])
        except SystemExit as ended:
            status = int(str(ended.code))
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def test_all_as_declared_is_0(verify: Verify) -> None:
    declared = (
        '```python {sqlite="fails: syntax error"}\nop.alter_column("books", "title", nullable=False)\n```\n'
    )
    status, out, err = verify("good.md", good=GOOD + declared)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "2 snippets in 1 file: 2 as declared."
    assert "✓ fails" in out


def test_locks_are_seen_by_those_who_must_wait(verify: Verify) -> None:
    outside = '```python {sqlite=fails postgres=outside}\nop.execute("CREATE INDEX CONCURRENTLY i ON books (id)")\n```\n'
    helper = "```python\ndef drop(name):\n    op.drop_column('books', name)\n```\n\n```python\ndrop('title')\n```\n"
    skipped = '```python {skip="later"}\nop.drop_table("a")\n```\n'
    status, out, _ = verify("page.md", "--locks", page="\n".join((GOOD, outside, helper, skipped)))
    assert status == 0
    told = out.partition("Locks:\n")[2]
    added, concurrently, dropped = (
        told.partition(f"page.md:{line}\n")[2].split("\n\n")[0] for line in (4, 8, 17)
    )
    assert "PostgreSQL: works\n    lock: ACCESS EXCLUSIVE on books: SELECT, INSERT and UPDATE wait" in added
    assert "lock: SHARE UPDATE EXCLUSIVE on books: nobody waits" in concurrently
    assert "lock: ACCESS EXCLUSIVE on books: SELECT, INSERT and UPDATE wait" in dropped
    assert "lock" not in verify("page.md")[1]
    assert "lock" not in verify("page.md", "--locks", "--on", "sqlite")[1]


def test_a_rewrite_is_seen(verify: Verify) -> None:
    page = '```sql {on=postgres given="CREATE TABLE a (b int); INSERT INTO a VALUES (1)"}\nALTER TABLE a ALTER b TYPE bigint;\n```\n'
    status, out, _ = verify("page.md", "--locks", page=page)
    assert status == 0
    assert "lock: ACCESS EXCLUSIVE on a, rewritten: SELECT, INSERT and UPDATE wait\n" in out


def test_what_the_readme_shows_is_so(verify: Verify) -> None:
    status, out, _ = verify(str(Path(__file__).parents[2] / "README.md"))
    assert status == 0
    assert "1 snippet in 1 file: 1 as declared." in out


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (BAD, "1 snippet in 1 file: 1 not as declared."),
        (
            "# No snippet\n\n```text\nwords\n```\n",
            "No snippet was found, so nothing was checked. 1 piece of other text",
        ),
        ("", "No snippet was found, so nothing was checked."),
        (GOOD.replace("python", "python {sqlite=fails}"), "declared is “fails”, but it works"),
        (f"{GOOD}\n```python {{sqlight=fails}}\n{ADD}\n```\n", "page.md:7: there is no `sqlight` to declare"),
        ("```python\ndef helper():\n    op.drop_table('a')\n```\n", "nothing ran"),
        ('```python\nop.execute("CREATE INDEX CONCURRENTLY i ON books (id)")\n```\n', "outside"),
    ],
)
def test_all_else_is_1(verify: Verify, page: str, said: str) -> None:
    status, out, _ = verify("page.md", page=page)
    assert status == 1
    assert said in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.md"], "cookbook: There is no gone.md. Name a file or a folder that exists."),
        (["picture.png"], "cookbook: picture.png can't be read for snippets."),
        (["good.md", "--on", "mysql"], "invalid choice: 'mysql'"),
        (["good.md", "--format", "pdf"], "invalid choice: 'pdf'"),
        ([], "the following arguments are required: PATH"),
    ],
)
def test_a_wrong_call_is_2(verify: Verify, words: list[str], said: str) -> None:
    Path("picture.png").write_bytes(b"")
    status, out, err = verify(*words, good=GOOD)
    assert (status, out) == (2, "")
    assert said in err


def test_a_page_that_can_not_be_read_keeps_nobody_from_reading_the_others(verify: Verify) -> None:
    Path("latin.md").write_bytes(b"\xe4")
    status, out, _ = verify(".", good=GOOD, open=f"```python\n{ADD}\n")
    assert status == 1
    assert "latin.md:1: this is not UTF-8. Save the file as UTF-8.\n" in out
    assert "open.md:1: this fence is never closed; close it with ```.\n" in out
    assert out.splitlines()[-1] == "1 snippet in 1 file: 1 as declared. 2 pages could not be read."


def test_a_file_named_twice_is_checked_once(verify: Verify) -> None:
    _, out, _ = verify("good.md", ".", "good.md", good=GOOD)
    assert out.splitlines()[-1] == "1 snippet in 1 file: 1 as declared."


def test_one_database_alone(verify: Verify) -> None:
    page = "---\ndatabases: [postgres]\n---\n\n```sql\nALTER TABLE books ALTER COLUMN title TYPE text;\n```\n"
    status, out, _ = verify("postgres.md", "good.md", "--on", "sqlite", postgres=page, good=GOOD)
    assert status == 0
    assert "PostgreSQL" not in out
    assert out.splitlines()[-1] == "1 snippet in 1 file: 1 as declared."
    status, out, _ = verify("postgres.md")
    assert status == 0
    assert "– not meant" in out
    assert verify("postgres.md", "--on", "sqlite")[0] == 1


def test_the_sql_and_the_assumed_world_are_shown_when_asked_for(verify: Verify) -> None:
    _, out, _ = verify("good.md", "--show", "sql", good=GOOD)
    assert "ALTER TABLE books ADD COLUMN isbn VARCHAR(13);" in out
    assert "CREATE TABLE books (" in out
    assert "ALTER TABLE" not in verify("good.md")[1]


def test_a_run_says_the_same_twice(verify: Verify) -> None:
    first = verify(".", "--format", "json", good=GOOD, bad=BAD)
    assert verify(".", "--format", "json") == first
    content = json.loads(first[1])
    assert [each["file"] for each in content["snippets"]] == ["bad.md", "good.md"]
    assert "0x" not in first[1]
    assert str(Path.cwd()) not in first[1]


def test_postgresql_that_is_not_to_be_had_is_said(verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWN_SERVER_VARIABLE, "postgresql+psycopg://nobody@127.0.0.1:1/none")
    status, out, _ = verify("good.md", good=GOOD)
    assert status == 1
    assert "✓ works" in out
    assert "✗ not run" in out
    assert verify("good.md", "--on", "sqlite")[0] == 0


def test_the_bar_is_on_stderr_and_only_in_a_terminal(verify_server: Server, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    command = [sys.executable, "-m", "migration_cookbook.cli", "verify", "good.md", "--format", "json"]
    master, terminal = os.openpty()
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(terminal)
    shown = os.read(master, 100_000).decode(errors="replace")
    os.close(master)
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["good"] is True
    assert "Checking" in shown
    piped = subprocess.run([*command, "--trust"], cwd=tmp_path, capture_output=True, text=True)
    assert piped.stderr == ""
