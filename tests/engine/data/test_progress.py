"""What a loader says about how far it is reaches who listens, and only then."""

from __future__ import annotations

from pathlib import Path

import eyes_files

from trainctl.engine.data.eyes.load import load_eyes
from trainctl.engine.data.progress import report, reporting_to


def test_only_who_listens_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    report("before", 1, 2)
    with reporting_to(lambda *news: told.append(news)):
        report("within", 1, 2)
    report("after", 1, 2)
    assert told == [("within", 1, 2)]


def test_decoding_eyes_is_reported(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with reporting_to(lambda *news: told.append(news)):
        load_eyes(*eyes_files.options(), eyes_files.write_classes(tmp_path))
    assert told[-1] == ("decoding images", 20, 20)
