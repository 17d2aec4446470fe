"""A notebook without a kernel: cells in, outputs out, and the rules that hold for every output."""

from __future__ import annotations

import atexit
import collections
import contextlib
import html
import io
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class Ran:
    """What a cell put out."""

    outputs: tuple[dict[str, Any], ...]
    metadata: tuple[dict[str, Any], ...]
    stream: str
    error: BaseException | None = None

    @property
    def text(self) -> str:
        """Every output in plain text, one below the other."""
        return "\n".join(output["text/plain"] for output in self.outputs)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def html(self) -> str:
        return "\n".join(output.get("text/html", "") for output in self.outputs)

    @property
    def svg(self) -> str:
        return "\n".join(output.get("image/svg+xml", "") for output in self.outputs)

    def below(self, title: str) -> list[str]:
        """The lines that stand under a database's name, without their indent."""
        start = self.lines.index(f"{title}:") + 1
        found = []
        for line in self.lines[start:]:
            if line and not line.startswith("    "):
                break
            found.append(line[4:])
        return found


@dataclass
class Desk:
    """One notebook at work."""

    shell: InteractiveShell
    workspace: Workspace
    ran: list[Ran] = field(default_factory=list)

    @property
    def notebook(self) -> Notebook:
        known: Notebook = self.shell.migration_cookbook
        return known

    @property
    def sandbox(self) -> Sandbox:
        return self.notebook.sandbox

    @property
    def folder(self) -> Path:
        return self.sandbox.folder

    def run(self, *cells: str) -> Ran:
        """Run cells that work; what the last one put out."""
        for cell in cells:
            ran = self.attempt(cell)
            assert ran.error is None, f"{cell}\n{ran.text}\n{ran.stream}"
            assert ran.stream == "", f"{cell}\n{ran.stream}"
        return ran

    def refused(self, cell: str) -> str:
        """Run a cell that ends in an error; its one line."""
        ran = self.attempt(cell)
        assert ran.error is not None, f"{cell}\n{ran.text}"
        line = str(ran.error)
        assert type(ran.error).__name__ in ("CellError", "CellFailed"), repr(ran.error)
        assert "\n" not in line
        # The shell prints the error, and no traceback with it.
        assert ran.stream.strip() == line
        return line

    def attempt(self, cell: str) -> Ran:
        # IPython compares the time of a loaded module's file: nothing else may be on the streams.
        stream = io.StringIO()
        published = CapturingDisplayPublisher()
        before, self.shell.display_pub = self.shell.display_pub, published
        try:
            with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
                result = self.shell.run_cell(cell)
        finally:
            self.shell.display_pub = before
        ran = Ran(
            tuple(output["data"] for output in published.outputs),
            tuple(output["metadata"] for output in published.outputs),
            stream.getvalue(),
            result.error_before_exec or result.error_in_exec,
        )
        self.ran.append(ran)
        for output in ran.outputs:
            check_output(output, self.workspace)
        return ran


def check_output(output: dict[str, Any], workspace: Workspace) -> None:
    """What holds for every output of every cell."""
    plain = output["text/plain"]
    for text in output.values():
        for private in (str(workspace.root.parent), sys.prefix):
            assert private not in text, text
        assert not re.search(r"\b0x[0-9a-f]{6,}", text), text
    if "text/html" in output:
        check_html(output["text/html"])
        assert words(html_text(output["text/html"])) == words(plain)
    if "image/svg+xml" in output:
        assert re.search(r"<title>[^<]+</title><desc>[^<]+</desc>", output["image/svg+xml"])


def check_html(source: str) -> None:
    """Untrusted notebooks lose everything but inline styles; tables must be read aloud."""
    assert not re.search(r"<(style|script|link|img|iframe)\b| on\w+=", source), source
    # Pygments' classes take the theme's colors, and mathjax_ignore keeps $ signs as they are.
    outside_code = re.sub(r'<div class="highlight">.*?</div>', "", source, flags=re.DOTALL)
    assert set(re.findall(r'class="([^"]*)"', outside_code)) <= {"mathjax_ignore"}, source
    for table in re.findall(r"<table.*?</table>", source, re.DOTALL):
        assert "<caption" in table or 'scope="col"' in table
        assert table.count("<th ") == table.count('scope="')
    assert not re.search(r"(?<!-)\bcolor:(?!inherit)", source), source


def html_text(source: str) -> str:
    spaced = re.sub(r"</(div|tr|td|th|caption|pre|table)>|<br/?>", r"\g<0> ", source)
    return html.unescape(re.sub(r"<[^>]+>", "", spaced))


def words(text: str) -> collections.Counter[str]:
    """The words, without what only stands in for lines and columns."""
    found = (word.rstrip(":") for word in text.split())
    return collections.Counter(word for word in found if word not in ("", "and") and set(word) != {"-"})


@contextlib.contextmanager
def open_desk(workspace: Workspace) -> Iterator[Desk]:
    """A fresh shell, and the folder and streams of the process as they were afterwards."""
    configuration = Config()
    configuration.HistoryManager.enabled = False
    configuration.HistoryManager.hist_file = ":memory:"
    configuration.InteractiveShell.colors = "nocolor"
    InteractiveShell.clear_instance()
    excepthook = sys.excepthook
    shell = InteractiveShell.instance(config=configuration)
    # As a kernel has it: modules are found in the working directory.
    sys.path.insert(0, "")
    try:
        yield Desk(shell, workspace)
    finally:
        if (notebook := getattr(shell, "migration_cookbook", None)) is not None:
            notebook.leave()
        atexit.unregister(shell.atexit_operations)
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
        sys.path.remove("")
        sys.excepthook = excepthook
