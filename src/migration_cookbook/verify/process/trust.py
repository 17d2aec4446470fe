"""Whose code a page is: yours may do what you may, anybody else's is contained.

Decided once, on the file as it was opened, and handed on with each snippet. Yours is what's tracked
by the Git repository that the command was started in, the cookbook's own checkout, and what you name
together with --trust. A repository that Git doesn't accept as yours isn't one, and neither is one that
came here complete, in an archive for instance, until you say so.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from migration_cookbook.workspace import checkout, read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from migration_cookbook.verify.reading.page_file import OpenedPage
    from migration_cookbook.verify.values.snippet import Snippet
    from migration_cookbook.workspace import Workspace

#: The parts of the cookbook's checkout that its authors wrote. What else is there may be anybody's.
_OF_THE_BOOK = ("chapters", "notebooks", "sandbox_project", "tests", "docs", "README.md")
#: Clocks of file systems and of Git round differently.
_CLOCK_S = 2
_ANSWERS = "repositories.json"
_GIT_S = 20
#: Where your Git configuration is. All other variables of Git may lead to another repository.
_YOUR_CONFIGURATION = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")


def mark_trusted(snippets: Iterable[Snippet]) -> tuple[Snippet, ...]:
    """The snippets, and those they depend on, as your own."""
    return tuple(
        replace(one, trusted=True, depends_on=tuple(replace(each, trusted=True) for each in one.depends_on))
        for one in snippets
    )


@dataclass(frozen=True)
class Trust:
    """What's yours, as of the start of a run."""

    #: The top of the Git repository that the command was started in, if that's yours.
    repository: Path | None = None
    #: Its tracked files, relative to the top.
    tracked: frozenset[str] = frozenset()
    #: Files and folders named with --trust.
    named: tuple[Path, ...] = ()
    book: Path | None = None
    #: Why the repository isn't yours, as a sentence; empty where it is, or where there isn't one.
    doubt: str = ""

    def covers(self, page: OpenedPage) -> bool:
        """Whether the page is your own."""
        if page.real is None:
            return False
        if any(page.real == one or page.real.is_relative_to(one) for one in self.named):
            return True
        # Whoever else may write a file may be its author.
        if page.owner not in (os.geteuid(), 0) or page.mode & stat.S_IWOTH:
            return False
        if self.book is not None and any(
            page.real.is_relative_to(self.book / folder) for folder in _OF_THE_BOOK
        ):
            return True
        return (
            self.repository is not None
            and page.real.is_relative_to(self.repository)
            and page.real.relative_to(self.repository).as_posix() in self.tracked
        )


def decide_trust(
    workspace: Workspace, named: Sequence[Path] = (), ask: Callable[[str], bool] | None = None
) -> Trust:
    """What's yours in the current folder. `named` comes from --trust; `ask` puts a question to a person."""
    real = tuple(Path(os.path.realpath(path)) for path in named)
    book = checkout()
    everything = Trust(named=real, book=Path(os.path.realpath(book)) if book else None)
    found = _repository(Path.cwd())
    if found is None:
        return everything
    top, folder = found
    doubt = _doubt(workspace, top, folder, ask)
    if doubt:
        return replace(everything, doubt=doubt)
    listed = _git(top, "ls-files", "-z")
    return replace(everything, repository=top, tracked=frozenset((listed or "").split("\0")) - {""})


def asker_at_terminal() -> Callable[[str], bool] | None:
    """Return what asks whoever sits at the terminal; None where nobody does."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(question: str) -> bool:
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return ask


# --- the repository ----------------------------------------------------------------------


def _repository(folder: Path) -> tuple[Path, Path] | None:
    """The top of the repository around the folder, and where its data are; by Git's own rules."""
    said = _git(folder, "rev-parse", "--show-toplevel", "--absolute-git-dir")
    lines = said.splitlines() if said else []
    if len(lines) != 2:
        return None
    top, data = Path(os.path.realpath(lines[0])), Path(lines[1])
    return (top, data) if folder.resolve().is_relative_to(top) else None


def _doubt(workspace: Workspace, top: Path, data: Path, ask: Callable[[str], bool] | None) -> str:
    """Why the repository may be somebody else's; empty if it's known to be yours."""
    home = _home_of_data(top, data)
    if home is None:
        return f"The Git data of {top} belong to another folder."
    if _is_vouched_for(top) or _was_made_here(home):
        return ""
    answer = _answer(workspace, top, home, ask)
    if answer is None:
        return f"Nothing shows that you made or cloned the Git repository {top} on this computer."
    return "" if answer else f"You said that the Git repository {top} isn't yours."


def _home_of_data(top: Path, data: Path) -> Path | None:
    """The folder with the repository's history; None where it only claims to belong to `top`."""
    marker = top / ".git"
    try:
        kind = marker.lstat().st_mode
        if stat.S_ISDIR(kind):
            return marker if marker.samefile(data) else None
        if not stat.S_ISREG(kind):
            return None
        # A linked worktree or a submodule: the data must name this folder, too.
        back = data / "gitdir"
        if back.is_file():
            named = Path(back.read_text(encoding="utf-8").strip())
            if not named.samefile(marker):
                return None
            common = _git(top, "rev-parse", "--path-format=absolute", "--git-common-dir")
            return Path(common.strip()) if common else None
        worktree = _git(top, "--git-dir", str(data), "config", "--local", "core.worktree")
        if worktree and top.samefile(data / worktree.strip()):
            return data
    except (OSError, UnicodeDecodeError):
        return None
    return None


def _is_vouched_for(top: Path) -> bool:
    """Whether your Git configuration, which no repository can write, names it as safe."""
    for scope in ("--global", "--system"):
        said = _git(Path("/"), "config", scope, "--get-all", "safe.directory") or ""
        if str(top) in [line.removesuffix("/") for line in said.splitlines()]:
            return True
    return False


def _was_made_here(home: Path) -> bool:
    """Whether its first entry was written by you, and after its folder was made.

    An archive brings entries along that are older than the folder that it's unpacked into.
    """
    born = _birth(home)
    mine = _your_address()
    entry = _first_entry(home)
    if born is None or mine is None or entry is None:
        return False
    address, moment = entry
    return address == mine and moment >= born - _CLOCK_S


def _your_address() -> str | None:
    for scope in ("--global", "--system"):
        said = _git(Path("/"), "config", scope, "--includes", "--get", "user.email")
        if said and said.strip():
            return said.strip()
    return None


def _first_entry(home: Path) -> tuple[str, int] | None:
    """Who made the first entry of HEAD's log, and when."""
    log = home / "logs" / "HEAD"
    try:
        if (home / "logs").is_symlink() or log.is_symlink():
            return None
        with log.open("rb") as file:
            line = file.readline(2000).decode(errors="replace")
    except OSError:
        return None
    who, _, rest = line.partition("\t")[0].rpartition("> ")
    words = rest.split()
    if not words or not words[0].isdigit() or len(words[0]) > 12:
        return None
    return who.rpartition("<")[2], int(words[0])


def _birth(folder: Path) -> float | None:
    """When a folder was made on this file system; None where that isn't known."""
    known = getattr(folder.stat(), "st_birthtime", None)
    if known is not None:
        return float(known)
    try:
        said = subprocess.run(
            ["stat", "-c", "%W", "--", folder], capture_output=True, text=True, timeout=_GIT_S
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return float(said) if said.isdigit() and said != "0" else None


def _answer(workspace: Workspace, top: Path, home: Path, ask: Callable[[str], bool] | None) -> bool | None:
    """What you said of this repository, now or earlier; None where nobody could be asked."""
    path = workspace.root / _ANSWERS
    known = read_json(path)
    answers: dict[str, object] = known if isinstance(known, dict) else {}
    status = home.stat()
    identity = [status.st_dev, status.st_ino]
    before = answers.get(str(top))
    if isinstance(before, dict) and before.get("identity") == identity:
        return before.get("yours") is True
    if ask is None:
        return None
    yours = ask(
        f"{top} is a Git repository that wasn't made or cloned by you on this computer, or not in this place.\n"
        "Did you write its pages, so that their snippets may run with your rights?"
    )
    answers[str(top)] = {"identity": identity, "yours": yours}
    write_atomically(path, json.dumps(answers, indent=2) + "\n", mode=0o600)
    return yours


def _git(folder: Path, *words: str) -> str | None:
    """What Git answers; None if it refuses or isn't there. Nothing of a repository's settings is run."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _YOUR_CONFIGURATION
    }
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-C", folder, *words],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environment | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            timeout=_GIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
