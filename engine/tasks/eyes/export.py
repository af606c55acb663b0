"""Writes the eye classifier as ONNX, `images -> prob_open`, and proves that it computes the same.

Knows the task and the network; nothing of runs and checkpoints. Needs onnx and onnxruntime (extra `onnx`).
"""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import write_atomic
from trainctl.engine.tasks.eyes.task import EyesTask

OPSET = 17
"""First opset with LayerNormalization; runs on onnxruntime 1.12 and later."""
TOLERANCE = 1e-4
"""Largest accepted difference in P(open) between torch and onnxruntime."""
CHECKED_BATCHES = (1, 5)
"""Batch sizes compared; the one that was traced is not among them."""


class ProbOpen(nn.Module):
    """The network with its probability: float images (N, 3, H, W) in [0, 1] to P(open) (N,)."""

    def __init__(self, task: EyesTask, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.prob_open = task.prob_open

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """P(open), shape (N,)."""
        return self.prob_open(self.net(images_NCHW))


def export_onnx(task: EyesTask, model: nn.Module, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write `model` to `path` after comparing it with torch on random images.

    The ONNX takes `images`, float32 (N, 3, H, W) RGB in [0, 1], any N, and gives `prob_open`, float32 (N,).
    `model` itself is left as it is.

    Args:
        task: says how a logit becomes a probability, and the image size.
        model: trained network, on any device.
        path: file to write, in one move.
        overwrite: replace an existing file.

    Returns:
        `path`, `bytes`, `opset`, `inputs` and `outputs` (name to shape), `max_abs_difference`, `batch_sizes`.

    Raises:
        UserError: the extra is not installed, the file exists, or the network's output is not finite.
    """
    _require_packages()
    if path.is_dir() or (path.exists() and not overwrite):
        raise UserError(f"{path} exists", "name another file, or remove it first")
    prob_open = ProbOpen(task, copy.deepcopy(model)).cpu().float().eval()
    prob_open = prob_open.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    height, width = task.options.data.image_size
    content = _with_metadata(_trace(prob_open, height, width), task)
    difference = _largest_difference(prob_open, content, height, width)
    write_atomic(path, content, sync=True)
    return {
        "path": str(path),
        "bytes": len(content),
        "opset": OPSET,
        "inputs": {"images": ["N", 3, height, width]},
        "outputs": {"prob_open": ["N"]},
        "max_abs_difference": difference,
        "batch_sizes": list(CHECKED_BATCHES),
    }


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import onnxruntime  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as err:
        raise UserError(f"ONNX export needs the package {err.name}", "pip install 'trainctl-cockpit[onnx]'") from err


def _trace(prob_open: ProbOpen, height: int, width: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode(), warnings.catch_warnings():
        path = Path(folder) / "traced.onnx"
        # torch's newer exporter needs onnxscript; these networks have no control flow, so a trace is exact.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            prob_open,
            (torch.zeros(2, 3, height, width),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["prob_open"],
            dynamic_axes={"images": {0: "N"}, "prob_open": {0: "N"}},
        )
        return path.read_bytes()


def _with_metadata(content: bytes, task: EyesTask) -> bytes:
    """Adds what a user of the file needs to know beside the shapes, after a structural check."""
    import onnx

    proto = onnx.load_model_from_string(content)
    onnx.checker.check_model(proto, full_check=True)
    model = task.options.model
    facts = {
        "classes": ["closed", "open"],
        "input": "RGB, float32 in [0, 1]",
        "threshold": 0.5,
        "model": model.model_dump(mode="json"),
        "loss": task.options.loss.name,
    }
    proto.metadata_props.add(key="trainctl", value=json.dumps(facts))
    return proto.SerializeToString()


@torch.inference_mode()
def _largest_difference(prob_open: ProbOpen, content: bytes, height: int, width: int) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    for size in CHECKED_BATCHES:
        images_NCHW = torch.rand(size, 3, height, width, generator=generator)
        expected_N = prob_open(images_NCHW)
        if not expected_N.isfinite().all():
            raise UserError("the network's output is not finite", "export a checkpoint from before it diverged")
        (actual_N,) = session.run(["prob_open"], {"images": images_NCHW.numpy()})
        largest = max(largest, float((torch.from_numpy(actual_N) - expected_N).abs().max()))
    # A fault of ours or of a library, not of the user: refuse to write a file that is wrong.
    if not largest < TOLERANCE:
        raise RuntimeError(f"ONNX differs from torch by {largest:.2g}, more than {TOLERANCE}; nothing written")
    return largest
