"""The healthy trainings that faults are planted into."""

from __future__ import annotations

from benchmarks.trainfault.host import Host
from benchmarks.trainfault.hosts.characters import Characters
from benchmarks.trainfault.hosts.digits import DigitsConv, DigitsMlp
from benchmarks.trainfault.hosts.embedding import Embedding
from benchmarks.trainfault.hosts.friedman import Friedman
from benchmarks.trainfault.hosts.vae import Vae

HOSTS: dict[str, type[Host]] = {
    host.name: host for host in (DigitsMlp, Friedman, Embedding, DigitsConv, Characters, Vae)
}
"""Every host by its name; those that calibrate come first."""
