"""What tells two sets of data apart without keeping them: a hash of names, shapes and labels. Knows no format."""

from __future__ import annotations

import hashlib

from trainctl.engine.data.batch import Split, Splits


def fingerprints(splits: Splits) -> dict[str, str]:
    """A short hash of each split, and of the classes within both: equal for equal data in the same order.

    Of the content it knows the shapes only: two files of one name and one size count as one. What is generated has the
    same names and shapes whatever the seed, which stands in the configuration.
    """
    classes = "\0".join(splits.classes)
    return {name: _hash(split, classes) for name, split in (("train", splits.train), ("val", splits.val))}


def _hash(split: Split, classes: str) -> str:
    digest = hashlib.blake2b(classes.encode("utf-8", "replace"), digest_size=6)
    for name in sorted(split.tensors):
        tensor = split.tensors[name]
        digest.update(f"\0{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
    for name in split.names:
        digest.update(b"\0" + str(name).encode("utf-8", "surrogateescape"))
    if split.labels is not None:
        digest.update(split.labels.cpu().numpy().tobytes())
    return digest.hexdigest()
