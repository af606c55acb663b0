"""A sitting of a rank that does not lead: it trains along, writes no run directory and says nothing.

Knows the loop and the other ranks; what is restored comes from the one that leads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.training.desk.desk import silent_desk
from trainctl.engine.training.desk.meeting import SharedSignals
from trainctl.engine.training.desk.run_writer import LAST_S, Ending
from trainctl.engine.training.loop.trainer import Trainer
from trainctl.engine.training.ranks.team import LostRankError, Team
from trainctl.engine.training.setup import Assembly
from trainctl.engine.training.state.handing import handed_over
from trainctl.engine.training.state.ranks import draw_apart, restore_drawing
from trainctl.engine.training.state.state import TrainState


def share_state(team: Team, assembly: Assembly, seed: int, saved: dict[str, Any] | None, *, is_resumed: bool) -> None:
    """Let every rank have the state of a checkpoint that the leading one has loaded, and random numbers of its own.

    Args:
        team: the ranks.
        assembly: of this one; that of the leading rank is restored already.
        seed: of the run.
        saved: what the leading rank has restored; none: the run starts, or starts over.
        is_resumed: whether there may be something.
    """
    if team.is_alone:
        return
    state = assembly.state
    saved = _led(team, state, saved) if is_resumed else None
    if saved is None:
        draw_apart(state, seed, team.ranks)
        return
    if not team.leads:
        state.load_state_dict(saved)
    restore_drawing(state, saved, seed, team.ranks)


def _led(team: Team, state: TrainState, saved: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the leading rank has loaded; where networks lie in parts, the others get their parts of it."""
    if state.shards is None:
        return team.lead(saved)
    networks = {("model",): state.model} | ({} if state.ema is None else {("ema", "module"): state.ema.module})
    return handed_over(team, saved, state.shards.kept(networks, state.optimizer))


def first_state(team: Team, assembly: Assembly, *, is_fork: bool) -> dict[str, Any] | None:
    """What a fork is begun with, gathered from all ranks, for its first checkpoint; none where it lies whole anyway."""
    state = assembly.state
    if not is_fork or state.shards is None:
        return None
    with team.calling():
        return state.shards.gathered(state.state_dict(), state.optimizer)


class AlongOrder(Protocol):
    """What is trained, as far as a rank that trains along must know."""

    @property
    def resolved(self) -> Resolved:
        """Its configuration."""
        ...

    @property
    def is_resumed(self) -> bool:
        """Whether it goes on."""
        ...

    @property
    def origin(self) -> object | None:
        """The run that is forked."""
        ...

    @property
    def on_crash(self) -> Callable[[BaseException], object]:
        """Told what the task's code raised."""
        ...


def train_along(order: AlongOrder, assembly: Assembly, root: Path, signals: SharedSignals, team: Team) -> Ending:
    """Train along to the end.

    Args:
        order: of the run.
        assembly: its parts, freshly built.
        root: the run directory, where the leading rank has it.
        signals: of this process.
        team: the ranks.

    Raises:
        UserError: the input cannot work.
    """
    config = order.resolved.config
    share_state(team, assembly, config.seed, None, is_resumed=order.is_resumed)
    first_state(team, assembly, is_fork=order.origin is not None)
    desk = silent_desk(RunPaths(root), signals, is_resumed=order.is_resumed, team=team)
    desk.writer.begin_posting()
    desk.scribe.start()
    a, trainer = assembly, None
    try:
        trainer = Trainer(a.task, a.splits, a.state, config, a.precision, a.device, desk)
        ending = trainer.run()
    except UserError as err:
        team.why(err)
        raise
    except BaseException as err:
        if not isinstance(err, LostRankError):
            order.on_crash(err)
        ending = Ending(RunState.FAILED, team.why(err), ExitCode.RUN_FAILED)
    finally:
        desk.scribe.close(LAST_S)
        if trainer is not None:
            trainer.close()
        desk.writer.clerk.close(LAST_S)
    return ending
