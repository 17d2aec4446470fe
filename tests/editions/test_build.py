"""A build records the same bytes twice, and nothing at all if a cell goes wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from edition_desk import FRONT, Desk, page

from migration_cookbook.editions import build as build_module
from migration_cookbook.editions.build import build, check
from migration_cookbook.editions.chapter import read_chapter
from migration_cookbook.editions.notebook import cell_ids
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOTE_THE_KERNEL = "import os\nfrom pathlib import Path\nPath('kernel').write_text(str(os.getpid())) > 0"
#: Prints in two steps, so that the kernel may send one message or two.
CHATTY = "import time\nprint('one', flush=True)\ntime.sleep(0.3)\nprint('two')\n{1, 2}"


def test_the_same_bytes_twice_in_the_notebooks_folder(desk: Desk) -> None:
    desk.write("examples/01-a", "from pathlib import Path\nPath.cwd().name", CHATTY, "1", "1")
    desk.write("02-b", "import os\nos.environ['COOKBOOK_HOME'].endswith('/workspace/build')")
    told: list[tuple[str, int, int]] = []
    first = build(desk.book, desk.workspace, progress=lambda *step: told.append(step))
    assert first.failures == ()
    assert first.written == ("02-b", "examples/01-a")
    assert [step for step in told if step[0] == "examples/01-a"] == [
        ("examples/01-a", n, 4) for n in (1, 2, 3, 4)
    ]
    recorded = {slug: desk.book.notebook(slug).read_bytes() for slug in first.written}

    for slug in first.written:
        desk.book.notebook(slug).unlink()
    assert build(desk.book, desk.workspace).written == first.written
    assert {slug: desk.book.notebook(slug).read_bytes() for slug in first.written} == recorded
    assert build(desk.book, desk.workspace, everything=True).unchanged == first.written
    assert check(desk.book, desk.workspace) == ()

    cells = json.loads(recorded["examples/01-a"])["cells"]
    outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    assert outputs[0][0]["data"]["text/plain"] == ["'examples'"]
    assert outputs[1][0]["text"] == ["one\n", "two\n"]
    assert b"True" in recorded["02-b"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        pytest.param("1 / 0", "ZeroDivisionError: division by zero", id="error"),
        pytest.param("import sys\nprint('oh', file=sys.stderr)", "writes to stderr: oh", id="stderr"),
        pytest.param("%nosuch", "Line magic function `%nosuch` not found", id="unknown magic"),
        pytest.param("object()", "memory address", id="address"),
        pytest.param("import os\nos.getcwd()", "path of one machine", id="path"),
        pytest.param("import os\nos._exit(1)", "the kernel died", id="kernel died"),
    ],
)
def test_a_cell_that_goes_wrong_is_named_and_nothing_is_recorded(desk: Desk, cell: str, message: str) -> None:
    desk.write("bad", "1", cell, "3")
    (failure,) = build(desk.book, desk.workspace).failures
    assert str(failure).startswith("chapters/bad.md:20: ")
    assert message in str(failure)
    assert "\n" not in str(failure)
    assert list(desk.book.notebooks.rglob("*.ipynb")) == []


def test_one_bad_chapter_stops_the_others_from_being_recorded(desk: Desk) -> None:
    desk.write("a-good", "1")
    desk.write("b-bad", "1 / 0")
    assert len(build(desk.book, desk.workspace).failures) == 1
    assert not desk.book.notebook("a-good").exists()
    assert build(desk.book, desk.workspace, ["a-good"]).written == ("a-good",)


def test_a_check_names_what_differs_and_writes_nothing(desk: Desk) -> None:
    desk.write("a", "1", "2")
    desk.write("b", "1")
    build(desk.book, desk.workspace)
    desk.write("a", "1", ":name: other\n2 + 1")
    (desk.book.chapters / "b.md").unlink()
    desk.write("c", "1")
    before = {path: path.read_bytes() for path in desk.book.notebooks.rglob("*")}
    assert check(desk.book, desk.workspace) == (
        "notebooks/a.ipynb: cell 4 (other) has other id, source, outputs than a fresh build.",
        "notebooks/c.ipynb is missing.",
        "notebooks/b.ipynb has no chapter.",
    )
    assert {path: path.read_bytes() for path in desk.book.notebooks.rglob("*")} == before
    assert build(desk.book, desk.workspace).removed == ("b",)
    assert not desk.book.notebook("b").exists()


def test_an_unknown_name_is_one_line(desk: Desk) -> None:
    desk.write("examples/01-a", "1")
    with pytest.raises(CookbookError, match="no chapter 02-b"):
        build(desk.book, desk.workspace, ["02-b"])
    assert build(desk.book, desk.workspace, ["01-a"]).written == ("examples/01-a",)


def test_outside_the_reference_environment_ci_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("a", "1")
    known = desk.book.reference.read_text(encoding="utf-8")
    desk.book.reference.write_text(known.replace('sqlite = "3', 'sqlite = "9'), encoding="utf-8")
    desk.book.lock.write_text("alembic==0.1 \\\n    --hash=sha256:00\nnosuch==1 ; python_version < '3'\n")
    monkeypatch.setenv("COOKBOOK_REFERENCE", "1")
    with pytest.raises(CookbookError) as caught:
        build(desk.book, desk.workspace)
    assert "sqlite 3" in str(caught.value)
    assert "requirements.lock is not the one" in str(caught.value)
    assert "instead of 0.1" in str(caught.value)
    assert "nosuch" not in str(caught.value)
    monkeypatch.delenv("COOKBOOK_REFERENCE")
    assert build(desk.book, desk.workspace).written == ("a",)


def test_an_inserted_cell_moves_no_id(desk: Desk) -> None:
    path = desk.write("a", "1", "1", ":name: named\n2")
    before = cell_ids(read_chapter(path, desk.book.chapters).cells)
    assert len(set(before)) == len(before)
    assert "named" in before
    path.write_text(
        page("1", "1", ":name: named\n2").replace("Prose 1.", "```{code-cell}\nnew\n```\n\nProse 1.")
    )
    after = cell_ids(read_chapter(path, desk.book.chapters).cells)
    # The heading and the first prose were one cell, and are two now.
    assert before[1:] == [i for i in after if i in before]


def test_teachers_cells_are_left_out(desk: Desk) -> None:
    desk.write_text(
        "a", f"{FRONT}\n```{{code-cell}}\n:tags: [teacher]\n1 / 0\n```\n\n```{{code-cell}}\n2\n```\n"
    )
    assert build(desk.book, desk.workspace).failures == ()
    assert "1 / 0" not in desk.book.notebook("a").read_text(encoding="utf-8")


def test_a_cell_that_never_ends_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "CELL_SECONDS", 1)
    desk.write("slow", "1", "import time\ntime.sleep(600)")
    (failure,) = build(desk.book, desk.workspace).failures
    assert str(failure) == "chapters/slow.md:20: the cell ran for more than 1 s."


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_kernels_end_with_the_build(desk: Desk) -> None:
    desk.write("a", NOTE_THE_KERNEL)
    build(desk.book, desk.workspace)
    kernel = int((desk.book.notebooks / "kernel").read_text())
    wait_until(lambda: not psutil.pid_exists(kernel))


def configure_kernel(desk: Desk, slug: str, code: str) -> Path:
    """Let the page's kernel do this while it starts."""
    profile = desk.workspace.root / "build" / "ipython" / slug / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(f"import os\n{code}\n", encoding="utf-8")
    return profile / "ipython_kernel_config.py"


def test_a_kernel_that_dies_while_it_starts_is_started_again(desk: Desk) -> None:
    desk.write("a", "1")
    configuration = configure_kernel(desk, "a", "os.unlink(__file__)\nos._exit(1)")
    assert build(desk.book, desk.workspace).written == ("a",)
    assert not configuration.exists()


def in_a_process(desk: Desk) -> list[str]:
    """A command that builds, and prints what failed."""
    program = (
        "from pathlib import Path; from migration_cookbook.editions.book import Book;"
        "from migration_cookbook.editions.build import build; from migration_cookbook.workspace import open_workspace;"
        f"built = build(Book(Path({str(desk.book.root)!r})), open_workspace(Path({str(desk.workspace.root)!r})));"
        "print(*built.failures)"
    )
    return [sys.executable, "-c", program]


def test_a_kernel_that_never_starts_is_said_in_a_line(desk: Desk) -> None:
    desk.write("a", "1")
    configure_kernel(desk, "a", "os._exit(1)")
    ended = subprocess.run(in_a_process(desk), capture_output=True, text=True, check=True)
    (line,) = ended.stdout.splitlines()
    assert line.startswith("chapters/a.md:1: the kernel does not start (Kernel died")
    assert ended.stderr == ""


def test_an_interrupt_ends_all_kernels_and_records_nothing(desk: Desk) -> None:
    desk.write("a/1", NOTE_THE_KERNEL, "import time\ntime.sleep(600)")
    desk.write("b/2", NOTE_THE_KERNEL, "import time\ntime.sleep(600)")
    process = subprocess.Popen(
        in_a_process(desk),
        stderr=subprocess.DEVNULL,
        # A shell lets its background jobs ignore interrupts, and these tests may run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    noted = [desk.book.notebooks / folder / "kernel" for folder in ("a", "b")]
    wait_until(lambda: all(path.exists() and path.read_text() for path in noted))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    kernels = [int(path.read_text()) for path in noted]
    wait_until(lambda: not any(psutil.pid_exists(kernel) for kernel in kernels))
    assert list(desk.book.notebooks.rglob("*.ipynb")) == []
