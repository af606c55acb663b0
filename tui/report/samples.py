"""The validation samples with the largest loss, with their pictures within the page where the run has them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.validated.samples import WorstSamples
from trainctl.tui.charts.axis import short
from trainctl.tui.report.html import Html, element, section
from trainctl.tui.report.subject import PageSubject, RunSubject

SIDE = 144
"""Pixels of a picture's longer side at most."""
BUDGET = 600_000
"""Bytes of all pictures together."""
FEW = 4
"""Samples of each run where there are several."""


def samples(subject: PageSubject) -> Html | None:
    """The part of the page; None where no run kept any."""
    blocks = [block for run in subject.runs for block in _of_run(run, subject)]
    return section("samples", "Worst samples", *blocks) if blocks else None


def _of_run(run: RunSubject, subject: PageSubject) -> Iterator[Html]:
    worst = run.view.samples
    if worst is None or not len(worst):
        return
    if not subject.is_one:
        yield element("h3", element("i", class_=f"swatch i{run.ink}", aria_hidden="true"), run.name)
    when = f"after epoch {worst.epoch}, step {worst.step:,}"
    yield element("p", f"The largest losses of {worst.num_samples:,} validation samples {when}.", class_="aside")
    most = len(worst) if subject.is_one else min(len(worst), FEW)
    room = BUDGET // len(subject.runs)
    figures: list[Html] = []
    for k in range(most):
        picture = _picture(worst, k)
        room -= len(picture)
        figures.append(_sample(worst, k, picture if room >= 0 else ""))
    yield element("div", *figures, class_="samples")
    if room < 0:
        yield element("p", "Some pictures are left out, so that this file stays small.", class_="aside")


def _sample(worst: WorstSamples, k: int, picture: str) -> Html:
    truth, said = worst.truths[k], worst.predictions[k]
    image = [element("img", src=picture, alt=f"{worst.names[k]}: {truth}, answered {said}")] if picture else []
    is_right = bool(worst.rights) and worst.rights[k]
    return element(
        "figure",
        *image,
        element(
            "figcaption",
            element("b", truth),
            element("span", f" → {said}", class_="" if is_right or not worst.rights else "wrong"),
            element("small", f"loss {short(float(worst.losses[k]))}"),
            element("small", worst.names[k], class_="name"),
        ),
    )


def _picture(worst: WorstSamples, k: int) -> str:
    """A picture as a data URI; empty where the task has none."""
    pixels: NDArray[np.uint8] = worst.images[k]
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or not all(pixels.shape):
        return ""
    from PIL import Image

    image = Image.fromarray(pixels, "RGB")
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
