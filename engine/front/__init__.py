"""What `import trainctl` gives: `trainctl.watch`, in three lines of anybody's loop. Installed as `trainctl` itself.

Imports nothing until it is asked: a training that is not watched pays nothing, and torch is the loop's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainctl.engine.watch.watch import Watch, watch

__all__ = ["Watch", "watch"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from trainctl.engine.watch import watch as module

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
