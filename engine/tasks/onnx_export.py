"""Writes a network as ONNX, and proves that the file computes the same as torch.

What goes in and what comes out is the task's; nothing is known here of runs and checkpoints. Needs onnx and onnxruntime
(extra `onnx`).
"""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there
from trainctl.engine.runs.atomic import write_atomic

OPSET = 17
"""First opset with LayerNormalization; runs on onnxruntime 1.12 and later."""
TOLERANCE = 1e-4
"""Largest accepted difference between torch and onnxruntime, for results up to 1; as a share of the largest beyond."""
CHECKED_BATCHES = (1, 5)
"""Batch sizes of images compared; the one that was traced is not among them."""
INPUT = "images"
Shape = Sequence[str | int]
"""Sizes of a tensor; a name for one that is free."""


@dataclass(frozen=True)
class Exported:
    """What is exported: tensors to tensors, in the order of their names."""

    network: nn.Module
    """What is traced, on the CPU, in evaluation mode. Takes a tensor for each input, gives one or a tuple of them."""
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    traced: tuple[Tensor, ...]
    """Inputs of the trace."""
    checked: Sequence[tuple[Tensor, ...]]
    """Inputs to compare on, of other sizes than those of the trace."""
    expected: Callable[..., Tensor | tuple[Tensor, ...]]
    """What is compared with: the network as it was trained."""
    facts: Mapping[str, Any]
    """What a user of the file needs to know beside the shapes, plain data; kept in its metadata as `trainctl`."""


@dataclass(frozen=True)
class ImageNetwork:
    """A network of `images`, float32 (N, 3, H, W) RGB in [0, 1], any N, to one number per image."""

    network: nn.Module
    """Takes `images`, gives a tensor of shape (N,). Left as it is, on any device."""
    output: str
    """Name of the result."""
    image_size: tuple[int, int]
    """Height and width."""
    facts: Mapping[str, Any]
    """As those of `Exported`."""


def export_images(exported: ImageNetwork, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the network to `path` after comparing it with torch on random images; see `export`."""
    require_room(path, overwrite=overwrite)
    network, generator = on_cpu(exported.network), torch.Generator().manual_seed(0)
    images = (torch.rand(size, 3, *exported.image_size, generator=generator) for size in CHECKED_BATCHES)
    whole = Exported(
        network,
        {INPUT: ["N", 3, *exported.image_size]},
        {exported.output: ["N"]},
        (torch.zeros(2, 3, *exported.image_size),),
        [(images_NCHW,) for images_NCHW in images],
        network,
        exported.facts,
    )
    return export(whole, path, overwrite=overwrite)


def export(exported: Exported, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write a network to `path` after comparing it with torch.

    Args:
        exported: network and its names.
        path: file to write, in one move.
        overwrite: replace an existing file.

    Returns:
        `path`, `bytes`, `opset`, `inputs` and `outputs` (name to shape), `max_abs_difference`.

    Raises:
        UserError: the extra is not installed, the file exists, or the network's output is not finite.
    """
    require_room(path, overwrite=overwrite)
    content = _with_metadata(_trace(exported), exported.facts)
    difference = _largest_difference(content, exported)
    write_atomic(path, content, sync=True)
    return {
        "path": str(path),
        "bytes": len(content),
        "opset": OPSET,
        "inputs": {name: list(shape) for name, shape in exported.inputs.items()},
        "outputs": {name: list(shape) for name, shape in exported.outputs.items()},
        "max_abs_difference": difference,
    }


def require_room(path: Path, *, overwrite: bool) -> None:
    """Refuse at once what could not be written.

    Raises:
        UserError: the extra is not installed, or the file exists.
    """
    try:
        import onnx  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import onnxruntime  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as err:
        raise UserError(f"ONNX export needs the package {err.name}", "pip install 'trainctl-cockpit[onnx]'") from err
    if is_folder(path) or (is_there(path) and not overwrite):
        raise UserError(f"{path} exists", "name another file, or remove it first")


def on_cpu(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode, float32, with the usual order of axes."""
    network = copy.deepcopy(network).cpu().float().eval()
    return network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]


def _trace(exported: Exported) -> bytes:
    both = {**exported.inputs, **exported.outputs}
    axes = {name: {at: size for at, size in enumerate(shape) if isinstance(size, str)} for name, shape in both.items()}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), warnings.catch_warnings():
        path = Path(folder) / "traced.onnx"
        # torch's newer exporter needs onnxscript; what depends on a size here is scripted, so a trace is exact.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            exported.network,
            exported.traced,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(exported.inputs),
            output_names=list(exported.outputs),
            dynamic_axes=axes,
        )
        return path.read_bytes()


def _with_metadata(content: bytes, facts: Mapping[str, Any]) -> bytes:
    """Adds the facts, after a structural check."""
    import onnx

    proto = onnx.load_model_from_string(content)
    onnx.checker.check_model(proto, full_check=True)
    proto.metadata_props.add(key="trainctl", value=json.dumps(facts))
    return proto.SerializeToString()


@torch.inference_mode()
def _largest_difference(content: bytes, exported: Exported) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = 0.0
    for given in exported.checked:
        found = exported.expected(*given)
        named = {name: tensor.numpy() for name, tensor in zip(exported.inputs, given, strict=True)}
        answers = session.run(list(exported.outputs), named)
        for expected, actual in zip(found if isinstance(found, tuple) else (found,), answers, strict=True):
            if not expected.isfinite().all():
                raise UserError("the network's output is not finite", "export a checkpoint from before it diverged")
            scale = max(1.0, float(expected.abs().max()))
            largest = max(largest, float((torch.from_numpy(actual) - expected).abs().max()) / scale)
    # A fault of ours or of a library, not of the user: refuse to write a file that is wrong.
    if not largest < TOLERANCE:
        raise RuntimeError(f"ONNX differs from torch by {largest:.2g}, more than {TOLERANCE}; nothing written")
    return largest
