"""Lists eyes from Parquet files: `split, label, class_id, image_path, source` and possibly `image_bytes`.

pyarrow is imported only here, and only when a Parquet file is read. Image bytes are streamed, never held whole.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.engine.data.csv_table import require_columns
from trainctl.engine.data.eyes.listing import Listing
from trainctl.engine.data.eyes.table import listing_from_columns
from trainctl.engine.data.images import Source
from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BATCH = 1024
"""Rows of image bytes read at a time."""
MAGIC = b"PAR1"
"""The first bytes of every Parquet file."""


def is_parquet(file: Path) -> bool:
    """Whether a file begins as Parquet does; False where it cannot be read."""
    try:
        with open_regular(file) as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def list_parquet(origin: Path, files: Sequence[Path]) -> Listing:
    """Every row of one or more Parquet files, in order.

    Args:
        origin: the file or folder the user named.
        files: the files, not empty.

    Raises:
        UserError: when pyarrow is missing, a file is damaged or lacks a column, or a row is wrong.
    """
    columns: dict[str, list[object]] = {}
    paths: list[list[object]] = []
    names: list[str] = []
    rows: list[tuple[Path, int]] = []
    for file in files:
        table = _read_columns(file)
        length = len(table["class_id"])
        for name in (columns.keys() | table.keys()) if length else ():
            before = columns.setdefault(name, [None] * len(rows))
            before += table.get(name, [None] * length)
        paths.append(table.get("image_path", [None] * length))
        names += [str(path or f"{file.name} row {row}") for row, path in enumerate(paths[-1], start=1)]
        rows += [(file, row) for row in range(1, length + 1)]

    def sources() -> Iterator[Source]:
        for file, file_paths in zip(files, paths, strict=True):
            yield from _sources(file, file_paths)

    def where(index: int) -> str:
        return f"{rows[index][0]} row {rows[index][1]}"

    return listing_from_columns(origin, columns, names, sources, where)


@contextmanager
def _opened(file: Path) -> Generator[ParquetFile]:
    """The open file; whatever pyarrow says of it becomes one line."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            f"reading {file} needs pyarrow", "install it with: pip install 'trainctl-cockpit[parquet]'"
        ) from error
    try:
        with open_regular(file) as stream, pq.ParquetFile(stream) as opened:
            yield opened
    except PermissionError as error:
        raise UserError(f"permission denied: {file}", "make the file readable") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"{file} is no complete Parquet file: {reason}", "write or download it again") from error


def _read_columns(file: Path) -> dict[str, list[object]]:
    """Every column but the image bytes."""
    with _opened(file) as opened:
        found: list[str] = opened.schema_arrow.names
        image = "image_bytes" if "image_bytes" in found else "image_path"
        require_columns(found, ["class_id", image], file)
        _require_binary(opened, file)
        table: Any = opened.read(columns=[name for name in found if name != "image_bytes"])
        return table.to_pydict()


def _require_binary(opened: ParquetFile, file: Path) -> None:
    """Refuse image bytes that are no bytes."""
    import pyarrow as pa

    schema: Any = opened.schema_arrow
    if "image_bytes" in schema.names:
        kind = schema.field("image_bytes").type
        if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
            raise UserError(f"{file}: image_bytes is {kind}", "store encoded images as binary")


def _sources(file: Path, paths: Sequence[object]) -> Iterator[Source]:
    """The image of each row: its bytes, or where it has none the file named by `image_path`."""
    with _opened(file) as opened:
        if "image_bytes" not in opened.schema_arrow.names:
            yield from (file.parent / str(path or "") for path in paths)
            return
        row = 0
        batches: Any = opened.iter_batches(BATCH, columns=["image_bytes"])
        for batch in batches:
            for content in batch.column(0).to_pylist():
                yield content if content is not None else file.parent / str(paths[row] or "")
                row += 1
