"""What a rule says of itself: whole, and true to what its function does."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from trainctl.engine.diagnosis.explanation import (
    BEFORE,
    EVIDENCE,
    LOG,
    RECORDS,
    Explanation,
    catalogue,
    explain,
    explain_one,
    find_code,
)
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.errors import UserError

CODES = sorted({rule.code for rule, _ in catalogue()})
DOCS = Path(__file__).parents[3] / "docs" / "diagnosis.md"


def every_explanation() -> list[Explanation]:
    return [one for code in CODES for one in explain(code)]


@pytest.mark.parametrize("code", CODES)
def test_every_rule_says_what_it_tests_what_the_fault_costs_and_what_to_do(code: str) -> None:
    for one in explain(code):
        assert one.test[0] and one.judges
        for text in (one.costs, one.do):
            assert text and text[-1] == ".", f"{code}: {text!r} is no sentence; see the head of explanation.py"


def test_what_a_finding_may_follow_from_is_what_the_rules_themselves_name() -> None:
    declared: dict[str, set[str]] = {}
    named: dict[str, set[str]] = {}
    for rule, _ in catalogue():
        module = rule.judge.__module__
        lines = (inspect.getdoc(rule.judge) or "").splitlines()
        said = " ".join(line for line in lines if line.startswith("Follows from: "))
        declared[module] = declared.get(module, set()) | set(re.findall(r"[A-Z]\d+", said))
        named[module] = _named_causes(Path(inspect.getfile(rule.judge)))
    assert declared == named


def _named_causes(file: Path) -> set[str]:
    """Codes in the `because=` of a file's hits."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    causes = [word.value for word in ast.walk(tree) if isinstance(word, ast.keyword) and word.arg == "because"]
    constants = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    causes = [constants.get(ast.unparse(cause), cause) for cause in causes]
    leaves = [leaf for cause in causes for leaf in ast.walk(cause) if isinstance(leaf, ast.Constant)]
    return {leaf.value for leaf in leaves if isinstance(leaf.value, str)}


def test_consequences_are_the_other_side_of_causes() -> None:
    single = explain("D103")[0]
    assert "D101" in [other.code for other in single.leads_to]
    assert "D103" in [other.code for other in explain("D101")[0].follows_from]


def test_what_is_judged_before_training_from_records_and_from_logs() -> None:
    judges = {rule.judge.__name__: words for rule, words in catalogue()}
    assert judges["dead_term"] == (BEFORE,)
    assert judges["dominating_term"] == (BEFORE, RECORDS)
    assert judges["standing_reconstruction"] == (RECORDS,)
    assert judges["degenerate_last_batch"] == (BEFORE,)
    assert judges["divergence"] == (RECORDS, LOG)
    assert judges["terms_do_not_add_up"] == (RECORDS, LOG)


def test_every_part_of_the_evidence_that_a_rule_may_need_has_words() -> None:
    assert {part for rule, _ in catalogue() for part in (*rule.needs, *rule.welcomes)} <= set(EVIDENCE)
    assert set(EVIDENCE) <= set(Evidence.__dataclass_fields__)


def test_a_code_is_found_in_lower_case_and_the_nearest_named_for_others() -> None:
    assert find_code(" d101 ") == "D101"
    with pytest.raises(UserError, match="no rule has the code 'O699'") as wrong:
        find_code("O699")
    assert "O60" in wrong.value.hint
    with pytest.raises(UserError) as named:
        find_code("overfitting")
    assert named.value.hint == "did you mean R801 overfitting?"
    with pytest.raises(UserError) as nothing:
        find_code("")
    assert nothing.value.hint == "`trainctl rules` lists them"


def test_a_code_of_two_rules_is_explained_as_both() -> None:
    of_run, of_log = explain("C307")
    assert (of_run.rule.name, of_log.rule.name) == (
        "loss is a sum over the batch",
        "loss is printed as a sum over batches",
    )
    assert explain_one("C307", of_log=False) == of_run and explain_one("C307", of_log=True) == of_log
    assert explain_one("O601", of_log=False).rule.code == "O601"
    assert "What to do: print the mean: divide by the number of batches." in of_log.in_words()


def test_the_page_on_diagnosis_lists_every_code() -> None:
    listed = set(re.findall(r"^\| ([A-Z]\d+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(CODES) - listed == set()
