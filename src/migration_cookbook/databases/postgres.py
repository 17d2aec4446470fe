"""How is a PostgreSQL database of ours made, cloned, put right and dropped?

Each sandbox database belongs to a fresh role of the same name, which logs in as
itself and is no superuser. While it is being made the database belongs to the
installation's keeper role, and changes hands in one transaction at the end: a
kill leaves either a whole database or one that `sweep` knows to be a half.
On a server of your own no roles are made, and the journal says what is whole.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from migration_cookbook.databases.cluster import keeper_role, objects_role
from migration_cookbook.databases.connections import (
    LOCK_LIMIT_S,
    STATEMENT_LIMIT_S,
    Connection,
    administration,
)
from migration_cookbook.databases.database import Database, Template
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.ownership import Journal, State, fresh_name, prefix, settled_name
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from migration_cookbook.databases.server import Server

#: The label of a template that is still being built.
_BUILDING = "building"

#: Chance takes the same name twice about never; a joker may.
_ATTEMPTS = 5

#: So often a short visit is waited for.
_VISITS = 25

#: With fewer bytes left on its disk no server goes on: a segment of its journal takes 16 MB.
_NO_SPACE = 16 * 2**20

#: What sorts and compares the same on every server.
_ENCODING = "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"

#: So many connections a sandbox's role may have. The book needs four at once; all 200 would shut everybody out.
_CONNECTIONS = 20


@dataclass(frozen=True)
class _Found:
    """A database as the server has it."""

    name: str
    oid: int
    owner: str
    is_template: bool


def create(server: Server, label: str) -> Database:
    """A fresh, empty database."""
    with _administrator(server) as admin:
        return _make(admin, server, label, None)


def clone(server: Server, template: Template, label: str) -> Database:
    """A fresh copy of a template."""
    with _administrator(server) as admin:
        return _make(admin, server, label, template)


@contextlib.contextmanager
def shared_admin_connection(server: Server) -> Iterator[Server]:
    """The server for many things one after the other: they share a connection, and their claims last as long."""
    with _administrator(server) as admin:
        yield replace(server, administrator=admin)


@contextlib.contextmanager
def copied(server: Server, database: Database) -> Iterator[Database]:
    """A copy with all its rows, for the block. Its role is the original's."""
    with _administrator(server) as admin:
        # What is called so is swept away, should this process be killed.
        name = fresh_name(server.workspace.installation, _BUILDING)
        _claim(admin, name)
        try:
            _copy(admin, server, database.name, name)
            yield Database(Dialect.POSTGRES, name, database.url.set(database=name))
        except psycopg.errors.ObjectInUse:
            raise CookbookError(
                "The sandbox's database can't be copied while a session is open in it. End the sessions first."
            ) from None
        finally:
            _drop(admin, server, name, _find(admin, name))


@contextlib.contextmanager
def temporary_database(server: Server) -> Iterator[Database]:
    """A fresh, empty database for the block."""
    with _administrator(server) as admin:
        # What is called so is swept away, should this process be killed.
        database = _make(admin, server, _BUILDING, None)
        try:
            yield database
        finally:
            # A server that was stopped meanwhile drops it when it is swept the next time.
            with contextlib.suppress(psycopg.OperationalError):
                _drop(admin, server, database.name, _find(admin, database.name))


def drop(server: Server, database: Database) -> None:
    """Drop a database of ours and its role, whoever is connected. One that is gone is no error."""
    drop_named(server, database.name)


def drop_named(server: Server, name: str) -> None:
    """The same for a name, of a template too."""
    with _administrator(server) as admin:
        found = _find(admin, name)
        if found is not None and not _is_ours(admin, server, found):
            raise CookbookError(f"The database {name} is not the cookbook's. It was left alone.")
        _drop(admin, server, name, found)


def template(server: Server, key: str, build: Callable[[Database], None]) -> Template:
    """The template of this key; if there is none, `build` fills a fresh database that becomes it."""
    name = settled_name(server.workspace.installation, "template", key)
    with server.workspace.lock(name), _administrator(server) as admin:
        found = _find(admin, name)
        if found is not None and not _is_ours(admin, server, found):
            raise CookbookError(
                f"The database {name} is not the cookbook's. Rename it; the cookbook needs the name."
            )
        if found is None or not found.is_template:
            _drop(admin, server, name, found)
            _build(admin, server, name, build)
    return Template(Dialect.POSTGRES, name)


def restore_settings(server: Server, database: Database) -> Database:
    """Put right what a sandbox's role may have changed about itself and its database.

    The database comes back with the server's address of today.
    """
    with _administrator(server) as admin:
        return _restored(admin, server, database)


def names(server: Server) -> list[str]:
    """All whole databases of this installation, without the templates."""
    with _administrator(server) as admin:
        journal = None if server.makes_roles else _journal(admin, server)
        return [
            found.name
            for found in _all(admin, server)
            if not found.is_template and not _is_half(server, found, journal)
        ]


def sweep(server: Server) -> list[str]:
    """Drop what killed processes left half made; the names of the databases."""
    with _administrator(server) as admin:
        journal = None if server.makes_roles else _journal(admin, server)
        dropped = []
        for listed in _all(admin, server):
            if not _is_half(server, listed, journal) or not _claim_if_free(admin, listed.name):
                continue
            # Whoever was making it may have come to the end of it, or have dropped it, since it was listed.
            found = _find(admin, listed.name)
            if found is not None and _is_half(server, found, journal):
                _drop(admin, server, found.name, found)
                dropped.append(found.name)
        if server.makes_roles:
            _drop_orphaned_roles(admin, server)
        return dropped


def _is_ours(admin: Connection, server: Server, found: _Found) -> bool:
    """Whether this installation made the database: by its owner, on your own server by the journal."""
    start = prefix(server.workspace.installation)
    if not found.name.startswith(start):
        return False
    if server.makes_roles:
        return found.owner.startswith(start)
    return _journal(admin, server).confirms(str(found.oid))


@contextlib.contextmanager
def _administrator(server: Server) -> Iterator[Connection]:
    try:
        if server.administrator is not None:
            yield server.administrator
            return
        with administration(server.url) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise CookbookError(f"PostgreSQL can't do it: {_reason(server, error)}") from error


def _reason(server: Server, error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return (
            f"it waited {LOCK_LIMIT_S} seconds for a lock that another session holds. "
            "End that session (in a notebook, restart its kernel), and run this again."
        )
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"a statement took more than {STATEMENT_LIMIT_S} seconds. Run this again when the computer is less busy."
    # On a full disk the server goes down without a word to its clients.
    if error.diag.message_primary is None and shutil.disk_usage(server.workspace.root).free < _NO_SPACE:
        return "there is no space left on the disk. Make some, and run this again."
    return error.diag.message_primary or str(error).strip().splitlines()[0]


def _make(admin: Connection, server: Server, label: str, source: Template | None) -> Database:
    """Make a database under a claim that lasts until `admin` is closed."""
    for _ in range(_ATTEMPTS):
        name = fresh_name(server.workspace.installation, label)
        _claim(admin, name)
        password = secrets.token_urlsafe(18) if server.makes_roles else None
        made = _make_owned if server.makes_roles else _make_journaled
        if made(admin, server, name, password, source):
            return _database(server, name, password or _text(server.url.password))
    raise CookbookError("PostgreSQL has somebody else's databases under each name tried. Try again.")


def _make_owned(
    admin: Connection, server: Server, name: str, password: str | None, source: Template | None
) -> bool:
    """On the cookbook's server; False if the name is taken."""
    keeper, role = sql.Identifier(keeper_role(server.workspace.installation)), sql.Identifier(name)
    try:
        limits = sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}")
        admin.execute(limits.format(role, sql.Literal(_CONNECTIONS), sql.Literal(password)))
    except psycopg.errors.DuplicateObject:
        return False
    # The limit of 0 keeps everybody but the superuser out until PUBLIC is shut out.
    options = sql.SQL("STRATEGY file_copy OWNER {} CONNECTION LIMIT 0").format(keeper)
    try:
        _create_database(admin, name, source, options)
    except psycopg.errors.DuplicateDatabase:
        admin.execute(sql.SQL("DROP ROLE {}").format(role))
        return False
    if source is None:
        _hand_over(admin, name)
    else:
        with administration(server.url.set(database=name)) as inside:
            _hand_over(inside, name, objects_role(server.workspace.installation))
    return True


def _hand_over(connection: Connection, name: str, objects: str | None = None) -> None:
    """All at once: what makes a database whole is that it belongs to its role."""
    role = sql.Identifier(name)
    with connection.transaction():
        if objects is not None:
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(objects), role))
        _settle(connection, name)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, role))


def _make_journaled(
    admin: Connection, server: Server, name: str, password: str | None, source: Template | None
) -> bool:
    """On a server of your own; False if the name is taken."""
    journal = _journal(admin, server)
    journal.note(name, State.INTENDED)
    try:
        _create_database(admin, name, source, sql.SQL(""))
    except psycopg.errors.DuplicateDatabase:
        journal.note(name, State.GONE)
        return False
    found = _find(admin, name)
    assert found is not None
    journal.note(name, State.MADE, str(found.oid))
    with admin.transaction():
        _settle(admin, name)
        _watch_clients(admin, name)
    journal.note(name, State.WHOLE, str(found.oid))
    return True


def _copy(admin: Connection, server: Server, original: str, name: str) -> None:
    source = Template(Dialect.POSTGRES, original)
    if not server.makes_roles:
        _make_journaled(admin, server, name, None, source)
        return
    options = sql.SQL("STRATEGY file_copy OWNER {} CONNECTION LIMIT 0").format(sql.Identifier(original))
    _create_database(admin, name, source, options)
    _settle(admin, name)


def _create_database(admin: Connection, name: str, source: Template | None, options: sql.Composable) -> None:
    template = "template0" if source is None else source.name
    encoding = sql.SQL(_ENCODING if source is None else "")
    admin.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} {} {}").format(
            sql.Identifier(name), sql.Identifier(template), encoding, options
        )
    )


def _settle(connection: Connection, name: str) -> None:
    """The settings of a database of ours. Cloning keeps none of them."""
    database = sql.Identifier(name)
    for statement in (
        "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
        "ALTER DATABASE {} RESET ALL",
        "ALTER DATABASE {} SET lock_timeout = '3s'",
        "ALTER DATABASE {} SET timezone = 'UTC'",
        "ALTER DATABASE {} ALLOW_CONNECTIONS true IS_TEMPLATE false CONNECTION LIMIT -1",
    ):
        connection.execute(sql.SQL(statement).format(database))


def _watch_clients(admin: Connection, name: str) -> None:
    """What the cookbook's server has for all: a dead client's backend dies too. Windows can't do it."""
    statement = sql.SQL("ALTER DATABASE {} SET client_connection_check_interval = '1s'")
    with contextlib.suppress(psycopg.errors.InvalidParameterValue), admin.transaction():
        admin.execute(statement.format(sql.Identifier(name)))


def _restored(admin: Connection, server: Server, database: Database) -> Database:
    found = _find(admin, database.name)
    if found is None or not _is_ours(admin, server, found):
        raise CookbookError(
            "The sandbox's PostgreSQL database is gone. Run the notebook's %sandbox cell again."
        )
    with admin.transaction():
        if server.makes_roles:
            _restore_role(admin, database)
        _settle(admin, database.name)
        if not server.makes_roles:
            _watch_clients(admin, database.name)
    return _database(server, database.name, database.url.password)


def _restore_role(admin: Connection, database: Database) -> None:
    role = sql.Identifier(database.name)
    password = sql.Literal(database.url.password)
    limits = sql.SQL("ALTER ROLE {} LOGIN CONNECTION LIMIT {} VALID UNTIL 'infinity' PASSWORD {}")
    admin.execute(limits.format(role, sql.Literal(_CONNECTIONS), password))
    admin.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(role))
    admin.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, role))
    admin.execute(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(role, role))


def _build(admin: Connection, server: Server, name: str, build: Callable[[Database], None]) -> None:
    database = _make(admin, server, _BUILDING, None)
    try:
        build(database)
        _promote(admin, server, database.name, name)
    except Exception:
        _drop(admin, server, database.name, _find(admin, database.name))
        raise


def _promote(admin: Connection, server: Server, building: str, name: str) -> None:
    """Make a built database the template `name`, which nobody can connect to."""
    old, new = sql.Identifier(building), sql.Identifier(name)
    _disconnect(admin, building)
    if server.makes_roles:
        with administration(server.url.set(database=building)) as inside:
            _hand_to_keeper(inside, server.workspace.installation, building)
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(old))
    _disconnect(admin, building)
    journal = None if server.makes_roles else _journal(admin, server)
    if journal is not None:
        found = _find(admin, building)
        assert found is not None
        journal.note(name, State.WHOLE, str(found.oid))
    with admin.transaction():
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
        admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(new))
    if journal is not None:
        journal.note(building, State.GONE)
    else:
        admin.execute(sql.SQL("DROP ROLE {}").format(old))


def _hand_to_keeper(inside: Connection, installation: str, building: str) -> None:
    """The database first: REASSIGN OWNED would give it to the role that owns its objects."""
    role = sql.Identifier(building)
    keeper, objects = sql.Identifier(keeper_role(installation)), sql.Identifier(objects_role(installation))
    with inside.transaction():
        inside.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(role, keeper))
        inside.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(role, objects))
        inside.execute(sql.SQL("DROP OWNED BY {}").format(role))


def _disconnect(admin: Connection, name: str) -> None:
    """End all clients' connections to a database and wait until they are gone.

    An autovacuum worker gives way by itself, and only a superuser may end one.
    """
    deadline = time.monotonic() + 5
    ended = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = %s AND backend_type = 'client backend'"
    )
    while admin.execute(ended, [name]).fetchone() != (0,) and time.monotonic() < deadline:
        time.sleep(0.002)


def _drop(admin: Connection, server: Server, name: str, found: _Found | None) -> None:
    """Drop what the caller knows to be ours, under a claim: `sweep` in another kernel would trip over it."""
    _claim(admin, name)
    identifier = sql.Identifier(name)
    if found is not None:
        if found.is_template:
            admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(identifier))
        _drop_database(admin, identifier)
    if server.makes_roles:
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(identifier))
    elif found is not None:
        journal = _journal(admin, server)
        for other, entry in journal.entries().items():
            if entry.mark == str(found.oid):
                journal.note(other, State.GONE)


def _drop_database(admin: Connection, identifier: sql.Identifier) -> None:
    """Whoever is connected; but the server's own vacuum, which may look in, nobody but its owner may end."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier)
    for _ in range(_VISITS):
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            admin.execute(statement)
            return
        time.sleep(0.2)
    admin.execute(statement)


def _drop_orphaned_roles(admin: Connection, server: Server) -> None:
    """Roles whose database is gone, or was never made."""
    orphans = admin.execute(
        "SELECT rolname FROM pg_roles WHERE rolcanlogin AND starts_with(rolname, %s)"
        " AND NOT EXISTS (SELECT FROM pg_database WHERE datname = rolname OR datdba = pg_roles.oid)",
        [prefix(server.workspace.installation)],
    ).fetchall()
    for (name,) in orphans:
        if _claim_if_free(admin, name) and _find(admin, name) is None:
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _is_half(server: Server, found: _Found, journal: Journal | None) -> bool:
    """Whether a database of ours was never finished, or is being made at this moment."""
    installation = server.workspace.installation
    if found.is_template:
        return False
    if found.name.startswith(f"{prefix(installation)}{_BUILDING}_"):
        return True
    if journal is None:
        return found.owner == keeper_role(installation)
    entry = journal.entries().get(found.name)
    return entry is None or entry.state is not State.WHOLE


def _claim(admin: Connection, name: str) -> None:
    """Tell `sweep` that a living process is at work on this name."""
    admin.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])


def _claim_if_free(admin: Connection, name: str) -> bool:
    claimed = admin.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
    return claimed.fetchone() == (True,)


_FIND = """
    SELECT datname, pg_database.oid, rolname, datistemplate
    FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba
"""


def _find(admin: Connection, name: str) -> _Found | None:
    row = admin.execute(f"{_FIND} WHERE datname = %s".encode(), [name]).fetchone()
    return _Found(*row) if row is not None else None


def _all(admin: Connection, server: Server) -> list[_Found]:
    """Every database of this installation."""
    start = prefix(server.workspace.installation)
    rows = admin.execute(f"{_FIND} WHERE starts_with(datname, %s) ORDER BY 1".encode(), [start]).fetchall()
    return [found for row in rows if _is_ours(admin, server, found := _Found(*row))]


def _journal(admin: Connection, server: Server) -> Journal:
    """The journal of that server. A copy of the workspace has another inode, so a journal of its own."""
    row = admin.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    folder = server.workspace.databases.stat()
    return Journal(server.workspace, f"{row} {folder.st_dev} {folder.st_ino}")


def _database(server: Server, name: str, password: object) -> Database:
    url = server.url.set(database=name)
    if server.makes_roles:
        url = url.set(username=name, password=_text(password))
    return Database(Dialect.POSTGRES, name, url)


def _text(password: object) -> str:
    return "" if password is None else str(password)
