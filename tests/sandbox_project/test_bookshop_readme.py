"""Does the bookshop's README work, word for word, in a terminal?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bookshop_copy import PROJECT, REVISIONS, copy_project

if TYPE_CHECKING:
    import sqlalchemy as sa


def test_the_commands_of_the_readme(tmp_path: Path, postgres_url: sa.URL) -> None:
    # The folder is named as it is in a checkout, and the models still have their markers.
    folder = copy_project(tmp_path / "sandbox_project", postgres_url).folder
    (folder / "bookshop" / "models.py").write_text((PROJECT / "bookshop" / "models.py").read_text())
    readme = (folder / "README.md").read_text()
    first, second = re.findall(r"^```sh\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)

    by_hand = _terminal(folder, first)
    assert "0010 (head)\n" in by_hand
    assert "Filled 12 tables." in by_hand
    assert "No new upgrade operations detected." in by_hand
    assert (folder / "bookshop.db").is_file()

    example = re.search(r"BOOKSHOP_DATABASE_URL=(\S+)", second)
    assert example
    real = postgres_url.render_as_string(hide_password=False)
    on_postgres = _terminal(folder, second.replace(example[1], f"'{real}'"))
    assert "Filled 12 tables." in on_postgres
    assert "PostgresqlImpl" in on_postgres or "PostgreSQLImpl" in on_postgres


def test_the_readme_lists_each_migration() -> None:
    listed = re.findall(r"^\| `(\d{4})` (.+?) \|", (PROJECT / "README.md").read_text(), re.MULTILINE)
    assert [number for number, _ in listed] == REVISIONS
    for number, message in listed:
        (path,) = (PROJECT / "migrations" / "versions").glob(f"{number}_*.py")
        assert path.read_text().startswith(f'"""{message}\n')


def _terminal(folder: Path, commands: str) -> str:
    """What the commands print; the first that fails ends them."""
    environment = {name: value for name, value in os.environ.items() if name != "BOOKSHOP_DATABASE_URL"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    answer = subprocess.run(
        ["bash", "-e"],
        input=commands,
        cwd=folder,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr
