"""Somebody else's project holds its docs to working: with pytest, and before each commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from repositories import known_author, made_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.databases.postgres import Server

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
#: What stands in the pages, and a slip of the pen in it.
WORD, SLIP = 'op.add_column("loans"', 'op.add_colum("loans"'
#: A database of the project's own, that the kit must not touch and its tests must still find.
OWN_DATABASE = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def project(verify_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(Path(__file__).parent / "foreign_project", folder)
    known_author(tmp_path, monkeypatch)
    return made_here(folder)


@pytest.fixture
def run(project: Path) -> Run:
    def run_there(*command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DATABASE_URL": OWN_DATABASE, "PGHOST": "127.0.0.1", "PGPORT": "1"}
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)

    return run_there


@pytest.fixture
def tests(run: Run) -> Run:
    return lambda *words: run(str(PROGRAMS / "pytest"), "-p", "no:cacheprovider", *words)


@pytest.fixture
def hook(run: Run, project: Path) -> Callable[[], subprocess.CompletedProcess[str]]:
    """What pre-commit would run, put together from both configurations."""
    (offered,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    (repository,) = yaml.safe_load((project / ".pre-commit-config.yaml").read_text())["repos"]
    (wanted,) = repository["hooks"]
    assert wanted["id"] == offered["id"]
    assert offered["pass_filenames"] is False
    program, *words = (offered | wanted)["entry"].split()
    return lambda: run(str(PROGRAMS / program), *words, *(offered | wanted)["args"])


def break_a_snippet(project: Path) -> None:
    page = project / "docs" / "loans.md"
    text = page.read_text()
    assert WORD in text
    page.write_text(text.replace(WORD, SLIP))


def test_each_snippet_is_a_test(tests: Run) -> None:
    ended = tests("-v")
    assert ended.returncode == 0, ended.stdout
    assert 'docs/loans.md::line 27[op.add_column("loans", status_column("open"))] PASSED' in ended.stdout
    assert "docs/loans.md::line 22[the helper] PASSED" in ended.stdout
    assert "5 passed, 1 skipped" in ended.stdout


def test_a_broken_snippet_is_red(tests: Run, project: Path) -> None:
    break_a_snippet(project)
    ended = tests("-rs")
    assert ended.returncode == 1
    assert "1 failed, 4 passed, 1 skipped" in ended.stdout
    assert "the names are yours" in ended.stdout
    assert (
        "docs/loans.md:27\n"
        f'    {SLIP}, status_column("open"))\n'
        "  runs after docs/loans.md:22\n"
        "  SQLite and PostgreSQL: it fails: AttributeError: module 'alembic.op' has no attribute 'add_colum'"
    ) in ended.stdout
    assert "Traceback" not in ended.stdout


def test_one_snippet_can_be_run_by_its_name(tests: Run, project: Path) -> None:
    break_a_snippet(project)
    ended = tests("-v", "docs/loans.md::line 22[the helper]")
    # It is used further below: that is seen although only this one was asked for.
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


def test_a_page_with_a_mistake_is_an_error_in_one_line(tests: Run, project: Path) -> None:
    (project / "docs" / "new.md").write_text("```python {sqlight=fails}\nop.drop_table('a')\n```\n")
    ended = tests()
    assert ended.returncode == 2
    assert "docs/new.md:1: there is no `sqlight` to declare; did you mean `sqlite`?" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_warning_is_told_and_is_no_failure(tests: Run, project: Path) -> None:
    (project / "docs" / "loans.md").write_text(
        '```python\nop.create_index("ix", "loans", ["due"], postgresql_using="hash")\n```\n'
    )
    ended = tests()
    assert ended.returncode == 0, ended.stdout
    assert "SnippetWarning: docs/loans.md:2: on SQLite, postgresql_using is ignored" in ended.stdout


def test_the_projects_own_tests_run_beside_and_find_their_environment(tests: Run, project: Path) -> None:
    (project / "docs" / "test_own.py").write_text(
        '"""Words::\n\n    op.not_for_the_plugin()\n"""\n\nimport os\n\n\ndef test_own() -> None:\n'
        f'    assert os.environ["DATABASE_URL"] == "{OWN_DATABASE}"\n'
    )
    ended = tests()
    assert "6 passed, 1 skipped" in ended.stdout, ended.stdout


def test_without_the_option_nothing_happens(run: Run, project: Path) -> None:
    (project / "conftest.py").write_text(
        "import sys\n\n\ndef pytest_sessionfinish() -> None:\n"
        "    loaded = {name.split('.')[1] for name in sys.modules if name.startswith('migration_cookbook.')}\n"
        "    loaded |= {'sqlalchemy'} & set(sys.modules)\n"
        "    assert loaded == {'verify'}, loaded\n"
    )
    ended = run(
        str(PROGRAMS / "pytest"), "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", "docs"
    )
    assert ended.returncode == 5, ended.stdout + ended.stderr
    assert "no tests ran" in ended.stdout


def test_collecting_alone_runs_nothing(tests: Run, project: Path) -> None:
    break_a_snippet(project)
    ended = tests("--collect-only", "-q")
    assert ended.returncode == 0
    assert "6 tests collected" in ended.stdout


def test_the_hook_is_green_and_red(
    hook: Callable[[], subprocess.CompletedProcess[str]], project: Path
) -> None:
    ended = hook()
    assert ended.returncode == 0, ended.stdout
    assert "6 snippets in 1 file: 5 as declared, 1 skipped." in ended.stdout
    break_a_snippet(project)
    ended = hook()
    assert ended.returncode == 1
    assert "✗ fails" in ended.stdout


def test_three_lines_are_all_it_takes(project: Path) -> None:
    _, header, settings = (project / "pyproject.toml").read_text().rpartition("[tool.pytest.ini_options]\n")
    assert len((header + settings).splitlines()) == 3
    _, _, hook = (project / ".pre-commit-config.yaml").read_text().partition("repos:\n")
    assert len(hook.splitlines()) == 3
