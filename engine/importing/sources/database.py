"""Opens SQLite databases that somebody else made, for reading: nothing in them is run, nothing is written.

Knows no schema.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

MAGIC = b"SQLite format 3\0"
VERSION, AHEAD = slice(18, 19), b"\2"
"""Where the header says how the file is written, and that it is with a write-ahead log (SQLite, "file format")."""
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
    try:
        with _uri(path) as uri, contextlib.closing(_prepared(uri)) as connection:
            yield connection
    except sqlite3.Error as err:
        is_held = "locked" in str(err) or "busy" in str(err)
        hint = "wait until its writer is done, or copy it" if is_held else "is it whole?"
        raise UserError(f"{path} cannot be read: {err}", hint) from err
    except UnicodeDecodeError as err:  # SQLite's own words quote a damaged schema, and Python takes them for text
        raise UserError(f"{path} cannot be read: it is damaged", "is it whole?") from err
    except OSError as err:
        raise UserError(f"{path} cannot be read: {err.strerror or err}", "check the disk") from err


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
    return (path, _beside(path, "-wal"))


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}{ending}")


@contextlib.contextmanager
def _uri(path: Path) -> Generator[str]:
    """How to open a database so that nothing is left beside it.

    SQLite makes files for its write-ahead log where there are none, also for who only reads: so one without them is
    opened as one that nobody changes, and one that lacks a part of them as a copy.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with open_regular(path) as file:
        head = file.read(20)
    log = _beside(path, "-wal")
    if head[VERSION] != AHEAD or _beside(path, "-shm").exists():
        yield uri
    elif not log.exists() or not log.stat().st_size:
        yield f"{uri}&immutable=1"
    else:
        with tempfile.TemporaryDirectory(prefix="trainctl-") as folder:
            copy = Path(folder) / "copy.db"
            shutil.copyfile(path, copy)
            shutil.copyfile(log, _beside(copy, "-wal"))
            yield f"file:{quote(str(copy))}?mode=ro"


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
