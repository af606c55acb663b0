"""What waits for the disk: nothing is lost while it can be kept, nothing stands twice, each fault is said once."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sample_runs import LAYOUT, new_run, records

from trainctl.engine.runs.atomic import DiskError
from trainctl.engine.runs.events import EventKind, EventReader
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import Records
from trainctl.engine.runs.store import StepReader, StepWriter
from trainctl.engine.training.desk import outbox as outbox_module
from trainctl.engine.training.desk import pile as pile_module
from trainctl.engine.training.desk.outbox import Outbox
from trainctl.engine.training.desk.pile import Pile


class Disk:
    """Refuses, or waits, for files with `name` in their path; a part of what is written goes through first."""

    def __init__(self) -> None:
        self.name, self.part = "", 0
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if self.name and self.name in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            if self.part:
                self.part, data = 0, bytes(data)[: self.part]
                return self._write(descriptor, data)
            raise OSError(errno.EIO, "odd")
        return self._write(descriptor, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    monkeypatch.setattr(os, "write", found.write)
    return found


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return new_run(tmp_path)


def texts(run: RunPaths) -> list[str]:
    return [event.data["text"] for event in EventReader(run).read_new()]


def note(outbox: Outbox, text: str) -> None:
    outbox.event(EventKind.NOTE, 1, {"text": text})


@pytest.mark.parametrize("part", [0, 5, 60])
def test_events_keep_their_order_and_none_stands_twice(run: RunPaths, disk: Disk, part: int) -> None:
    outbox = Outbox(run)
    note(outbox, "a")
    outbox.write_out()
    disk.name, disk.part = "events.jsonl", part
    for text in ("b", "c"):
        note(outbox, text)
        outbox.write_out()
    assert texts(run) == ["a"] and set(outbox.refused) == {"events.jsonl"}
    disk.name = ""
    note(outbox, "d")
    outbox.write_out()
    outbox.write_out()
    assert [text for text in texts(run) if len(text) == 1] == ["a", "b", "c", "d"]
    said = [text for text in texts(run) if len(text) > 1]
    assert len(said) == 2 and "goes on without" in said[0] and said[1] == "events.jsonl is written again"
    assert outbox.refused == {}
    assert run.events.read_bytes().endswith(b"\n")


def test_of_a_file_that_is_replaced_only_the_newest_waits(run: RunPaths, disk: Disk) -> None:
    outbox, path, written = Outbox(run), run.root / "status.json", list[int]()

    def write(number: int) -> Callable[[], None]:
        def now() -> None:
            written.append(number)
            if disk.name:
                raise DiskError("no")

        return now

    disk.name = "x"
    for number in range(3):
        outbox.replace(path.name, write(number))
        outbox.write_out()
    disk.name = ""
    outbox.write_out()
    outbox.write_out()
    assert written == [0, 1, 2, 2]


def test_records_go_out_together_and_wait_while_they_must(run: RunPaths, disk: Disk) -> None:
    outbox = Outbox(run)
    sink = outbox.records(StepWriter(run, LAYOUT))
    disk.name = "steps.bin"
    for first in (1, 11, 21):
        sink.append(records(first, first + 9))
        outbox.write_out()
    assert len(StepReader(run).all()) == 0
    disk.name = ""
    outbox.write_out(sync=True)
    assert StepReader(run).all()["step"].tolist() == list(range(1, 31))
    assert "steps.bin is written again" in texts(run)


class Counting:
    """A sink that counts its writes."""

    def __init__(self) -> None:
        self.blocks: list[Records] = []
        self.num_syncs = 0

    def append(self, records: Records) -> None:
        self.blocks.append(records)

    def sync(self) -> None:
        self.num_syncs += 1

    def close(self) -> None:
        pass


def test_many_blocks_are_one_write() -> None:
    sink = Counting()
    pile = Pile(sink, "steps.bin")
    for first in range(1, 101, 10):
        pile.append(records(first, first + 9))
    pile.write_out()
    pile.write_out(sync=True)
    assert len(sink.blocks) == 1 and sink.num_syncs == 1
    assert sink.blocks[0]["step"].tolist() == list(range(1, 101))


def test_what_finds_no_room_is_lost_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    block = records(1, 10)
    monkeypatch.setattr(pile_module, "MOST_BYTES", 2 * block.nbytes)
    sink = Counting()
    pile = Pile(sink, "steps.bin")
    for first in (1, 11, 21, 31):
        pile.append(records(first, first + 9))
    pile.write_out()
    assert np.concatenate(sink.blocks)["step"].tolist() == list(range(1, 21))
    assert pile.words_of_lost() == "; the records of steps 21 to 40 are lost"
    assert pile.words_of_lost() == ""
    pile.append(records(41, 50))
    pile.write_out()
    assert sink.blocks[-1]["step"].tolist() == list(range(41, 51))


def test_the_oldest_events_give_way_where_too_many_wait(
    run: RunPaths, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "MOST_EVENTS", 5)
    outbox = Outbox(run)
    disk.name = "events.jsonl"
    for number in range(20):
        note(outbox, f"{number}")
        outbox.write_out()
    disk.name = ""
    outbox.write_out()
    assert [text for text in texts(run) if text.isdigit()] == ["15", "16", "17", "18", "19"]


def test_events_of_many_threads_all_arrive_once(run: RunPaths) -> None:
    outbox, over = Outbox(run), threading.Event()

    def write() -> None:
        while not over.is_set():
            outbox.write_out()

    clerk = threading.Thread(target=write)
    clerk.start()

    def tell(thread: int) -> None:
        for k in range(200):
            note(outbox, f"{thread} {k}")

    threads = [threading.Thread(target=tell, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    clerk.join()
    outbox.close()
    found = [tuple(map(int, text.split())) for text in texts(run)]
    assert sorted(found) == [(thread, k) for thread in range(4) for k in range(200)]
    assert all([k for t, k in found if t == thread] == list(range(200)) for thread in range(4))
    assert all(json.loads(line) for line in run.events.read_text().splitlines())
