"""One server of processes for all end-to-end tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sittings import Sittings


@pytest.fixture(scope="session")
def sittings() -> Iterator[Sittings]:
    """Starts `trainctl` processes."""
    with Sittings() as found:
        yield found
