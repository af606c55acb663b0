"""What rules judge: plain facts, gathered by probes from data and model, or read from the records of a run.

No tensor, no model, no torch. A part that could not be gathered is None, and `missing` says why. The parts themselves
are in the other files of this folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainctl.engine.diagnosis.facts.attempt import AttemptFacts
from trainctl.engine.diagnosis.facts.data import DataFacts, LabelFacts, OverlapFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.ending import EndFacts
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts
from trainctl.engine.diagnosis.facts.gates import GateFacts
from trainctl.engine.diagnosis.facts.mixture import ClusterFacts, ScoreFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts, ContrastFacts
from trainctl.engine.diagnosis.facts.norms import BeginningFacts, NormFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.reference import ReferenceFacts
from trainctl.engine.diagnosis.facts.run import MonitorFacts, PaceFacts, RecordFacts, WaitFacts
from trainctl.engine.diagnosis.facts.samples.metric import MetricFacts
from trainctl.engine.diagnosis.facts.samples.relation import RelationFacts
from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.diagnosis.facts.terms import TermsFacts
from trainctl.engine.diagnosis.facts.trial import ReachFacts, TrialFacts
from trainctl.engine.diagnosis.logs.facts import LogFacts


@dataclass(frozen=True)
class EnvironmentFacts:
    """Where it runs."""

    python: str
    torch: str
    device: str


@dataclass(frozen=True)
class Evidence:
    """All facts of one diagnosis. A rule takes from here what its parameters are called."""

    data: DataFacts | None = None
    overlap: OverlapFacts | None = None
    labels: LabelFacts | None = None
    sampler: SamplerFacts | None = None
    plan: PlanFacts | None = None
    batch: BatchFacts | None = None
    contrast: ContrastFacts | None = None
    clusters: ClusterFacts | None = None
    scores: ScoreFacts | None = None
    monitor: MonitorFacts | None = None
    gates: tuple[GateFacts, ...] | None = None
    terms: TermsFacts | None = None
    records: RecordFacts | None = None
    norms: NormFacts | None = None
    beginning: BeginningFacts | None = None
    foreign: ForeignFacts | None = None
    ending: EndFacts | None = None
    waits: WaitFacts | None = None
    pace: PaceFacts | None = None
    schedule: ScheduleFacts | None = None
    trial: TrialFacts | None = None
    reach: ReachFacts | None = None
    attempt: AttemptFacts | None = None
    relation: RelationFacts | None = None
    metric: MetricFacts | None = None
    environment: EnvironmentFacts | None = None
    course: LogFacts | None = None
    """How a run went, in the form of a log: for the rules over logs, beside those over records."""
    log: LogFacts | None = None
    """A log of any tool: judged by rules of its own, and then the only part there is."""
    reference: ReferenceFacts | None = None
    """How a run or a log differs from one that is known to be good, where one is named."""
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why a part is None, by its name."""

    def why_missing(self, part: str) -> str:
        """The reason why a part is None."""
        return self.missing.get(part, f"no facts about the {part}")
