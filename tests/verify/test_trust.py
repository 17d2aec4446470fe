"""Whose code a page is, decided on the opened file: only what's surely yours runs with your rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.verify.process.trust import Trust, decide_trust
from migration_cookbook.verify.reading.page_file import open_page
from migration_cookbook.workspace import checkout
from repositories import ADDRESS, git, known_author, made_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from migration_cookbook.workspace import Workspace

    Decide = Callable[..., Trust]


@pytest.fixture
def decided(verify_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Decide:
    """What's yours when a command starts in a folder; nobody is there to be asked."""
    known_author(tmp_path, monkeypatch)

    def decided_in(folder: Path, *named: Path, ask: Callable[[str], bool] | None = None) -> Trust:
        monkeypatch.chdir(folder)
        return decide_trust(verify_workspace, named, ask)

    return decided_in


def write(path: Path, text: str = "text\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def is_yours(trust: Trust, path: Path) -> bool:
    return trust.covers(open_page(path))


def test_the_tracked_files_of_your_repository_are_yours(decided: Decide, tmp_path: Path) -> None:
    page = write(tmp_path / "project" / "docs" / "page.md")
    outside = write(tmp_path / "elsewhere" / "page.md")
    made_here(tmp_path / "project")
    fresh = write(tmp_path / "project" / "docs" / "fresh.md")
    ignored = write(tmp_path / "project" / "vendor" / "page.md")
    link = tmp_path / "project" / "docs" / "link.md"
    link.symlink_to(outside)
    git(tmp_path / "project", "add", "docs/link.md")
    for folder in (page.parent, tmp_path / "project"):
        trust = decided(folder)
        assert is_yours(trust, page)
        for other in (outside, fresh, ignored, link):
            assert not is_yours(trust, other), other
    assert not is_yours(decided(tmp_path / "elsewhere"), page)


def test_a_repository_inside_yours_is_somebody_elses(decided: Decide, tmp_path: Path) -> None:
    made_here(tmp_path / "project")
    page = write(tmp_path / "project" / "docs" / "vendor" / "page.md")
    made_here(page.parent)
    assert not is_yours(decided(tmp_path / "project"), page)


def test_the_book_is_yours_and_its_workspace_is_not(decided: Decide, tmp_path: Path) -> None:
    book = checkout()
    assert book is not None
    trust = decided(tmp_path)
    assert is_yours(trust, book / "chapters" / "00-start-here.md")
    assert not is_yours(trust, write(tmp_path / "page.md"))
    assert not is_yours(trust, write(tmp_path / "chapters" / "page.md"))


def test_what_is_named_with_trust_is_yours(decided: Decide, tmp_path: Path) -> None:
    page, other = write(tmp_path / "a" / "page.md"), write(tmp_path / "b" / "page.md")
    (tmp_path / "a" / "link.md").symlink_to(other)
    assert is_yours(decided(tmp_path, tmp_path / "a"), page)
    assert is_yours(decided(tmp_path, page), page)
    for unnamed in (other, tmp_path / "a" / "link.md"):
        assert not is_yours(decided(tmp_path, tmp_path / "a"), unnamed)
    # Who names the link means what it leads to.
    assert is_yours(decided(tmp_path, tmp_path / "a" / "link.md"), other)


def test_a_file_that_others_may_write_is_not_yours(decided: Decide, tmp_path: Path) -> None:
    page = write(tmp_path / "project" / "page.md")
    made_here(tmp_path / "project")
    page.chmod(0o666)
    assert not is_yours(decided(tmp_path / "project"), page)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_yours(decided: Decide, tmp_path: Path) -> None:
    page = write(tmp_path / "project" / "page.md")
    made_here(tmp_path / "project")
    os.chown(page, 65534, 65534)
    assert not is_yours(decided(tmp_path / "project"), page)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_user_around_yours_is_not_yours(decided: Decide, tmp_path: Path) -> None:
    page = write(tmp_path / "shared" / "mine" / "page.md")
    made_here(tmp_path / "shared")
    for path in (tmp_path / "shared", tmp_path / "shared" / ".git"):
        os.chown(path, 65534, 65534)
    assert not is_yours(decided(page.parent), page)


@pytest.mark.parametrize("content", ["", "gitdir: {home}/.git\n", "gitdir: /nowhere\n"])
def test_a_planted_git_file_makes_nothing_yours(decided: Decide, tmp_path: Path, content: str) -> None:
    home = made_here(tmp_path / "home")
    write(home / "page.md")
    git(home, "add", "-A")
    git(home, "commit", "-q", "-m", "page")
    page = write(tmp_path / "archive" / "page.md")
    write(page.parent / ".git", content.format(home=home))
    assert not is_yours(decided(page.parent), page)


def test_a_planted_link_to_your_repository_makes_nothing_yours(decided: Decide, tmp_path: Path) -> None:
    home = made_here(tmp_path / "home")
    write(home / "page.md")
    git(home, "add", "-A")
    page = write(tmp_path / "archive" / "page.md")
    (page.parent / ".git").symlink_to(home / ".git")
    assert not is_yours(decided(page.parent), page)


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CEILING_DIRECTORIES"])
def test_the_environment_names_no_repository(
    decided: Decide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    home = made_here(tmp_path / "home")
    page = write(tmp_path / "elsewhere" / "page.md")
    write(home / "page.md")
    git(home, "add", "-A")
    monkeypatch.setenv(name, str(home / ".git") if name == "GIT_DIR" else str(tmp_path / "elsewhere"))
    assert not is_yours(decided(page.parent), page)


# --- repositories that came here complete ------------------------------------------------


@pytest.fixture
def unpacked(tmp_path: Path, decided: Decide) -> Path:
    """A repository that somebody packed, an hour ago, and you unpacked."""
    packed = made_here(tmp_path / "packed")
    page = write(packed / "page.md")
    git(packed, "add", "-A")
    log = packed / ".git" / "logs" / "HEAD"
    now = int(time.time())
    log.write_text(log.read_text().replace(f"> {str(now)[:7]}", f"> {str(now - 100_000)[:7]}"))
    subprocess.run(["tar", "-cf", tmp_path / "packed.tar", "-C", packed, "."], check=True)
    shutil.rmtree(packed)
    folder = tmp_path / "unpacked"
    folder.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "packed.tar", "-C", folder, "--no-same-owner"], check=True)
    assert page.name in git(folder, "ls-files")
    return folder


def test_an_unpacked_repository_is_not_yours_unless_you_say_so(decided: Decide, unpacked: Path) -> None:
    trust = decided(unpacked)
    assert not is_yours(trust, unpacked / "page.md")
    assert "Nothing shows that you made or cloned" in trust.doubt


def test_you_are_asked_once(decided: Decide, unpacked: Path) -> None:
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    assert not is_yours(decided(unpacked, ask=no), unpacked / "page.md")
    assert not is_yours(decided(unpacked, ask=no), unpacked / "page.md")
    assert len(asked) == 1 and str(unpacked) in asked[0]


def test_a_yes_is_for_that_repository_only(
    decided: Decide, unpacked: Path, verify_workspace: Workspace
) -> None:
    assert is_yours(decided(unpacked, ask=lambda _: True), unpacked / "page.md")
    assert is_yours(decided(unpacked), unpacked / "page.md")
    # Another one in its place.
    shutil.copytree(unpacked / ".git", unpacked / "other")
    shutil.rmtree(unpacked / ".git")
    (unpacked / "other").rename(unpacked / ".git")
    assert not is_yours(decided(unpacked), unpacked / "page.md")


def test_your_own_configuration_vouches_for_it(decided: Decide, unpacked: Path) -> None:
    git(unpacked, "config", "--local", "safe.directory", str(unpacked))
    git(unpacked, "config", "--local", "user.email", ADDRESS)
    assert not is_yours(decided(unpacked), unpacked / "page.md")
    git(unpacked, "config", "--global", "--add", "safe.directory", str(unpacked))
    assert is_yours(decided(unpacked), unpacked / "page.md")


def test_a_repository_that_somebody_else_began_is_not_yours(
    decided: Decide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "theirs" / "page.md")
    with monkeypatch.context() as patch:
        patch.setenv("GIT_COMMITTER_EMAIL", "somebody@example.org")
        made_here(tmp_path / "theirs")
    assert not is_yours(decided(tmp_path / "theirs"), tmp_path / "theirs" / "page.md")


def test_a_clone_and_a_worktree_of_yours_are_yours(decided: Decide, tmp_path: Path) -> None:
    write(tmp_path / "project" / "page.md")
    made_here(tmp_path / "project")
    git(tmp_path, "clone", "-q", str(tmp_path / "project"), "clone")
    git(tmp_path / "project", "worktree", "add", "-q", str(tmp_path / "tree"))
    for folder in ("clone", "tree"):
        assert is_yours(decided(tmp_path / folder), tmp_path / folder / "page.md"), folder


def test_settings_of_a_repository_run_nothing(decided: Decide, unpacked: Path, tmp_path: Path) -> None:
    program = write(tmp_path / "program", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "alias.ls-files", "filter.x.clean"):
        git(unpacked, "config", "--local", name, f"!{program}" if name.startswith("alias") else str(program))
    decided(unpacked, ask=lambda _: True)
    assert not (tmp_path / "ran").exists()


# --- the opened file ---------------------------------------------------------------------


def test_another_file_in_its_place_comes_too_late(decided: Decide, tmp_path: Path) -> None:
    page = write(tmp_path / "project" / "page.md", "mine\n")
    made_here(tmp_path / "project")
    trust = decided(tmp_path / "project")
    opened = open_page(page)
    page.unlink()
    page.symlink_to(write(tmp_path / "elsewhere.md", "theirs\n"))
    # What was read is what was judged.
    assert (opened.content, trust.covers(opened)) == (b"mine\n", True)
    # And the other way round.
    link = tmp_path / "project" / "link.md"
    link.symlink_to(tmp_path / "elsewhere.md")
    opened = open_page(link)
    link.unlink()
    write(link, "mine\n")
    git(tmp_path / "project", "add", "-A")
    assert opened.content == b"theirs\n"
    assert not decided(tmp_path / "project").covers(opened)


# --- the commands ------------------------------------------------------------------------

PAGE = "# Page\n\n```python\nopen(§, 'w').close()\nop.add_column('books', sa.Column('isbn', sa.Text))\n```\n"


def test_verify_says_what_it_contains(decided: Decide, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    write(tmp_path / "archive" / "page.md", PAGE.replace("§", repr(str(mark))))
    write(tmp_path / "archive" / ".git", "")
    ended = command("verify", "page.md", "--on", "sqlite", cwd=tmp_path / "archive")
    assert not mark.exists()
    assert ended.returncode == 1
    assert "page.md isn't taken for yours, so it runs contained." in ended.stderr
    trusted = command("verify", "page.md", "--on", "sqlite", "--trust", cwd=tmp_path / "archive")
    assert mark.exists()
    assert (trusted.returncode, trusted.stderr) == (0, "")


def test_pytest_contains_them_too(decided: Decide, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    elsewhere = write(tmp_path / "elsewhere" / "page.md", PAGE.replace("§", repr(str(mark))))
    project = made_here(tmp_path / "project")
    program = Path(sys.executable).parent / "pytest"
    ended = subprocess.run(
        [program, "-p", "no:cacheprovider", "--cookbook-verify", "--rootdir", project, elsewhere],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert not mark.exists()
    assert "1 failed" in ended.stdout, ended.stdout


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "migration_cookbook.cli", *words], cwd=cwd, capture_output=True, text=True
    )
