"""What a loss term is, by its name or as its task declares: what is known of it without looking at the network.

Plain words, without torch: records and rules read them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

TermKind = Literal["cross_entropy", "binary_cross_entropy", "supcon", "reconstruction"]
"""`cross_entropy`: ln C without knowledge of C classes. `binary_cross_entropy`: ln 2 · (w·p + 1 − p) for a share p of
positives of weight w. `supcon`: compares all pairs of a batch of B, ln(B−1) for equal embeddings (Khosla et al.
2020). `reconstruction`: how far what was made again lies from what it should be."""

KIND_OF_NAME: Mapping[str, TermKind] = {
    "ce": "cross_entropy",
    "cross_entropy": "cross_entropy",
    "nll": "cross_entropy",
    "bce": "binary_cross_entropy",
    "binary_cross_entropy": "binary_cross_entropy",
    "supcon": "supcon",
    "reconstruction": "reconstruction",
    "recon": "reconstruction",
    "autoencoder": "reconstruction",
}
"""Names that say by themselves what a term is."""


def kinds_of(terms: tuple[str, ...], declared: Mapping[str, TermKind]) -> dict[str, TermKind]:
    """The kind of each term of which it is known; what is declared comes before what the name says."""
    known: dict[str, TermKind] = {**KIND_OF_NAME, **declared}
    return {name: known[name] for name in terms if name in known}
