"""A Git repository of the test's own, as Git makes one for somebody with a name."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ADDRESS = "me@example.org"


def known_author(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let Git know who is at work, from a configuration in the folder."""
    settings = folder / "gitconfig"
    settings.write_text(f"[user]\nname = Me\nemail = {ADDRESS}\n[init]\ndefaultBranch = main\n")
    patch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder: Path, *words: str, **more: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env=os.environ | more, capture_output=True, text=True, check=True
    )
    return done.stdout


def made_here(folder: Path) -> Path:
    """A repository made in the folder by the known author, with all its files tracked."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder
