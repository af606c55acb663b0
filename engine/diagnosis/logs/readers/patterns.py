"""How printed lines are written: patterns over the template of a line, in which each number is a `MARK`."""

from __future__ import annotations

import re

from trainctl.engine.diagnosis.logs.names import SPLITS
from trainctl.engine.diagnosis.logs.readers.lexing import BAR, MARK, STAMP

_WORD = r"[^\W\d][\w./@\u2019-]*(?:\([\w()\[\]]*\)|\[\w*\])?"
_NAME = rf"(?<![\w./{MARK}-])(?P<name>{_WORD}(?: {_WORD}){{0,3}}(?: {MARK}(?=:)| \(\w+\)(?= ?[:=]))?)"
_VALUE = rf"(?P<value>{MARK})(?P<percent>\s?%)?(?!\.?[\w{MARK}]|/|-[a-z]|:(?! ?{BAR}))"
_SCORE = r"(?:[- ]score)?(?: \((?:micro|macro|weighted)(?: avg)?\))?"
_STEMS = (
    "acc|accuracy|lr|f1|srcc|plcc|auc|miou|dice|iou|map|grad_norm|gnorm|objf|objective|wer|cer|ter|ler|ppl|perplexity"
    "|reward|mse|mae|rmse|error|kl|logloss|psnr|ssim|bleu|elbo|nll|bce|precision|recall|learning rate"
    r"|err|auroc|l\.r|l1|l2|ap|cost|learningrate|prec|nmse|epe|ndcg|mrr|score|rho|ρ"
)
_SPOKEN = rf"(?:[\w/@.-]*loss(?:@\d|[_-]\w+|es)?|(?:[\w@./-]*[_./@-])?(?:{_STEMS})(?:@\d|_\w+|\d)?{_SCORE})\.?"

RATIO = re.compile(rf"{_NAME} ?[:=]+ ?{MARK} ?/ ?{MARK} \((?P<value>{MARK})(?P<percent>\s?%)\)")
"""`Accuracy: 9843/10000 (98%)`."""
FRACTION = re.compile(rf"{_NAME} ?[:=]* ?(?P<value>{MARK})(?P<percent>) ?/ ?(?P<of>{MARK})(?![\w.])")
"""`acc=5401/10000`: of how many."""
BOTH = re.compile(
    rf"(?<![\w./{MARK}-])(?P<name>{_WORD}(?: {_WORD}){{0,3}}) \((?P<second>[^\W\d]\w*)\)"
    rf" ?[:=] ?(?P<value>{MARK})(?P<percent>) \((?P<beside>{MARK})\)"
)
"""`Accuracy (Loss): 0.51 (1.37)`: two names with their values."""
_HELD = r"(?:val|valid|validation|dev|test|eval)"
PAIRED = re.compile(
    rf"(?<![\w./{MARK}-])(?:(?P<name>{_WORD}(?: {_WORD}){{0,2}})"
    rf" ?[(\[](?P<first>train\w*) ?[/,|] ?(?P<second>{_HELD})[)\]]"
    rf"|(?P<fit>train\w*) ?[/|] ?(?P<held>{_HELD}) (?P<what>{_WORD}))"
    rf" ?[:=]+ ?\(?(?P<value>{MARK})(?P<percent>\s?%)? ?[/,|] ?(?P<beside>{MARK})(?![\w.])",
    re.IGNORECASE,
)
"""`Loss (train/val): 0.5/0.6`, `train/val loss: 0.5 / 0.6`."""
IS = re.compile(rf"{_NAME}(?: so far| now| currently)? (?:is|was|are|were|reached)(?: at| now)?:? {_VALUE}")
_OPEN = rf"(?:\[(?![^\[\]]*\] ?[(:=])|\((?={MARK} ?%?, ?{MARK}))?"
"""Of a list of values; one before a sign or a legend says where the value is from."""
PAIR = re.compile(rf"{_NAME} ?(?:[:=]+|->) ?(?:{BAR} ?)?{_OPEN}{_VALUE}")
BARE = re.compile(rf"(?<![\w./{MARK}-])(?P<name>(?:{_WORD} ){{0,2}}{_SPOKEN}) (?:of )?{_OPEN}{_VALUE}", re.IGNORECASE)
"""A name of which it is known that a figure follows, without a sign between."""
_AT = r"[ ,]*[(\[@]?(?: ?(?:at|after|for|in|on|of|over|from))?(?: the| end of)* ?[(\[]?\|{3,}+[)\]]?"
PLACED = re.compile(
    rf"(?<![\w./{MARK}-])(?P<name>{_WORD}(?: {_WORD}){{0,3}}?)(?: \([^()|{MARK}]*\))?"
    rf"(?:(?:{_AT})+| ?\[ ?{MARK} ?[/,] ?{MARK} ?\])"
    rf" ?(?:[:=]+|is|was|are|were|reached) ?{_OPEN}{_VALUE}"
)
"""A name and its value, between them the place, which is blanked out: `Loss at iteration 100 is 0.5`."""
SCALE = re.compile(rf"(?P<name>(?:loss|grad(?:ient)?) scale)(?: from {MARK})? (?:down )?to:? {_VALUE}", re.IGNORECASE)
"""`reducing loss scale to 1024.0`."""
BETWEEN_BARS = re.compile(rf"(?<=\| )(?P<name>{_WORD}) {_VALUE}(?= \||$)")
"""Any name, in a line whose fields bars separate: `| KLD 0.5 |`."""
LISTED = re.compile(rf"(?<=\|)(?: ?\w+ ?:)? ?(?P<pairs>(?:[^\W\d]\w* {MARK} ?){{2,}})(?=\|)")
"""A field of names and values alone: `Avg : g 1.37 d 0.02| step 5976`."""
EACH = re.compile(rf"(?P<name>[^\W\d]\w*) (?P<value>{MARK})(?P<percent>)")
ON_SAMPLES = re.compile(
    rf"(?P<name>{_WORD}(?: {_WORD})?) of the (?:model|network|net)"
    rf"(?: on the(?: {MARK})? \w+ (?:images|samples|examples))?"
    rf" ?:? {_VALUE}",
    re.IGNORECASE,
)
"""`Test Accuracy of the model on the 10000 test images: 97.1 %`."""
BEFORE = re.compile(rf"(?P<value>{MARK})(?P<percent>) (?P<name>avg loss|(?<=avg loss, {MARK} )rate)\b")
"""Darknet's `800.1 avg loss, 0.001 rate`."""
OBJECTIVE = re.compile(
    rf"(?P<name>objective function|objf)\b[^|]*? is (?P<value>{MARK})(?P<percent>)(?= over)", re.IGNORECASE
)
"""Kaldi's `objective function for output for minibatches 0-9 is -0.25 over ...`."""
SLASHED = re.compile(rf"(?<![\w./{MARK}-])(?P<name>(?:train|val|valid|test|eval)/[\w./@-]+) {_VALUE}")
"""`val/abs_diff 0.5`: any name, as one with a slash is no word of a sentence."""
COCO = re.compile(
    rf".*\((?P<name>A[PR])\) @\[ ?IoU={MARK}:{MARK} \| area= ?all \| maxDets= ?(?P<most>{MARK}) ?\] = (?P<value>{MARK})"
    r"(?P<percent>)"
)
IS_COCO = re.compile(r"Average (?:Precision|Recall)\b.*@\[")

CELL = re.compile(rf"\|? ?(?P<name>[^\W\d][\w./ -]*?) \| ?(?P<value>{MARK}) ?\|?")
SECTION = re.compile(r"\|? ?(?P<name>[^\W\d][\w -]*/) ?\|(?: ?\|)?")
RULER = re.compile(r"[-=+|_ ]{5,}")
FIGURE = re.compile(rf"{MARK}(?:[a-zA-Z%]{{0,3}}|/{MARK})")
"""A cell of a table: a number, with a unit, or of how many."""

_UNLESS = r"(?<!best )(?<!total )(?<!max )(?<!num )(?<!per )(?<!final )(?<!best_)(?<![\w/])"
_COUNT = rf" ?(?:[:=#]*|->) ?[\[(]? ?(?P<count>{MARK})(?: ?(?:/|of) ?(?P<all>{MARK}))?[\])]?(?!\.?\w|%)"
_WITHIN = rf"(?:[,:]? ?[\[(] ?| ?[:-] )(?P<step>{MARK}) ?/ ?(?P<batches>{MARK})(?P<share> \( ?{MARK} ?%\))? ?[\])]?"
_EPOCHS = r"epoch|ep\.?|эпоха|епоха|[eé]poca|[eé]poque|epoche|epoka|epok|エポック|에포크|에폭|轮次|轮数|周期"
"""An epoch in other languages, too."""
EPOCH = re.compile(rf"{_UNLESS}(?:{_EPOCHS})(?:\(\w+\))?{_COUNT}(?:{_WITHIN}(?![\w.]))?", re.IGNORECASE)
EPOCH_AFTER = re.compile(
    rf"(?P<count>{MARK}) ?(?:epoch|эпоха)\b|第 ?(?P<other>{MARK})(?: ?/ ?{MARK})? ?(?:个 ?epoch|轮|輪|エポック)",
    re.IGNORECASE,
)
EPOCH_LISTED = re.compile(
    rf"\[ ?(?P<count>{MARK}), ?(?P<step>{MARK}) ?\] ?\((?:epoch|ep)\w*[,/] ?\w+\)"
    rf"|^[{STAMP} |-]*\[ ?(?P<other>{MARK}), ?(?P<inner>{MARK}) ?\](?=:? [^\W\d])",
    re.IGNORECASE,
)
"""`Loss [1, 100](epoch, minibatch): 0.5`, `[1, 2000] loss: 0.5`."""
EPOCH_BARE = re.compile(
    rf"(?:^|[{STAMP} |-])(?:train|val|valid|test)\w*:? (?P<count>{MARK}){_WITHIN}"
    rf"|^[{STAMP} |-]*\[(?P<other>{MARK})/{MARK}\] ?\[(?P<inner>{MARK})/(?P<size>{MARK})\]",
    re.IGNORECASE,
)
"""`Train: 0 [50/1251 (4%)]`, `[0/5][50/1583]`."""
STEP = re.compile(
    rf"{_UNLESS}(?P<unit>step|iter|iteration|batch|round|episode|up\.|(?:^|(?<=[{STAMP}|\]] ))steps)"
    rf"(?:\(\w+\))?{_COUNT}"
    rf"|第 ?(?P<other>{MARK}) ?步|(?P<batch>{MARK}) ?/ ?(?P<batches>{MARK}) batches\b",
    re.IGNORECASE,
)
COUNTED = re.compile(rf"^[{STAMP} |-]*\[ ?(?P<other>{MARK}) ?/ ?{MARK} ?\](?=:? [^\W\d])")
"""`[20/300] loss: 0.5`: of what is not said."""
GLOBAL_STEP = re.compile(rf"{_UNLESS}(?P<unit>global[_ ]?step)(?:\(\w+\))?{_COUNT}", re.IGNORECASE)
"""Before a step within the epoch."""
ROUND = re.compile(rf"^[{STAMP} |\[\]-]*(?:\[(?P<count>{MARK})\]:?|(?P<other>{MARK}):)(?= [^\W\d])")
"""`[10] train-logloss: ...`, as boosting prints its rounds."""
NODE = re.compile(
    r"^\W*\[?(?:default|local_?rank|rank|node|worker|host|proc|process)"
    rf"[ _:#-]?(?:\d+|{MARK})\]? ?[:|>\]-] ?|^{MARK}: (?=.*(?:epoch|step|iter))",
    re.IGNORECASE,
)
BULLET = re.compile(rf"^[\s\-*•·├└─|>]+(?=[^\W\d]|{MARK}|第)")
_PARTS = "|".join(word for words in SPLITS.values() for word in words if len(word) > 2 and word != "learn")
MARKER = re.compile(rf"(?<![\w./\\-])(?:(?P<word>{_PARTS})(?![\w./\\-]|::)|(?P<set>(?:{_PARTS})-\w+)(?= \w))", re.I)
"""A word of its own that says the part of the training: `train`, or of which set: `dev-clean`."""
OF_VALIDATION = re.compile(
    r"\bcur(?:rent)? metrics?(?=[,:])|\bSaving dict for global step\b"
    r"|\b(?:validate|validating|evaluating)\b(?![\w.=/-])",
    re.I,
)
"""Other words that say it of the validation: as PaddleOCR and estimators of TensorFlow have them, and verbs."""
STARRED = re.compile(r"^\*+ (?:acc|prec)@", re.IGNORECASE)
"""`* Acc@1 70.1 Acc@5 90.2`, as trainings on ImageNet sum a test up whose batches are above."""
IS_VALUE = re.compile(rf" ?[:=] ?{MARK}(?!\.?[\w/])")
"""What follows a word that is itself a name with its value."""
RECAP = re.compile(
    r"\bbest metrics?[,:]|\boverall average objective\b"
    r"|\bresum(?:e|ed|ing)\b.* from\b|\bsaved checkpoint\b.*\bscore\b",
    re.I,
)
"""Of a line that repeats what the best or the last validation had, or says where a training is taken up."""
RECAP_ABOVE = re.compile(r"\bbest (?:iteration|epoch|model|result|step)s?(?: is| are| was)? ?:$", re.IGNORECASE)
"""Of a line below which another is repeated: `Early stopping, best iteration is:`."""
LIST = re.compile(
    r"(?:^|[: ])(?P<fields>[^\s,:]+(?:,[^\s,:]+){2,})$"
    r"|^(?P<of>\w+): (?P<spaced>[^\s,:]+(?:, [^\s,:]+){2,})$"
)
"""`copypaste: AP,AP50,AP75` and the line of values below it; `DEV: loss, acc, f1`, of a part of the training."""
AWAITED = re.compile(r"(?:\w[\w ]{0,60})?(?:loss|acc|accuracy|f1|perplexity|error|auc)(?: is)? ?[:=]", re.IGNORECASE)
"""A name whose figure stands alone in the line below."""
SETTINGS = re.compile(r"\b(?:normali[sz]er|weights?|coeff\w*|lambdas?) ?[:=]? ?\([^()]*\)", re.IGNORECASE)
"""Settings in the middle of a line of figures: `(Normalizer: (iou: 0.07, cls: 1.00) ...`."""
LABEL = re.compile(r"class(?:es)?|categor(?:y|ies)|label|name|names", re.IGNORECASE)
"""Of the column of a table that says what each of its rows is of."""
WHOLE = frozenset({"all", "total", "mean", "average", "avg", "overall"})
"""Rows of such a table that are of the whole."""
EDGES = re.compile(r"^[*=~#-]{2,}|[*=~#-]{2,}$")
"""What a header is framed by."""
SUMMARY = re.compile(r"(?:^|[-|,;] ?)(?P<words>[\w ]+):$")
"""The words behind the last figure of a line that ends like a heading."""
PLACE_ALONE = re.compile(rf"[{STAMP} |-]*(?:epochs?|steps?|iterations?|batch) ?[:=] ?{MARK}", re.IGNORECASE)
"""`epoch : 1000`."""
BARRED = re.compile(rf"^[{STAMP} #|]*(?P<done>{MARK}) ?/ ?(?P<all>{MARK}) (?:{BAR}|- {MARK}m?s)")
"""The beginning of a bar of Keras, or of what it prints in its place."""
CONFIGURATION = re.compile(
    r"\b(?:namespace|\w*(?:config|args|arguments|hyperparameters|hparams|params)) ?[:=]? ?[({]", re.IGNORECASE
)
