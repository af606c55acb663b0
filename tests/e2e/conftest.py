"""One server of processes for all end-to-end tests of a worker; a folder to type command lines in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shells import Shell
from sittings import Sittings


@pytest.fixture(scope="session")
def sittings() -> Iterator[Sittings]:
    """Starts `trainctl` processes."""
    with Sittings() as found:
        yield found


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An empty folder to type in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(tmp_path / "runs"))
    return Shell(tmp_path, capsys)
