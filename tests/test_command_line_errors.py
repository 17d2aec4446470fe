"""Whatever goes wrong in a command, its user reads one line, and a script sees a status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import cli
from migration_cookbook.workspace import HOME_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """# ä

```python {name="n\x1b[2J“ä” 😀 ✓"}
op.add_column("books", sa.Column("isbn", sa.String(13)))
```

```python {skip="later \x1b]52;c;YQ==\x07 – ä"}
op.x()
```
"""
FAILING = PAGE + '\n```python\nraise SystemExit("\x1b]52;c;YQ==\x07 ä …")\n```\n'
#: Streams that have only ASCII, in the two ways that there are.
ASCII = (
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""},
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "workspace"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "good.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "bad.md").write_text(FAILING, encoding="utf-8")
    return tmp_path


def cookbook(
    folder: Path, home: Path | str, *words: str, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "migration_cookbook.cli", *words],
        cwd=folder,
        env={**os.environ, HOME_VARIABLE: str(home), **variables},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("form", "variables"),
    [*((form, ASCII[0]) for form in (None, "json", "junit", "html", "markdown")), (None, ASCII[1])],
)
def test_a_report_needs_only_ascii(
    pages: Path, home: Path, form: str | None, variables: dict[str, str]
) -> None:
    words = ("--on", "sqlite", *(("--format", form) if form else ()))
    for page, status in (("good.md", 0), ("bad.md", 1))[form is not None :]:
        ended = cookbook(pages, home, "verify", page, "--trust", *words, **variables)
        assert (ended.returncode, ended.stderr) == (status, b"")
        told = ended.stdout.decode("ascii")
        assert "\x1b" not in told
        assert "\x07" not in told
        if form == "json":
            (first, *_) = json.loads(told)["snippets"]
            assert first["name"] == "n\\x1b[2J'ä' 😀 ok"
        if form == "junit":
            assert xml.fromstring(told).attrib["failures"] == str(status)


@pytest.mark.parametrize("words", [("--help",), ("doctor",), ("stop",)])
def test_other_commands_need_only_ascii(tmp_path: Path, home: Path, words: tuple[str, ...]) -> None:
    ended = cookbook(tmp_path, home, *words, **ASCII[1])
    assert ended.returncode in (0, 1)
    assert b"Traceback" not in ended.stderr
    ended.stdout.decode("ascii")


def test_a_home_of_nobody_is_one_line(pages: Path) -> None:
    ended = cookbook(pages, "~nobody-of-this-name/x", "verify", "good.md")
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert ended.stderr.decode() == (
        "cookbook: COOKBOOK_HOME begins with ~nobody-of-this-name, but this computer has no such user. "
        "Set it to a full path.\n"
    )


def test_names_of_files_are_shown_in_one_line(pages: Path, home: Path) -> None:
    name = "gone\x1b[2J\n.md"
    ended = cookbook(pages, home, "verify", name)
    assert ended.returncode == 2
    assert ended.stderr == b"cookbook: There is no gone\\x1b[2J\\n.md. Name a file or a folder that exists.\n"
    ended = cookbook(pages, home, "verify", "good.md", "--\x1b]52;c;YQ==\x07")
    assert ended.returncode == 2
    assert ended.stderr.endswith(b"cookbook: error: unrecognized arguments: --\\x1b]52;c;YQ==\\x07\n")
    (pages / os.fsdecode(b"\xff\x1b[2J\n.md")).write_text(PAGE, encoding="utf-8")
    ended = cookbook(pages, home, "verify", ".", "--on", "sqlite", "--trust")
    assert ended.stderr == b""
    assert b"\\udcff\\x1b[2J\\n.md:8: later \\x1b]52;c;YQ==\\x07" in ended.stdout
    assert b"\x1b" not in ended.stdout


def test_what_nobody_expected_is_one_line_and_names_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))

    def fail(options: object) -> int:
        raise ZeroDivisionError("odd \x1b[2J\nsecond \ud800 line")

    monkeypatch.setattr(cli, "stop", fail)
    assert cli.main(["stop"]) == 1
    told = capsys.readouterr()
    log = tmp_path / "cookbook.log"
    assert told.err == (
        "cookbook: an error that the kit didn't expect: ZeroDivisionError: odd \\x1b[2J second \\ud800 line. "
        f"Details are in {log}; please report them.\n"
    )
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")


def test_an_unexpected_error_without_a_workspace_has_a_log_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "file" / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def fail(options: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "stop", fail)
    assert cli.main(["stop"]) == 1
    (log,) = tmp_path.glob("cookbook-*.log")
    assert f"ZeroDivisionError. Details are in {log}; please report them." in capsys.readouterr().err
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_an_interrupt_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(options: object) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        return 0

    monkeypatch.setattr(cli, "stop", interrupt)
    assert cli.main(["stop"]) == 130
    assert capsys.readouterr().err == "cookbook: stopped by Ctrl-C.\n"


@pytest.mark.parametrize(("form", "status"), [(None, 1), ("json", 141)], ids=["by rich", "by itself"])
def test_a_reader_that_leaves_is_no_error(pages: Path, home: Path, form: str | None, status: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = ("--format", form) if form else ()
    try:
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "migration_cookbook.cli",
                "verify",
                "good.md",
                "--trust",
                "--on",
                "sqlite",
                *words,
            ],
            cwd=pages,
            env={**os.environ, HOME_VARIABLE: str(home)},
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (status, b"")
