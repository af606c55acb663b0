"""Names of the files in a run directory. Every other module takes them from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunPaths:
    """The files of one run. Creating this touches nothing."""

    root: Path

    @property
    def config(self) -> Path:
        """Resolved configuration with the source of each value (YAML, written once)."""
        return self.root / "config.yaml"

    @property
    def meta(self) -> Path:
        """Schema version, argv, seed, versions, host, device (JSON, written once)."""
        return self.root / "meta.json"

    @property
    def steps(self) -> Path:
        """One fixed-width record per optimiser step."""
        return self.root / "steps.bin"

    @property
    def steps_layout(self) -> Path:
        """What a record of `steps` holds."""
        return self.root / "steps.json"

    @property
    def overview(self) -> Path:
        """The plotted columns of `steps`, summed up by the block; may be missing."""
        return self.root / "overview.bin"

    @property
    def overview_layout(self) -> Path:
        """What a block of `overview` holds."""
        return self.root / "overview.json"

    @property
    def events(self) -> Path:
        """What happens now and then, a JSON line each."""
        return self.root / "events.jsonl"

    @property
    def hardware(self) -> Path:
        """What machine and cards did and where the time went, a JSON line ten times a minute; may be missing."""
        return self.root / "hardware.jsonl"

    @property
    def status(self) -> Path:
        """State, step and heartbeat, replaced about once a second."""
        return self.root / "status.json"

    def of_rank(self, rank: int) -> RunPaths:
        """What one of several ranks recorded of its own part, in files as those of a run; may be missing."""
        return RunPaths(self.root / "ranks" / str(rank))

    @property
    def commands(self) -> Path:
        """What was asked of the run, a JSON line each."""
        return self.root / "commands.jsonl"

    @property
    def console(self) -> Path:
        """Everything the process printed."""
        return self.root / "console.log"

    @property
    def latest(self) -> Path:
        """Newest checkpoint; what lies in parts stands in a folder beside it (`ranks.checkpoint`)."""
        return self.root / "latest_model.pth"

    @property
    def best(self) -> Path:
        """Checkpoint with the best monitored metric."""
        return self.root / "best_model.pth"

    @property
    def samples(self) -> Path:
        """The validation samples with the largest loss, with pictures (NumPy, replaced at each validation)."""
        return self.root / "samples.npz"

    @property
    def past_samples(self) -> Path:
        """The same of earlier validations, a file each, thinned; may be missing."""
        return self.root / "samples"

    @property
    def histograms(self) -> Path:
        """Distributions that validations recorded, a file each, thinned; may be missing."""
        return self.root / "histograms"

    @property
    def summary(self) -> Path:
        """How it ended (JSON, written once at the end)."""
        return self.root / "summary.json"
