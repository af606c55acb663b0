"""The load is read from what the kernel tells, and where it tells nothing there is nothing, never an error."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from trainctl.engine.machine import load
from trainctl.engine.machine.load import LoadMeter, usable_cores


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """What a kernel of a machine with 64 GiB tells."""
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "stat").write_text("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n")
    (folder / "self" / "statm").write_text("1000 256 10 1 0 1 0\n")
    (folder / "meminfo").write_text("MemTotal: 67108864 kB\nMemFree: 1 kB\nMemAvailable: 50331648 kB\n")
    return folder


def test_the_share_of_the_machine_is_that_since_the_last_reading(proc: Path, tmp_path: Path) -> None:
    meter = LoadMeter(proc, tmp_path)
    assert math.isnan(meter.read().machine_cpu_percent)
    (proc / "stat").write_text("cpu  160 0 80 805 55 0 0 0 0 0\n")  # 100 more ticks, of which 10 were idle
    found = meter.read()
    assert found.machine_cpu_percent == pytest.approx(90)
    assert found.process_memory_bytes == 256 * os.sysconf("SC_PAGE_SIZE")
    assert (found.memory_used_bytes, found.memory_total_bytes) == (16 << 30, 64 << 30)


def test_in_a_container_the_memory_is_what_it_may_have(proc: Path, tmp_path: Path) -> None:
    group = tmp_path / "group"
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text(f"{5 << 30}\n")
    assert LoadMeter(proc, group).read().memory_total_bytes == 64 << 30
    (group / "memory.max").write_text(f"{8 << 30}\n")
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {2 << 30}\n")
    found = LoadMeter(proc, group).read()
    assert (found.memory_used_bytes, found.memory_total_bytes) == (3 << 30, 8 << 30)


def test_without_a_proc_only_the_processs_own_time_is_known(tmp_path: Path) -> None:
    meter = LoadMeter(tmp_path / "none", tmp_path / "none")
    meter.read()
    sum(range(100_000))
    found = meter.read()
    assert found.process_cpu_percent > 0
    assert [name for name, value in vars(found).items() if value == value] == ["process_cpu_percent"]


def test_what_workers_take_counts_as_the_processs_until_they_end(
    proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    (proc / "77").mkdir()
    (proc / "77" / "stat").write_text(f"77 (a (b) c) S 1 77 77 0 0 0 0 0 0 0 {ticks} {ticks} 0 0 20")
    workers = [77]
    clock = iter((10.0, 12.0, 14.0))
    monkeypatch.setattr(load.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(load.time, "process_time", lambda: 1.0)
    monkeypatch.setattr(load, "_workers", lambda: workers)
    meter = LoadMeter(proc, tmp_path)
    meter.read()
    (proc / "77" / "stat").write_text(f"77 (a (b) c) S 1 77 77 0 0 0 0 0 0 0 {2 * ticks} {2 * ticks} 0 0 20")
    assert meter.read().process_cpu_percent == pytest.approx(100)
    workers.clear()
    assert meter.read().process_cpu_percent == 0


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu a b c d e f\n", "nothing of this kind", "cpu 1 2 3 4 5"])
def test_a_kernel_that_tells_something_else_tells_nothing(proc: Path, tmp_path: Path, text: str) -> None:
    for name in ("stat", "meminfo", "self/statm"):
        (proc / name).write_text(text)
    meter = LoadMeter(proc, tmp_path)
    meter.read()
    found = meter.read()
    assert math.isnan(found.machine_cpu_percent) and math.isnan(found.memory_total_bytes)


def test_there_is_a_core_to_run_on() -> None:
    assert usable_cores() >= 1
