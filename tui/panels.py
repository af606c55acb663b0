"""The table of panels: what can be on the cockpit's main screen, in the order in which it is laid out.

A new panel is one widget in one file of `widgets/` and one line here. Knows no run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from textual.widget import Widget

from trainctl.tui.charts.room import Demand
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.class_scores import ClassScorePanel, has_class_scores
from trainctl.tui.widgets.classes import ClassPanel, may_have_classes
from trainctl.tui.widgets.clusters import ClusterPanel, has_clusters
from trainctl.tui.widgets.embedding import EmbeddingPanel, has_embeddings
from trainctl.tui.widgets.gates import GatePanel, has_gates
from trainctl.tui.widgets.gradients import GradientPanel
from trainctl.tui.widgets.hardware import HardwarePanel, has_hardware
from trainctl.tui.widgets.health import HealthPanel
from trainctl.tui.widgets.learning_rate import LearningRatePanel
from trainctl.tui.widgets.log import LogPanel
from trainctl.tui.widgets.loss import LossPanel
from trainctl.tui.widgets.ranks import RankPanel, has_ranks
from trainctl.tui.widgets.scalars import ScalarPanel, has_scalars
from trainctl.tui.widgets.shelf import ShelfPanel
from trainctl.tui.widgets.validation import ValidationPanel
from trainctl.tui.widgets.worst_images import WorstPanel


class PanelWidget(Widget):
    """What the screen asks of a panel beside being a widget with a border. Panels have it without inheriting it."""

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state of the run, looked at as the scene says. Called up to ten times a second."""

    def demand(self, width: int) -> Demand:
        """Rows it asks for in so many columns, border included. Called as often, so it should cost nothing."""
        raise AssertionError("every panel asks for something")


@dataclass(frozen=True)
class PanelEntry:
    """One line of the table.

    Args:
        id: of the widget, and its name in what is remembered.
        heading: as it stands in the list of panels.
        kind: the widget; made with `id=` alone.
        tasks: names of the tasks it belongs to; empty: every task.
        without: names of tasks that have no use for it.
        wanted: whether a run records what it shows; none: every run does.
        wide_only: shown where the terminal has three columns of panels.
        is_curve: drawn over the steps: such panels stand under one another, so that a column of cells is one time.
        leads: stands above the curves where there is a single column.
    """

    id: str
    heading: str
    kind: Callable[..., Widget]
    tasks: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    wanted: Callable[[RunView], bool] | None = None
    wide_only: bool = False
    is_curve: bool = False
    leads: bool = False

    def make(self) -> PanelWidget:
        """The widget."""
        return cast(PanelWidget, self.kind(id=self.id))

    def belongs_to(self, task: str, view: RunView) -> bool:
        """Whether a run of this task has the panel."""
        is_wanted = self.wanted is None or self.wanted(view)
        return task not in self.without and (not self.tasks or task in self.tasks) and is_wanted


def panels_of(task: str, view: RunView) -> tuple[PanelEntry, ...]:
    """Those that a run has, in their order."""
    return tuple(entry for entry in PANELS if entry.belongs_to(task, view))


PANELS = (
    PanelEntry("loss", "Loss", LossPanel, is_curve=True),
    PanelEntry("validation", "Validation", ValidationPanel, is_curve=True),
    PanelEntry("gradients", "Gradients", GradientPanel, is_curve=True),
    PanelEntry("scalars", "Scalars", ScalarPanel, wanted=has_scalars, is_curve=True),
    PanelEntry("lr", "Learning rate", LearningRatePanel, is_curve=True),
    PanelEntry("embedding", "Embedding", EmbeddingPanel, wanted=has_embeddings, is_curve=True),
    PanelEntry("health", "Health", HealthPanel, leads=True),
    PanelEntry("classes", "Classes", ClassPanel, without=("quality",), wanted=may_have_classes),
    PanelEntry("clusters", "Clusters", ClusterPanel, wanted=has_clusters),
    PanelEntry("gates", "Gates", GatePanel, wanted=has_gates),
    PanelEntry("class_scores", "F1 by class", ClassScorePanel, wanted=has_class_scores),
    PanelEntry("worst", "Worst samples", WorstPanel, tasks=("eyes", "quality")),
    PanelEntry("shelf", "Presets and runs", ShelfPanel, wide_only=True),
    PanelEntry("log", "Log", LogPanel),
    PanelEntry("ranks", "Ranks", RankPanel, wanted=has_ranks),
    PanelEntry("hardware", "Hardware and time", HardwarePanel, wanted=has_hardware),
)
