"""The words that names of logs are made of, by what they say. Words only: what follows from them is `names`'s."""

from __future__ import annotations

TRAIN, VAL, TEST = "train", "val", "test"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPLITS = {
    TRAIN: ("train", "training", "trainings", "tr", "trn", "learn"),
    VAL: ("val", "valid", "validation", "eval", "evaluation", "dev", "va"),
    TEST: ("test", "testing", "te"),
}
DEEP = 3
"""Slashes in a name from which on only the last part of it says what it is."""
SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
AVERAGES = _words(
    "avg avr average mean running epoch step batch current cur meter smoothed raw ema final global so far"
)
FILLERS = _words(
    "the of at is in with on for and after info debug warning finished end ended done result results metrics"
)
CHINESE = {
    "训练": " train ",
    "验证": " val ",
    "测试": " test ",
    "学习率": " lr ",
    "准确率": " accuracy ",
    "精度": " accuracy ",
    "损失": " loss ",
    "总": " total ",
    "聚类": " cluster ",
    "质量": " quality ",
    "均衡": " balance ",
    "平衡": " balance ",
    "熵": " entropy ",
    "轮": " epoch ",
    "步": " step ",
}
_DETECTED = "iou miou map map50 map75 ap ap50 ap75 aps apm apl"
NO_FIGURE = _words(
    "best min delta target std var scale patience summary threshold"
    " returning reducing reduced changing setting adjusting"
)
TOTALS = frozenset({"total", "all", "sum", "overall", "combined", "elbo"})
RATES = _words(
    "acc accuracy accuracies acc1 acc5 top1 top5 precision recall f1 auc auroc auprc roc dice sensitivity specificity"
    " pck uas las"
) | _words(_DETECTED)
DETECTED = _words(_DETECTED)
"""Of boxes; also of small, medium and large ones: `mAP_s`, `mAP_m`, `mAP_l`."""
F_MEASURED, F_MEASURES = _words("ents sents cats spans tag morph token dep"), _words("f p r")
"""What spaCy scores, and by what: `ENTS_F`, `ENTS_P`, `ENTS_R`."""
NOT_RATES = _words("error err floating time speed threshold num count grad memory mem mixed fp16 bf16 amp loss")
ERRORS = _words("error err errors merror wer cer ter ler ppl perplexity eer nme mape smape")
NOT_ERRORS = _words("num count time bar std errd errg")
REWARDS = _words("reward rewards rew rewmean eprewmean return returns ret")
NOT_REWARDS = _words("chosen rejected margins margin accuracies logps logits loss len norm batch running")
DETERMINATIONS = _words("r2 r2score rsquared rsq")
"""Coefficients of determination: what is left of the variance, 1 less that; below 0 it is worse than a constant."""
SCORES = DETERMINATIONS | _words(
    "psnr ssim bleu rouge rouge1 rouge2 rougel meteor cider objf objective likelihood loglikelihood elbo"
)
TIMES = _words(
    "time eta fps ips runtime elapsed seconds sec secs timestamp duration walltime speed throughput mfu mem memory"
    " cost flos tokens wps ups wpb tps wall"
)
PER_SECOND = _words("second sec s")
CORRELATIONS = _words("srcc srocc plcc krcc lcc spearman spearmanr pearson pearsonr kendall mcc matthews cosine cos")
NOT_CORRELATIONS = _words(
    "loss distance dist lr annealing schedule scheduler pvalue p rate restart grad num count alpha bar ine"
)
STEP_UNITS = {
    "step": "step",
    "up": "step",
    "update": "step",
    "updates": "step",
    "steps": "step",
    "iter": "iteration",
    "iters": "iteration",
    "iteration": "iteration",
    "iterations": "iteration",
    "it": "iteration",
    "round": "round",
    "rounds": "round",
    "timestep": "timestep",
    "timesteps": "timestep",
    "episode": "episode",
    "episodes": "episode",
}
SECONDS = ({"runtime"}, {"elapsed"}, {"time", "elapsed"}, {"wall", "time"}, {"walltime"}, {"seconds"})
EPOCHS = frozenset({"epoch", "epochs", "ep"})
KNOWN_LOSSES = _words(
    "bce ce mse mae rmse nll kl kld supcon infonce ntxent contrastive focal hinge huber smoothl1 l1 l2"
    " crossentropy triplet logloss mlogloss xent"
)
LOSS_FORMS = _words("cross entropy smooth binary multi categorical sparse")
