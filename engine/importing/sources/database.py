"""Opens SQLite databases that somebody else made, for reading: nothing in them is run, nothing is written.

Knows no schema.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

MAGIC = b"SQLite format 3\0"
WAIT_S = 2.0
"""How long a writer that holds the database is waited for."""
LONGEST = 16 << 20
"""Bytes of a value."""
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_PRAGMA})


def is_database(path: Path) -> bool:
    """Whether a file is a SQLite database, by its first bytes."""
    try:
        with open_regular(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@contextlib.contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    """A database for reading, while it may be written to.

    Raises:
        UserError: it cannot be opened, is damaged, or held by a writer for too long; in what is done within as well.
    """
    connection = None
    try:
        connection = _connected(path)
        yield connection
    except sqlite3.Error as err:
        is_held = "locked" in str(err) or "busy" in str(err)
        hint = "wait until its writer is done, or copy it" if is_held else "is it whole?"
        raise UserError(f"{path} cannot be read: {err}", hint) from err
    finally:
        if connection is not None:
            connection.close()


def columns_of(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Names of the columns of an ordinary table; empty: there is none, or it is a view or made by an extension."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    sql = str(found[0]).lstrip().upper() if found else ""
    if not sql.startswith("CREATE TABLE"):
        return ()
    return tuple(str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")'))


def rows_of(connection: sqlite3.Connection, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, read as they come."""
    yield from connection.execute(query, values)


def companions(path: Path) -> tuple[Path, ...]:
    """The database and what its writer keeps beside it: it has grown when one of them changes."""
    return (path, path.with_name(f"{path.name}-wal"))


def _connected(path: Path) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        return _prepared(uri)
    except sqlite3.OperationalError as err:
        if "unable to open" not in str(err) or not path.is_file():
            raise
        # In a folder where nothing can be written the shared memory of a write-ahead log cannot be made.
        return _prepared(f"{uri}&immutable=1")


def _prepared(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
        connection.text_factory = _text
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.set_authorizer(_allowed)
    except BaseException:
        connection.close()
        raise
    return connection


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _allowed(action: int, *_: Any) -> int:
    """Nothing but reading: whatever the schema of the file has in it."""
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
