"""A task of one's own whose files hold several samples: every sample of every file is a row, in order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from toy_task import ToyTask, make_split

from trainctl.engine.data.batch import Batch, Split
from trainctl.engine.errors import UserError
from trainctl.engine.training.restore import Trained, predict


class Tables(ToyTask):
    """A file is as many samples as its name says."""

    def read_file(self, path: Path) -> Split:
        if path.name == "bad":
            raise UserError("bad cannot be read", "leave it out")
        count = int(path.name)
        return make_split(count, count, names=[f"row {k}" for k in range(count)] if count > 3 else ())

    def predict(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        probability_B, class_B = model(batch["x"]).softmax(-1).max(-1)
        return {"class": class_B, "probability": probability_B}


def test_files_of_several_samples_are_answered_sample_by_sample() -> None:
    task = Tables()
    torch.manual_seed(0)
    model = task.build_model(task.load()).eval()
    trained = Trained(task, model, torch.device("cpu"), {}, "raw", {})
    left_out: list[Path] = []
    files = [Path("5"), Path("bad"), Path("2")]
    rows = predict(trained, files, 3, lambda file, _: left_out.append(file))
    assert left_out == [Path("bad")]
    assert [(str(file), row["sample"]) for file, row in rows] == [
        *(("5", f"row {k}") for k in range(5)),
        ("2", "0"),
        ("2", "1"),
    ]
    with torch.no_grad():
        expected = task.predict(model, {"x": make_split(5, 5).tensors["x"]})
    assert [row["class"] for _, row in rows[:5]] == expected["class"].tolist()
    found = torch.tensor([row["probability"] for _, row in rows[:5]])
    torch.testing.assert_close(found, expected["probability"])
