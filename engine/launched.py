"""What a launcher of several processes says of this one: torchrun, `srun`, and those that set the same names.

Knows an environment and nothing else; whether the processes meet is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trainctl.engine.errors import UserError


@dataclass(frozen=True)
class Launched:
    """This process among those that were started together to train one run."""

    rank: int
    size: int
    local_rank: int
    """Among those of this machine."""
    local_size: int
    """How many there are on this machine; 0: not known."""
    address: str
    port: int
    """Where the first of them is found, or the launcher itself."""
    is_hosted: bool = False
    """Whether the launcher listens there; else the first process does."""
    attempt: str = "0"
    """Which start of the processes this is: what they said to one another before is not to be heard again."""


def launched(environ: Mapping[str, str]) -> Launched | None:
    """How this process was launched; None: alone.

    Args:
        environ: with `RANK`, `WORLD_SIZE` (torchrun) or `SLURM_PROCID`, `SLURM_NTASKS` (srun), and where the processes
            meet, `MASTER_ADDR` and `MASTER_PORT`. A job of SLURM that does not say where is as many runs.

    Raises:
        UserError: it contradicts itself, or is half there.
    """
    has_place = "MASTER_ADDR" in environ and "MASTER_PORT" in environ
    if "RANK" in environ and "WORLD_SIZE" in environ:
        rank, size, local = "RANK", "WORLD_SIZE", "LOCAL_RANK"
    elif "SLURM_PROCID" in environ and has_place:
        count = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environ else "SLURM_NTASKS"
        rank, size, local = "SLURM_PROCID", count, "SLURM_LOCALID"
    else:
        return None
    if _number(environ, size, 1, 1) == 1:
        return None
    if not has_place:
        raise UserError(
            f"{size}={environ[size]}, but MASTER_ADDR and MASTER_PORT do not say where the processes meet",
            f"set them, or take {size} out of the environment to train alone",
        )
    found = Launched(
        rank=_number(environ, rank, 0, 0),
        size=_number(environ, size, 1, 1),
        local_rank=_number(environ, local, 0, 0),
        local_size=_number(environ, "LOCAL_WORLD_SIZE", 0, 0),
        address=environ["MASTER_ADDR"],
        port=_number(environ, "MASTER_PORT", 1, 0),
        is_hosted=environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        attempt=environ.get("TORCHELASTIC_RESTART_COUNT", "0"),
    )
    if found.rank >= found.size:
        raise UserError(f"{rank}={found.rank} is not one of {size}={found.size} processes", "count from 0")
    return found


def leads(environ: Mapping[str, str]) -> bool:
    """Whether this process is the one that writes and speaks; a launcher that contradicts itself has no other."""
    try:
        found = launched(environ)
    except UserError:
        return True
    return found is None or found.rank == 0


def _number(environ: Mapping[str, str], name: str, least: int, otherwise: int) -> int:
    """A whole number of the environment.

    Raises:
        UserError: it is none, or below `least`.
    """
    text = environ.get(name, "")
    if not text:
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < least:
        raise UserError(f"{name}={text!r} is no whole number from {least} on", "let the launcher set it")
    return int(text)
