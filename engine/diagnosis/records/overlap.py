"""What a run recorded at its start of the overlap of its splits. The file may come from anywhere. No torch, no rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from trainctl.engine.diagnosis.facts.data import GroupFacts, LeakFacts, OverlapFacts

NOT_RECORDED = "the run did not record what its splits share"


def recorded_overlap(meta: Mapping[str, Any]) -> OverlapFacts | None:
    """The overlap in a run's `meta.json`; None where an older version wrote it, or it makes no sense."""
    found = _mapping(meta.get("overlap"))
    if found is None:
        return None
    try:
        num_val = _count(found["num_val"])
        leak, groups = _leak(found), _groups(_mapping(found.get("groups")), num_val)
    except (KeyError, TypeError, ValueError):
        return None
    return OverlapFacts(num_val, leak, groups, str(found.get("missing") or NOT_RECORDED))


def _leak(found: Mapping[str, Any]) -> LeakFacts | None:
    """Copies and near-duplicates; either may have been looked for without the other."""
    copies, near = _mapping(found.get("copies")), _mapping(found.get("near"))
    if copies is None and near is None:
        return None
    total = _count(copies["compared"] if copies else found["num_val"])
    return LeakFacts(
        num_val=total,
        num_shared=_part(copies["shared"], total) if copies else 0,
        train_repeat_share=float(copies["repeated_share"]) if copies else 0.0,
        example=_pair(copies.get("example")) if copies else None,
        num_near=_part(near["count"], _count(near["total"])) if near else None,
        near_example=_pair(near.get("example")) if near else None,
        num_labelled=_count(copies.get("samples", 0)) if copies else 0,
        num_contradicted=_part(copies.get("contradicted", 0), copies.get("samples", 0)) if copies else 0,
        contradiction=_pair(copies.get("contradiction")) if copies else None,
    )


def _groups(found: Mapping[str, Any] | None, num_val: int) -> GroupFacts | None:
    if found is None:
        return None
    named = cast("list[Any]", found["named"]) if isinstance(found["named"], list) else []
    val = _count(found["val"])
    return GroupFacts(
        num_train=_count(found["train"]),
        num_val=val,
        shared=tuple(map(str, named)),
        num_shared=_part(found["shared"], val),
        num_val_samples=_part(found["val_samples"], num_val),
        fix={str(path): str(value) for path, value in (_mapping(found.get("fix")) or {}).items()},
    )


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _part(value: Any, whole: int) -> int:
    count = _count(value)
    if count > whole:
        raise ValueError(value)
    return count


def _pair(value: Any) -> tuple[str, str] | None:
    names = cast("list[Any]", value) if isinstance(value, list) else []
    return (str(names[0]), str(names[1])) if len(names) == 2 else None
