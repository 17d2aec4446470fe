"""The guard: while a command runs, only the run's own databases can be opened.

What it holds, in this process and until the block ends:

- Each connection that SQLAlchemy, `sqlite3` or psycopg opens is checked before it's opened, so that a
  foreign SQLite file isn't even created, and again afterwards, by what the driver really opened. That
  includes `creator=`, a `do_connect` listener of the project's, and bare driver calls.
- A connection that waited in a pool is checked when it's taken out.
- SQLite connections can't attach other files (which is how VACUUM INTO writes) or load extensions.

What it doesn't hold: a connection that was already in use before the block; a `sqlite3.connect` imported
before it or `sqlite3.Connection` itself, which are checked by name but may attach files; the bare drivers
in threads that were running before it; drivers other than `sqlite3` and psycopg, where they're used
without SQLAlchemy or redirected by a listener; libpq called directly; programs that the project starts;
and a project that sets out to remove these hooks. It prevents accidents and isn't a security boundary:
`cookbook verify` puts untrusted code into a contained process.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import event

from migration_cookbook.databases import driver_hooks
from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.databases.engines import LOCK_PATIENCE_S
from migration_cookbook.databases.sqlite_names import AllowedFile, opened_file
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy.engine import interfaces
    from sqlalchemy.pool import ConnectionPoolEntry

    from migration_cookbook.databases.database import Database

#: Where a pool's entry remembers which address was checked, for drivers that don't tell what they opened.
_CHECKED = "cookbook_checked_address"
_ELSEWHERE = ("service", "servicefile", "hostaddr", "dsn", "conninfo")
_ELSEWHERE_INHERITED = ("PGSERVICE", "PGHOSTADDR")


class Refused(CookbookError):
    """A connection to a database that this command has no business with."""

    def __init__(self, message: str, what: str = "") -> None:
        super().__init__(message)
        #: What was refused, in words that follow “it”: `connects to sqlite:///other.db`.
        self.what = what


@dataclass(frozen=True)
class _Block:
    """What may be opened while one `only` block lasts."""

    files: tuple[AllowedFile, ...]
    servers: tuple[tuple[str, str, str], ...]
    #: For messages: "SQLite database or PostgreSQL database".
    mine: str
    #: Threads that were there before. Bare drivers and waiting connections in them are the reader's own.
    outsiders: frozenset[int | None]
    cursor_factory: type[psycopg.Cursor[Any]] | None
    #: SQLite's own message gives no reason for a denial, so the reason waits here.
    reasons: list[Refused] = field(default_factory=list)

    @classmethod
    def of(cls, databases: tuple[Database, ...], cursor_factory: type[psycopg.Cursor[Any]] | None) -> _Block:
        return cls(
            files=tuple(
                file
                for database in databases
                if database.dialect is Dialect.SQLITE and (file := AllowedFile.at(database.name)) is not None
            ),
            servers=tuple(_address_of(each) for each in databases if each.dialect is Dialect.POSTGRES),
            mine=" or ".join(dict.fromkeys(f"{each.dialect.title} database" for each in databases)),
            outsiders=frozenset(each.ident for each in threading.enumerate()) - {threading.get_ident()},
            cursor_factory=cursor_factory,
        )

    def allows_file(self, path: str | None) -> bool:
        return path is None or any(file.is_at(path) for file in self.files)

    def refusal(self, what: str, advice: str) -> Refused:
        return Refused(
            f"Refused: this command may only touch the sandbox's {self.mine or 'files, no database'}, "
            f"but the project {what}. {advice}",
            what,
        )

    def wrong_address(self, address: str) -> Refused:
        advice = "In this book env.py takes its URL from the environment, from DATABASE_URL."
        return self.refusal(f"connects to {address}", advice)


_blocks: tuple[_Block, ...] = ()
_changing = threading.Lock()


@contextlib.contextmanager
def only(
    databases: Iterable[Database], cursor_factory: type[psycopg.Cursor[Any]] | None = None
) -> Iterator[None]:
    """Allow only connections to these databases in the block; nested, only those that both blocks allow.

    SQLAlchemy's psycopg connections get this `cursor_factory` unless they're given another.
    """
    block = _Block.of(tuple(databases), cursor_factory)
    _enter(block)
    try:
        yield
    except (sqlite3.DatabaseError, sa.exc.DBAPIError) as error:
        if block.reasons and _is_denied(error):
            raise block.reasons[-1].with_traceback(error.__traceback__) from error
        raise
    finally:
        _leave(block)


def _enter(block: _Block) -> None:
    global _blocks
    with _changing:
        if not _blocks:
            _listen()
            driver_hooks.watch(_WATCHER)
        _blocks = (*_blocks, block)


@functools.cache
def _listen() -> None:
    """Listen to SQLAlchemy from now on: doing so for each block would take longer than all its checks."""
    event.listen(sa.Engine, "do_connect", _before_connect)
    event.listen(sa.pool.Pool, "checkout", _taken_out)


def _leave(block: _Block) -> None:
    global _blocks
    with _changing:
        _blocks = tuple(each for each in _blocks if each is not block)
        if not _blocks:
            driver_hooks.unwatch()
            _WATCHER.forget()


def _blocks_here() -> tuple[_Block, ...]:
    """Return the blocks that this thread is in."""
    return tuple(each for each in _blocks if threading.get_ident() not in each.outsiders)


def _before_connect(
    dialect: interfaces.Dialect,
    record: ConnectionPoolEntry | None,
    arguments: list[Any],
    parameters: dict[str, Any],
) -> None:
    if not _blocks:
        return
    for block in _blocks:
        if dialect.name == "sqlite":
            path = _sqlite_path(arguments, parameters)
            if not block.allows_file(path):
                raise block.wrong_address(f"sqlite:///{path}")
        elif dialect.name != "postgresql" or not _is_allowed_postgres(arguments, parameters, block):
            raise block.wrong_address(_server_address(dialect.name, arguments, parameters))
    if dialect.name == "sqlite":
        parameters.setdefault("timeout", LOCK_PATIENCE_S)
    elif dialect.driver == "psycopg" and not dialect.is_async:
        for factory in [each.cursor_factory for each in reversed(_blocks) if each.cursor_factory]:
            parameters.setdefault("cursor_factory", factory)
    if record is not None:
        record.info[_CHECKED] = _checked(dialect, arguments, parameters)


def _checked(dialect: interfaces.Dialect, arguments: list[Any], parameters: Mapping[str, Any]) -> Any:
    return _sqlite_path(arguments, parameters) if dialect.name == "sqlite" else _address(parameters)


def _taken_out(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Check a connection that a pool hands out by what its driver really opened."""
    if blocks := _blocks_here():
        driver = getattr(connection, "driver_connection", connection)
        if isinstance(driver, sqlite3.Connection):
            _WATCHER.take_sqlite(driver)
        elif type(driver).__module__.startswith("aiosqlite"):
            _check_files(connection, blocks)
        elif isinstance(info := getattr(driver, "info", None), psycopg.ConnectionInfo) or _tells(info):
            if not driver.closed:
                _check_server(info, blocks)
        else:
            _check_record(driver, record, blocks)


def _tells(info: Any) -> bool:
    """Whether a driver's `info` says where it's connected to, as psycopg2's does."""
    return all(hasattr(type(info), name) for name in ("host", "port", "dbname"))


def _check_record(driver: Any, record: ConnectionPoolEntry, blocks: tuple[_Block, ...]) -> None:
    checked = record.info.get(_CHECKED)
    for block in blocks:
        known = checked in block.servers or (isinstance(checked, str) and block.allows_file(checked))
        if not known:
            raise block.refusal(
                f"uses a connection of {type(driver).__module__} that was opened elsewhere",
                "Create the engine in env.py, from a URL and with poolclass=sa.NullPool.",
            )


def _check_files(connection: Any, blocks: tuple[_Block, ...]) -> None:
    """Compare the files that an SQLite connection has open with those that are allowed."""
    try:
        cursor = connection.cursor()
        if isinstance(cursor, sqlite3.Cursor):
            cursor.row_factory = None
        cursor.execute("PRAGMA database_list")
        names = [os.fsdecode(file) for _, _, file in cursor.fetchall() if file]
        cursor.close()
    except sqlite3.ProgrammingError:
        # It's closed, or another thread's: nobody can use it here.
        return
    for block in blocks:
        for name in names:
            if not block.allows_file(name):
                raise block.wrong_address(f"sqlite:///{name}")


def _check_server(info: Any, blocks: tuple[_Block, ...]) -> None:
    """Compare the server and database that libpq is connected to with those that are allowed."""
    address = (str(info.host), str(info.port), str(info.dbname))
    given = info.get_parameters() if hasattr(info, "get_parameters") else info.dsn_parameters
    for block in blocks:
        if address not in block.servers or not _resolves(address[0], given.get("hostaddr")):
            raise block.wrong_address(f"postgresql://{address[0]}:{address[1]}/{address[2]}")


class _Watcher:
    """What the drivers are asked before and after a connection."""

    def __init__(self) -> None:
        #: By id, while they live: a question to a connection that's being recorded would be recorded.
        self._examined: set[int] = set()

    def before_sqlite(self, database: Any) -> None:
        # The audit event doesn't say whether URIs are read, so a name that looks like one counts as one.
        path = opened_file(os.fsdecode(database), uri=True)
        for block in _blocks_here():
            if not block.allows_file(path):
                raise block.wrong_address(f"sqlite:///{path}")

    def opened_sqlite(self, connection: sqlite3.Connection) -> None:
        """Forget a connection that had the same id and is gone."""
        self._examined.discard(id(connection))

    def after_sqlite(self, connection: sqlite3.Connection) -> None:
        if blocks := _blocks_here():
            _check_files(connection, blocks)
            with contextlib.suppress(sqlite3.ProgrammingError):
                connection.set_authorizer(_authorize)
            self._examined.add(id(connection))

    def take_sqlite(self, connection: sqlite3.Connection) -> None:
        if id(connection) not in self._examined:
            self.after_sqlite(connection)

    def forget(self) -> None:
        self._examined.clear()

    def before_extension(self) -> None:
        for block in _blocks_here():
            raise block.refusal(
                "loads an extension into SQLite", "Remove enable_load_extension() and load_extension()."
            )

    def before_postgres(self, parameters: Mapping[str, Any]) -> None:
        given = {name: value for name, value in parameters.items() if name != "hostaddr"}
        for block in _blocks_here():
            allowed = _is_allowed_postgres([], given, block)
            # psycopg's async connections look the host's address up by themselves.
            if not allowed or not _resolves(str(given.get("host")), parameters.get("hostaddr")):
                raise block.wrong_address(_server_address("postgresql", [], parameters))

    def after_postgres(self, info: psycopg.ConnectionInfo) -> None:
        if blocks := _blocks_here():
            _check_server(info, blocks)


_WATCHER = _Watcher()


def _authorize(action: int, file: str | None, *_: str | None) -> int:
    """Let SQLite attach memory, temporary files and allowed databases. VACUUM attaches a temporary file."""
    if action != sqlite3.SQLITE_ATTACH:
        return sqlite3.SQLITE_OK
    for block in _blocks_here():
        if file is None or not block.allows_file(opened_file(file, uri=True)):
            # A parameter's value isn't known yet.
            what = f"attaches or writes the SQLite file {file or 'that a parameter names'}"
            advice = "Attach ':memory:' instead, or leave ATTACH and VACUUM INTO out."
            block.reasons.append(block.refusal(what, advice))
            return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _is_denied(error: Exception) -> bool:
    return getattr(getattr(error, "orig", error), "sqlite_errorname", None) == "SQLITE_AUTH"


def _sqlite_path(arguments: list[Any], parameters: Mapping[str, Any]) -> str | None:
    """Return the file that would be opened; None for a database in memory."""
    name = os.fsdecode(arguments[0] if arguments else parameters.get("database", ""))
    return opened_file(name, uri=bool(parameters.get("uri")))


def _is_allowed_postgres(arguments: list[Any], parameters: Mapping[str, Any], block: _Block) -> bool:
    if any(arguments) or _takes_address_elsewhere(parameters):
        return False
    address = _address(parameters)
    return all(address) and address in block.servers


def _takes_address_elsewhere(parameters: Mapping[str, Any]) -> bool:
    """Whether libpq would go to another server than the one named by host and port."""
    return any(parameters.get(name) for name in _ELSEWHERE) or any(map(os.environ.get, _ELSEWHERE_INHERITED))


def _resolves(host: str, address: str | None) -> bool:
    """Whether a host has this network address; a socket's folder has none."""
    if not address:
        return True
    if host.startswith(("/", "@")):
        return False
    try:
        return any(address == found[4][0] for found in socket.getaddrinfo(host, None))
    except OSError:
        return False


def _address(parameters: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return host, port and database as psycopg, psycopg2, asyncpg and pg8000 call them; empty if not given."""
    host = parameters.get("host") or parameters.get("unix_sock") or ""
    port = parameters.get("port") or ""
    name = parameters.get("dbname") or parameters.get("database") or ""
    return str(host), str(port), str(name)


def _address_of(database: Database) -> tuple[str, str, str]:
    url = database.url
    host, port = url.host or url.query.get("host", ""), url.port or url.query.get("port", "")
    return str(host), str(port), str(url.database)


def _server_address(dialect: str, arguments: list[Any], parameters: Mapping[str, Any]) -> str:
    if any(arguments) or _takes_address_elsewhere(parameters):
        return f"a {dialect} database named by a service, a hostaddr or a connection string"
    host, port, name = _address(parameters)
    user = parameters.get("user") or parameters.get("username")
    who = f"{user}{':…' if parameters.get('password') else ''}@" if user else ""
    return f"{dialect}://{who}{host or '(no host)'}{f':{port}' if port else ''}/{name or '(no name)'}"
