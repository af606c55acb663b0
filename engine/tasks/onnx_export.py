"""Writes a network of images as ONNX, and proves that the file computes the same as torch.

What the images are and what the one result means is the task's; nothing is known here of runs and checkpoints. Needs
onnx and onnxruntime (extra `onnx`).
"""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder, is_there
from trainctl.engine.runs.atomic import write_atomic

OPSET = 17
"""First opset with LayerNormalization; runs on onnxruntime 1.12 and later."""
TOLERANCE = 1e-4
"""Largest accepted difference between torch and onnxruntime, for results between 0 and 1."""
CHECKED_BATCHES = (1, 5)
"""Batch sizes compared; the one that was traced is not among them."""
INPUT = "images"


@dataclass(frozen=True)
class ImageNetwork:
    """What is exported: `images`, float32 (N, 3, H, W) RGB in [0, 1], any N, to one number per image."""

    network: nn.Module
    """Takes `images`, gives a tensor of shape (N,). Left as it is, on any device."""
    output: str
    """Name of the result."""
    image_size: tuple[int, int]
    """Height and width."""
    facts: Mapping[str, Any]
    """What a user of the file needs to know beside the shapes, plain data; kept in its metadata as `trainctl`."""


def export_images(exported: ImageNetwork, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the network to `path` after comparing it with torch on random images.

    Args:
        exported: network and its names.
        path: file to write, in one move.
        overwrite: replace an existing file.

    Returns:
        `path`, `bytes`, `opset`, `inputs` and `outputs` (name to shape), `max_abs_difference`, `batch_sizes`.

    Raises:
        UserError: the extra is not installed, the file exists, or the network's output is not finite.
    """
    _require_packages()
    if is_folder(path) or (is_there(path) and not overwrite):
        raise UserError(f"{path} exists", "name another file, or remove it first")
    network = copy.deepcopy(exported.network).cpu().float().eval()
    network = network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    height, width = exported.image_size
    content = _with_metadata(_trace(network, exported), exported.facts)
    difference = _largest_difference(network, content, exported)
    write_atomic(path, content, sync=True)
    return {
        "path": str(path),
        "bytes": len(content),
        "opset": OPSET,
        "inputs": {INPUT: ["N", 3, height, width]},
        "outputs": {exported.output: ["N"]},
        "max_abs_difference": difference,
        "batch_sizes": list(CHECKED_BATCHES),
    }


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import onnxruntime  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as err:
        raise UserError(f"ONNX export needs the package {err.name}", "pip install 'trainctl-cockpit[onnx]'") from err


def _trace(network: nn.Module, exported: ImageNetwork) -> bytes:
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), warnings.catch_warnings():
        path = Path(folder) / "traced.onnx"
        # torch's newer exporter needs onnxscript; these networks have no control flow, so a trace is exact.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, *exported.image_size),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[exported.output],
            dynamic_axes={INPUT: {0: "N"}, exported.output: {0: "N"}},
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
def _largest_difference(network: nn.Module, content: bytes, exported: ImageNetwork) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for size in CHECKED_BATCHES:
        images_NCHW = torch.rand(size, 3, *exported.image_size, generator=generator)
        expected_N = network(images_NCHW)
        if not expected_N.isfinite().all():
            raise UserError("the network's output is not finite", "export a checkpoint from before it diverged")
        (actual_N,) = session.run([exported.output], {INPUT: images_NCHW.numpy()})
        largest = max(largest, float((torch.from_numpy(actual_N) - expected_N).abs().max()))
    # A fault of ours or of a library, not of the user: refuse to write a file that is wrong.
    if not largest < TOLERANCE:
        raise RuntimeError(f"ONNX differs from torch by {largest:.2g}, more than {TOLERANCE}; nothing written")
    return largest
