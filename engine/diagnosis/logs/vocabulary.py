"""The words that names of logs are made of, by what they say. Words only: what follows from them is `names`'s."""

from __future__ import annotations

TRAIN, VAL, TEST = "train", "val", "test"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPLITS = {
    TRAIN: ("train", "training", "trainings", "tr", "trn", "learn"),
    VAL: ("val", "valid", "validation", "eval", "evaluation", "dev", "va", "oof", "holdout", "heldout", "verification"),
    TEST: ("test", "testing", "te"),
}
DEEP = 3
"""Slashes in a name from which on only the last part of it says what it is."""
SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
AVERAGES = _words(
    "avg avr average mean running epoch step batch minibatch iter current cur meter smoothed raw ema final global"
    " so far"
)
FILLERS = _words(
    "the of at is in with on for and after info debug warning finished end ended done result results metrics fold"
)
FOREIGN = {
    "学習率": " lr ",
    "学習": " train ",
    "検証": " val ",
    "正解率": " accuracy ",
    "損失": " loss ",
    "학습률": " lr ",
    "학습": " train ",
    "훈련": " train ",
    "검증": " val ",
    "테스트": " test ",
    "정확도": " accuracy ",
    "손실": " loss ",
    "에폭": " epoch ",
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
    "ρ": " rho ",
}
"""Words of other languages, the longer before what they begin with."""
COMPOUND = (
    r"(train|valid|val|test|dev|eval|total|avg|mean|disc|dis|gen|critic|adv|gan|cls|box|bbox|obj|seg|mask|reg|recon|aux"
    r"|[dgtv])(loss|losses|acc|accuracy|err|error)"
    r"|(loss|acc|accuracy)(value|train|test|valid|val)"
    r"|(loss|err)([dgtv])"
)
"""Names that are two words in one: `trainloss`, `dloss`, `lossvalue`, `errd`."""
_DETECTED = "iou miou fwiou biou map map50 map75 map5095 ap ap50 ap75 aps apm apl apr apc apf"
NO_FIGURE = _words(
    "best min delta target std var scale patience summary threshold"
    " returning reducing reduced changing setting adjusting"
)
TOTALS = frozenset({"total", "all", "sum", "overall", "combined", "elbo"})
RATES = _words(
    "acc accuracy accuracies acc1 acc5 top1 top5 prec prec1 prec5 precision recall f1 auc auroc auprc aupr aucpr roc"
    " rocauc prauc dice sensitivity specificity pck pckh oks uas las jaccard fscore fmeasure fbeta bacc wacc uar"
    " ndcg mrr hitrate lrap lwlrap nmi cindex estoi stoi"
) | _words(_DETECTED)
"""Shares: of 1 or of 100 %, the more the better."""
RATES_OF_VALIDATION = _words("delta1 delta2 delta3")
"""Shares where they are of a validation, elsewhere settings or differences."""
RATES_ALONE = (
    *({"ac"}, {"em"}, {"exact", "match"}, {"pq"}, {"oa"}, {"wa"}, {"norm", "ed"}, {"norm", "edit", "dis"}),
    *({"reconstruct", "rate"}, {"reconstruction", "rate"}),
)
"""Shares by words that mean something else among others."""
RANKED, RANKS = _words("hr hit hits r"), _words("1 3 5 10 20 50 100")
"""Shares among the first k: `HR@10`, `Hits@1`, `R@5`."""
RECALLED = _words("ar coco bbox segm keypoints all small medium large s m l")
"""What stands beside a detector's average recall: `coco/AR (M)`."""
DETECTED = _words(_DETECTED)
"""Of boxes; also of small, medium and large ones: `mAP_s`, `mAP_m`, `mAP_l`."""
F_MEASURED, F_MEASURES = _words("ents sents cats spans tag morph token dep"), _words("f p r")
"""What spaCy scores, and by what: `ENTS_F`, `ENTS_P`, `ENTS_R`."""
NOT_RATES = _words(
    "error err floating time speed threshold num count grad memory mem mixed fp16 bf16 amp loss distance"
)
HEADS = _words("acc accuracy f1 iou ap ar dice recall precision auc auroc jaccard sensitivity specificity fscore")
"""Scores that are told of each class: `IoU.car`, `AP/person`; what follows is the class, whatever word it is."""
NO_CLASSES = NO_FIGURE | _words("loss losses num count time sec seconds s ms")
"""What behind a score is no class: `dice_loss`, `acc/std`, `map/time`."""
ADVERSARIAL = _words("gan generator discriminator critic policy value actor adv g d")
"""Of losses of networks that play against each other, or are judged by each other."""
TOLD_APART = _words("acc accuracy real fake")
RIVALS = _words("discriminator disc critic generator gan")
"""Networks that play against each other: how often one is right says nothing of how good the answers are."""
ERRORS = _words(
    "error err errors merror wer cer ter ler ppl perplexity eer nme mape smape wmape nmse nrmse mase mre epe aepe mer"
    " wil der jer mindcf dcf hter acer brier deviance crps fid sfid kid fvd fad lpips hausdorff hd95 assd"
    " absrel sqrel silog mpjpe ade fde minade minfde chamfer mcd hamming rmsle msle"
)
"""What should fall and is never below 0; of these some are shares, and some have no bounds."""
ERRORS_ALONE = ({"abs", "rel"}, {"sq", "rel"}, {"log10"}, {"edit", "distance"})
LEAST_ERRORS = ({"min", "dcf"}, {"min", "ade"}, {"min", "fde"})
"""Errors of which `min` is a part of the name."""
NOT_ERRORS = _words("num count time bar std errd errg")
PERPLEXITY = _words("ppl perplexity")
OTHER_WAY = _words("neg negative inverse inverted negated")
"""Words that turn a metric about, so that it is not known which way is better."""
REWARDS = _words("reward rewards rew rewmean eprewmean return returns ret")
NOT_REWARDS = _words(
    "chosen rejected margins margin accuracies logps logits loss len norm batch running rate ratio freq frequency count"
)
DETERMINATIONS = _words("r2 r2score rsquared rsq")
"""Coefficients of determination: what is left of the variance, 1 less that; below 0 it is worse than a constant."""
SCORES = DETERMINATIONS | _words(
    "psnr ssim msssim bleu sacrebleu chrf rouge rougel rougelsum meteor cider spice bertscore comet nist sdr sisdr"
    " sisnr sdri snri pesq mos utmos dnsmos objf objective likelihood loglikelihood elbo"
)
SCORES_ALONE = ({"si", "snr"}, {"si", "sdr"}, {"inception", "score"})
SCORED = _words("score scores 100 last episode game test")
"""Words of which a name consists that is a score of its own kind."""
TIMES = _words(
    "time eta fps ips runtime elapsed seconds sec secs timestamp duration walltime speed throughput mfu mem memory"
    " flos tokens wps ups wpb tps wall"
)
PER_SECOND = _words("second sec s")
COSTS_OF_TIME = _words(
    "time reader batch step iter iteration data epoch load loading forward backward run reading compute io samples"
)
"""What `cost` stands beside where it is a time; elsewhere it may be a loss."""
PERCENT = _words("pct percent percentage")
NO_WEIGHTS = _words("age decay norm std version lag staleness update updates count num")
"""What stands beside `weight` where it is that of the network."""
SUMMARY_OF_RETURNS = frozenset({"mean", "median", "stdev", "max", "min"})
"""Names that say only how the returns of episodes are summed up, which they are of."""
ASKED = _words("valid test")
"""Parts of the training that are also what a reward is given for: `reward_valid_json`."""
CORRELATIONS = _words(
    "srcc srocc plcc krcc lcc spearman spearmanr pearson pearsonr kendall mcc matthews cosine cos kappa qwk ccc ari ami"
)
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
    "frame": "timestep",
    "frames": "timestep",
}
COUNTED = _words("global current total trainer accumulated")
"""Words beside that of what is counted."""
COUNTED_OF_ENVIRONMENTS = _words("num n env so far")
"""Such words beside episodes and time steps: `num_episodes`, `TimestepsSoFar`."""
ENVIRONMENT_STEPS = ({"env", "steps"}, {"env", "step"}, {"environment", "steps"}, {"env", "interacts"})
SECONDS = ({"runtime"}, {"elapsed"}, {"time", "elapsed"}, {"wall", "time"}, {"walltime"}, {"seconds"})
EPOCHS = frozenset({"epoch", "epochs", "ep"})
KNOWN_LOSSES = _words(
    "bce ce mse mae rmse nll kl kld supcon infonce ntxent contrastive focal hinge huber smoothl1 l1 l2"
    " crossentropy triplet logloss mlogloss xent nloglik pinball logcosh bpc bpd bpb"
)
DETECTOR_TERMS = _words("box bbox obj cls dfl seg mask sem pose kobj kpt rle giou iou ciou conf loc angle l1")
"""Terms of a detector's loss, which it prints as they are weighed."""
UNITS_OF_BITS = _words("dim dimension char character byte pixel word token")
"""What `bits per` counts: a loss in other units."""
LOSS_FORMS = _words("cross entropy smooth binary multi categorical sparse poisson gamma tweedie")
