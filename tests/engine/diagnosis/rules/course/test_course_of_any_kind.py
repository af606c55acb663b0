"""Every rule over the course of a training: silent on a healthy one from its beginning on, and never raises."""

from __future__ import annotations

import json

import pytest
from courses import INF, NAN, grave
from hypothesis import given, settings
from hypothesis import strategies as st
from log_files import HEALTHY, Row, as_csv

from trainctl.engine.diagnosis.catalogue import all_rules
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.errors import UserError


@pytest.mark.parametrize("host", HEALTHY)
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_a_healthy_log_is_left_alone_from_its_beginning_on(host: str, share: float) -> None:
    rows = HEALTHY[host]()
    assert not grave(rows[: max(int(share * len(rows)), 2)])


NAMES = ("loss", "val_loss", "train/a_loss", "val/a_loss", "kl_loss", "recon_loss", "policy_gradient_loss", "lr", "acc")
MORE = ("val_acc", "auc", "srcc", "wer", "reward", "approx_kl", "clip_fraction", "explained_variance", "grad_norm")
LAST = ("loss_scale", "update_ratio", "best_acc", "perplexity", "psnr")
SHAPES = {
    "one": [1.0],
    "two": [1.0, 0.5],
    "constant": [0.4321] * 70,
    "zero": [0.0] * 70,
    "nan": [NAN] * 70,
    "infinite": [INF, -INF] * 35,
    "huge": [1e308, -1e308] * 35,
    "tiny": [1e-320] * 70,
    "one finite": [*[NAN] * 69, 3.0],
    "falls": [1 / (k + 1) for k in range(70)],
    "negative": [-float(k) for k in range(70)],
}


@pytest.mark.few(160)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("code", sorted(all_rules(of_log=True)))
def test_no_rule_raises_whatever_the_shape(code: str, shape: str) -> None:
    rows = [{"step": k, **dict.fromkeys((*NAMES, *MORE, *LAST), value)} for k, value in enumerate(SHAPES[shape])]
    for known in (None, 10):
        table = parse_log(as_csv(rows).encode(), "log")
        facts = read_facts(table, num_classes=known, num_clusters=known, batch_size=known)
        answer = all_rules(of_log=True)[code].apply(Evidence(log=facts))
        assert answer is None or (answer.code == code and answer.why), "nothing wrong, a reason, or a finding with one"


@given(
    st.lists(st.dictionaries(st.sampled_from((*NAMES, *MORE, *LAST)), st.floats(), max_size=8), min_size=1, max_size=90)
)
@settings(max_examples=60, deadline=None)
def test_whatever_a_course_holds_it_is_judged(rows: list[Row]) -> None:
    text = as_csv([{"step": step, **row} for step, row in enumerate(rows)])
    try:
        facts = read_facts(parse_log(text.encode(), "log"))
    except UserError:
        return
    report = diagnose(Evidence(log=facts))
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["verdict"] == str(report.verdict)
    asked = {code for code, rule in all_rules(of_log=True).items() if "reference" not in rule.needs}
    assert {*report.checked, *(entry.code for entry in report.not_checked)} == asked
