"""A sitting of a rank that does not lead: it trains along, writes no run directory and says nothing.

Knows the loop and the other ranks; what is restored comes from the one that leads.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.training.desk.desk import silent_desk
from trainctl.engine.training.desk.meeting import SharedSignals
from trainctl.engine.training.desk.run_writer import LAST_S, Ending, RunWriter
from trainctl.engine.training.loop.keeping import checkpoint_about, saving_team
from trainctl.engine.training.loop.trainer import Trainer
from trainctl.engine.training.ranks.team import ALONE_TEAM, LostRankError, Team
from trainctl.engine.training.setup import Assembly
from trainctl.engine.training.state.handing import handed_over
from trainctl.engine.training.state.reading_in_parts import each_its_own, look_along
from trainctl.engine.training.state.state import TrainState


def share_state(
    team: Team, assembly: Assembly, saved: dict[str, Any] | None, parted: Path | None = None, *, is_resumed: bool
) -> None:
    """Let every rank have the state of a checkpoint that the leading one has loaded.

    Args:
        team: the ranks.
        assembly: of this one; that of the leading rank is restored already.
        saved: what the leading rank has restored; none: the run starts, or starts over.
        parted: on the leading rank, the checkpoint of which it has read its own rows; none: it has all.
        is_resumed: whether there may be something.
    """
    if team.is_alone or not is_resumed:
        return
    state = assembly.state
    saved = _led(team, state, saved, parted)
    if saved is not None and not team.leads:
        state.load_state_dict(saved)


def _led(team: Team, state: TrainState, saved: dict[str, Any] | None, parted: Path | None) -> dict[str, Any] | None:
    """What the leading rank has loaded; where networks lie in parts, the others get their parts of it, or read them."""
    if state.shards is None:
        return team.lead(saved)
    parted = team.lead(parted)
    if parted is not None:
        return each_its_own(team, state.shards, parted, saved)
    networks = {("model",): state.model} | ({} if state.ema is None else {("ema", "module"): state.ema.module})
    return handed_over(team, saved, state.shards.kept(networks, state.optimizer))


def first_state(team: Team, assembly: Assembly, config: RunConfig) -> dict[str, Any] | None:
    """What a fork is begun with, for its first checkpoint: gathered from all ranks, or as it lies in parts.

    None where it lies whole anyway.
    """
    state = assembly.state
    if state.shards is None:
        return None
    with team.calling():
        is_whole = saving_team(team, state, config).is_alone
        return (state.shards.gathered if is_whole else state.shards.parted)(state.state_dict(), state.optimizer)


class Inherited(Protocol):
    """What a fork took over, as far as it is kept."""

    best: dict[str, Any] | None
    """Content of the parent's best checkpoint, where it is the fork's as well."""


def keep_first(
    writer: RunWriter,
    team: Team,
    assembly: Assembly,
    config: RunConfig,
    inherited: Inherited,
    first: dict[str, Any] | None,
) -> None:
    """Let a fork need its parent no more: write its first checkpoint, and its best so far.

    Args:
        writer: of this rank.
        team: the ranks.
        assembly: of the fork, which has what it inherits.
        config: of the fork.
        inherited: its best is let go of.
        first: its state, see `first_state`.
    """
    a, saving = assembly, saving_team(team, assembly.state, config)
    best, inherited.best = inherited.best, None  # it may be large
    if best is not None:
        writer.keep("best", best["state"], best["about"], saving if holds_parts(best["state"]) else ALONE_TEAM)
    about = checkpoint_about(config, a.splits, a.state, a.task.state())
    writer.checkpoint("latest", a.state.progress.step, first or a.state.state_dict(), about, saving)


def holds_parts(state: Any) -> bool:
    """Whether some of a state's tensors are here in rows."""
    if isinstance(state, dict):
        return any(map(holds_parts, cast("dict[Any, Any]", state).values()))
    return hasattr(state, "to_local")


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
    def on_crash(self) -> Callable[[BaseException], object]:
        """Told what the task's code raised."""
        ...


def train_along(
    order: AlongOrder,
    assembly: Assembly,
    root: Path,
    signals: SharedSignals,
    team: Team,
    inherited: Inherited | None = None,
) -> Ending:
    """Train along to the end.

    Args:
        order: of the run.
        assembly: its parts, freshly built.
        root: the run directory, where the leading rank has it.
        signals: of this process.
        team: the ranks.
        inherited: what it took over, if it is a fork.

    Raises:
        UserError: the input cannot work.
    """
    config = order.resolved.config
    if order.is_resumed and assembly.state.shards is not None:
        look_along(team)
    share_state(team, assembly, None, is_resumed=order.is_resumed)
    first = None if inherited is None else first_state(team, assembly, config)
    desk = silent_desk(RunPaths(root), signals, is_resumed=order.is_resumed, team=team)
    desk.writer.begin_posting()
    desk.scribe.start()
    a, trainer = assembly, None
    try:
        if inherited is not None:
            keep_first(desk.writer, team, a, config, inherited, first)
            first = None  # it may be large
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
