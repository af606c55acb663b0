"""Asks the rival tools about one log after another: paths come in as lines of JSON, labels go out so. Runs alone.

Started by `rivals.py` with the interpreter that has the tools. Imports nothing of this project, so that they may live
in an environment of their own, and imports a tool when it is first asked. Each is called as its own pages say, with
the settings that it comes with.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import json
import signal
import sys
from collections.abc import Callable, Generator
from typing import Any

Paths = dict[str, str]
"""The same log as `csv` and as `jsonl`."""
Answer = list[tuple[str, str]]
"""Labels, each with the tool's own word for how grave it is."""


def runmedic(log: Paths) -> Answer:
    """`runmedic diagnose PATH --json`."""
    runs = json.loads(_printed(importlib.import_module("runmedic.cli").main, ["diagnose", log["csv"], "--json"]))
    return [(found["check"], found["severity"]) for run in runs for found in run["findings"]]


def trainspotter(log: Paths) -> Answer:
    """`trainspotter analyze PATH --format csv --output json`; unasked it takes `eval_runtime` for a name of W&B's."""
    arguments = ["analyze", log["csv"], "--format", "csv", "--output", "json"]
    told = json.loads(_printed(importlib.import_module("trainspotter.cli").main, arguments))
    return [(f"{found['detector']}: {found['title']}", found["severity"]) for found in told["findings"]]


def runwise(log: Paths) -> Answer:
    """`detect_anomalies` over the whole history: its command line thins to 200 rows, with which half its checks end."""
    module: Any = importlib.import_module("runwise")
    with open(log["jsonl"], encoding="utf-8") as lines:  # noqa: PTH123 - as short as the rest of it
        history = [json.loads(line) for line in lines]
    found = module.detect_anomalies(history, loss_key="loss", val_loss_key="val_loss", grad_norm_key="grad_norm")
    return [(_runwise_code(anomaly.type, anomaly.message), anomaly.severity) for anomaly in found]


def _runwise_code(kind: str, message: str) -> str:
    return f"{kind}: {message.partition(':')[0]}" if kind == "gradient" else kind


def training_doctor(log: Paths) -> Answer:
    """`Doctor().load(PATH).analyze()`; a confidence below .3 is, as its pages say, a weak signal and might be noise."""
    doctor: Any = importlib.import_module("training_doctor").Doctor()
    answer: Answer = []
    for found in doctor.load(log["csv"]).analyze():
        severity = found.severity.value if found.confidence >= 0.3 else "weak"
        answer += [(code, severity) for code in _doctor_codes(found)]
    return answer


def _doctor_codes(found: Any) -> list[str]:
    """One label for each kind of trouble that its detector of gradients joins."""
    if found.detector_name != "gradient_instability":
        return [found.detector_name]
    said = " ".join(evidence.observation for evidence in found.evidence)
    kinds = {"nan": "NaN/Inf", "exploding": "Exploding", "vanishing": "Vanishing"}
    codes = [f"{found.detector_name}: {kind}" for kind, word in kinds.items() if word in said]
    return codes or [f"{found.detector_name}: unstable"]


def trainproof(log: Paths) -> Answer:
    """`trainproof epoch PATH --json`."""
    main = importlib.import_module("trainproof.cli").main
    told = json.loads(_printed(lambda arguments: _with_arguments(main, arguments), ["epoch", log["csv"], "--json"]))
    if told["error"]:
        raise ValueError(told["error"])
    return [(found["id"], found["level"]) for report in told["reports"] for found in report["findings"]]


def _with_arguments(main: Callable[[], Any], arguments: list[str]) -> None:
    sys.argv = ["trainproof", *arguments]
    main()


def _printed(main: Callable[[list[str]], Any], arguments: list[str]) -> str:
    """What a command prints; its exit code says what the findings do.

    Raises:
        ValueError: it printed nothing but an error.
    """
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    if not out.getvalue():
        raise ValueError(err.getvalue().strip() or str(code))
    return out.getvalue()


TOOLS: dict[str, Callable[[Paths], Answer]] = {
    "runmedic": runmedic,
    "trainspotter": trainspotter,
    "runwise": runwise,
    "training-doctor": training_doctor,
    "trainproof": trainproof,
}
"""How each is asked, by its name on the package index."""


def versions() -> dict[str, str]:
    """The version of each tool that is installed."""
    found: dict[str, str] = {}
    for name in TOOLS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


class SlowError(Exception):
    """A tool did not answer within the limit."""


@contextlib.contextmanager
def within(seconds: float) -> Generator[None]:
    """Interrupts what takes longer, where the system can."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(*_: object) -> None:
        raise SlowError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ask(name: str, log: Paths, limit_s: float) -> Answer | str:
    """The labels of a tool, each once; a text: why it gave none."""
    try:
        with within(limit_s), contextlib.redirect_stdout(io.StringIO()):
            return list(dict.fromkeys(TOOLS[name](log)))
    except SlowError:
        return f"took longer than {limit_s:g} s"
    except Exception as err:  # a tool may fail in any way: that is its answer
        return f"{type(err).__name__}: {err}"


def main() -> None:
    """Answers every line of standard input; the first line of the output says which tools there are."""
    answers = sys.stdout
    here = versions()
    print(json.dumps(here), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        told = {name: ask(name, request["log"], request["limit_s"]) for name in here}
        print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    main()
