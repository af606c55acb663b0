"""Prints results and keeps them as JSON in `bench-results/`. Knows no benchmark."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.interleave import Timings

RESULTS = Path(__file__).resolve().parents[1] / "bench-results"


@dataclass(frozen=True)
class Options:
    """What every benchmark can be told."""

    quick: bool = False
    threads: int | None = None
    device: str = "auto"

    def choose(self) -> str:
        """The torch device; also sets the number of threads of this process."""
        import torch

        if self.threads:
            torch.set_num_threads(self.threads)
        if self.device != "auto":
            return self.device
        return "cuda" if torch.cuda.is_available() else "cpu"


def read_options(description: str | None, argv: Sequence[str] | None = None) -> Options:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    return Options(**vars(parser.parse_args(argv)))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options every benchmark has."""
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads of torch (default: torch's choice)")
    parser.add_argument("--device", default="auto", help="cpu or cuda (default: cuda where there is one)")


def machine(device: str = "cpu") -> dict[str, Any]:
    """What the figures depend on."""
    import torch

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "load": round(os.getloadavg()[0], 2),
    }


def headline(name: str, about: Mapping[str, Any]) -> None:
    """The first line of a benchmark: what is measured, and on what."""
    print(f"\n== {name} " + "=" * max(0, 90 - len(name)))
    print("   " + ", ".join(f"{key} {value}" for key, value in about.items()))


def table(timings: Timings, reference: str, samples: int | None = None) -> None:
    """Each loop's time per step and how much longer it takes than `reference`."""
    width = max(map(len, timings.labels.values()))
    speed_title = "images/s" if samples else "steps/s"
    shown = timings.labels[reference]
    print(f"   {'':{width}}  {'us/step':>9}  {'least':>9}  {speed_title:>8}  time over that of: {shown}")
    for key, label in timings.labels.items():
        seconds = timings.median(key)
        ratio = "(reference)" if key == reference else timings.ratio(key, reference).as_overhead()
        least = timings.least(key) * 1e6
        print(f"   {label:{width}}  {seconds * 1e6:9.1f}  {least:9.1f}  {(samples or 1) / seconds:8.0f}  {ratio}")


def say(text: str) -> None:
    """A line below a table."""
    print("   " + text)
    sys.stdout.flush()


def save(name: str, about: Mapping[str, Any], groups: Mapping[str, Timings], **figures: Any) -> None:
    """Write everything that was measured, round by round."""
    RESULTS.mkdir(exist_ok=True)
    content = {
        "benchmark": name,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "machine": dict(about),
        "seconds_per_step": {group: asdict(timings) for group, timings in groups.items()},
        **figures,
    }
    device = "cuda" if about.get("device", "cpu") != "cpu" else "cpu"
    (RESULTS / f"{name}-{device}.json").write_text(json.dumps(content, indent=1) + "\n")


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
