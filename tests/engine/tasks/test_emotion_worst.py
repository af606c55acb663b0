"""The worst dialogues of a validation: kept and read again, though each has many answers."""

from __future__ import annotations

from pathlib import Path

import torch
from present import present

from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.validated.samples import read_samples, write_samples
from trainctl.engine.tasks.emotion.config import EmotionConfig
from trainctl.engine.tasks.emotion.task import EmotionTask
from trainctl.engine.training.loop.worst import worst_samples


def test_dialogues_are_kept_with_their_words_and_no_single_answer(tmp_path: Path) -> None:
    data = {"dialogues": 12, "utterances": (3, 9), "text": 6, "audio": 3, "visual": 4}
    model = {"code": 16, "hidden": 16, "layers": 1}
    task = EmotionTask(EmotionConfig.model_validate({"task": "emotion", "data": data, "model": model}))
    splits = task.load()
    torch.manual_seed(0)
    split = splits.train
    columns = task.step(task.build_model(splits), split.at(torch.arange(len(split)))).columns
    paths = RunPaths(tmp_path)
    write_samples(paths, present(worst_samples(task, split, columns, step=1, epoch=1, most=5)))
    found = present(read_samples(paths))
    assert len(found) == 5 and found.rights == () and found.num_samples == len(split)
    rows = columns["nll"].topk(5).indices
    lengths = (split.tensors["labels"][rows] >= 0).sum(1).tolist()
    assert found.truths == tuple(f"{length} utterances" for length in lengths)
    assert found.names == tuple(split.names[row] for row in rows.tolist())
