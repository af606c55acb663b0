"""How the processes of a run meet: a store, a group that speaks by it, and a limit on how long anybody waits.

Knows what a launcher said and torch.distributed; no run.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from datetime import timedelta

import torch
from torch import distributed as dist
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]
from torch.distributed.distributed_c10d import PrefixStore, Store

from trainctl.engine.errors import UserError, first_line
from trainctl.engine.launched import Launched
from trainctl.engine.ranks import Ranks
from trainctl.engine.training.ranks.team import LostRankError, MissingRankError, Team, missing_before_first
from trainctl.engine.training.ranks.witness import StoreWitness

TURN_S = 10.0
"""Seconds of waiting at a time: in between a signal is heard."""


def meet(launched: Launched, timeout_s: float, device: str) -> Team:
    """Wait for the others, and make the group in which all speak.

    Args:
        launched: who is who.
        timeout_s: seconds after which those that have not come are missed, and later those that do not answer.
        device: type of the device that is trained on; GPUs speak by NCCL, all else by gloo.

    Raises:
        MissingRankError: not all came in time, one went again, or there is no way to where they meet.
        UserError: nobody can meet there.
    """
    until = time.monotonic() + timeout_s
    ranks = Ranks(launched.rank, launched.size)
    shared = f"trainctl/{launched.attempt}"
    base = _store(launched, until, hosts=ranks.leads and not launched.is_hosted)
    store = PrefixStore(shared, base)
    _wait_for_all(store, launched, until)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    limit = timedelta(seconds=timeout_s)
    soon = min(until, time.monotonic() + TURN_S)  # whoever listens there did a moment ago
    own = PrefixStore(f"{shared}/witness", _store(launched, soon, hosts=False))
    team = Team(ranks, StoreWitness(ranks, own, is_hosted=launched.is_hosted))
    try:
        dist.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.size, timeout=limit)
    except (RuntimeError, ValueError) as err:
        raise _unspeaking(team, backend, err) from err
    return team


def _unspeaking(team: Team, backend: str, err: Exception) -> MissingRankError:
    """Why there is no group: one of them went when all had come, or there is no way from one to another."""
    why = team.why(LostRankError(str(err)))
    team.close(is_well=False)
    if why.startswith("rank"):
        return missing_before_first(why)
    return MissingRankError(f"the processes cannot speak by {backend}: {first_line(err)}", "see docs/distributed.md")


def part(team: Team, *, is_well: bool) -> None:
    """Leave the group, after the rank that leads: a launcher that sees one end ends the others.

    Args:
        team: the ranks.
        is_well: the run is finished, so that no launcher minds who ends first.
    """
    if team.is_alone:
        return
    team.close(is_well=is_well)
    with suppress(RuntimeError, AssertionError):
        if dist.is_initialized():
            dist.destroy_process_group()


def _store(launched: Launched, until: float, *, hosts: bool) -> TCPStore:
    """A connection to where the processes meet; whoever hosts it listens there."""
    where = f"{launched.address}:{launched.port}"
    if not hosts:
        _wait_for_host(launched, until)
    while True:
        try:
            return TCPStore(
                launched.address,
                launched.port,
                launched.size,
                is_master=hosts,
                timeout=timedelta(seconds=TURN_S),
                wait_for_workers=False,
                multi_tenant=hosts,
            )
        except RuntimeError as err:
            if hosts:
                raise UserError(
                    f"MASTER_PORT: cannot listen on {where}: {first_line(err)}", "take another port"
                ) from err
            if time.monotonic() > until:
                raise _nobody_there(launched, first_line(err)) from err


def _wait_for_host(launched: Launched, until: float) -> None:
    """Until somebody listens. Not by torch, which says much of each vain attempt, and hears no signal meanwhile.

    Raises:
        MissingRankError: nobody did in time.
    """
    while True:
        try:
            socket.create_connection((launched.address, launched.port), timeout=TURN_S).close()
            return
        except OSError as err:
            if time.monotonic() > until:
                raise _nobody_there(launched, err.strerror or str(err)) from err
        time.sleep(0.1)


def _nobody_there(launched: Launched, why: str) -> MissingRankError:
    place = f"MASTER_ADDR:MASTER_PORT, {launched.address}:{launched.port}"
    return MissingRankError(
        f"rank {launched.rank} found nobody at {place}: {why}",
        "start all processes, with the same place; rank 0 on that machine",
        is_lead=True,
    )


def _wait_for_all(store: Store, launched: Launched, until: float) -> None:
    """Until everybody is there.

    Raises:
        MissingRankError: somebody did not come in time, or went again.
    """
    missing = range(launched.size)
    try:
        store.set(f"here/{launched.rank}", "1")
        while missing := [rank for rank in missing if not store.check([f"here/{rank}"])]:
            if time.monotonic() > until:
                names = ", ".join(map(str, missing[:8])) + (" …" if len(missing) > 8 else "")
                raise MissingRankError(
                    f"{len(missing)} of {launched.size} processes did not come in time: rank {names}",
                    "look why they did not start, or raise ranks.timeout_s",
                )
            time.sleep(0.05)
    except RuntimeError as err:
        raise MissingRankError(
            "rank 0 is gone, or the machine where the processes met, before all had come", is_lead=True
        ) from err


def local_device(launched: Launched | None, name: str) -> str:
    """The device of this process by its name: with several, each has a GPU of its own.

    Raises:
        UserError: there are fewer GPUs than processes, or one is named for all.
    """
    if launched is None or name == "cpu":
        return name
    if name.startswith("cuda:") or name == "mps":
        raise UserError(f"runtime.device={name} with {launched.size} processes", "use auto, cuda or cpu")
    if not torch.cuda.is_available():
        return "cpu" if name == "auto" else name
    there = torch.cuda.device_count()
    number = launched.local_rank if there > 1 else 0  # srun may show each process one GPU alone
    if launched.local_size > there or number >= there:
        raise UserError(
            f"{launched.local_size or launched.local_rank + 1} processes on this machine, and {there} GPUs",
            "start one process a GPU, or train on --device cpu",
        )
    return f"cuda:{number}"
