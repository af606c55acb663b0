"""What trainctl says, in other languages than English. The rest of the house speaks English and never looks in here.

A finished English message is translated where it is shown (`phrasebook`), by tables of templates (`zh/*.txt`): whatever
was recorded in English can be read in Chinese too, and what no table knows stays English. Imports nothing of the house,
and nothing heavy; the tables are read when the first message is said.

Words to keep to in Chinese. Codes, options, names of files and modules, formulas and figures stay as they are.

| | | | |
|---|---|---|---|
| run 训练 | epoch 轮 | step 步 | batch 批次 |
| training split 训练集 | validation 验证, 验证集 | sample 样本 | label 标签 |
| loss term 损失项 | weight (of a term) 权重 | weights (of the network) 权重参数, 权重 | parameter tensor 参数张量 |
| learning rate 学习率 | warmup 预热 | schedule 调度 | clip 裁剪 |
| gradient 梯度 | gradient norm 梯度范数 | half precision 半精度 | overflow 溢出 |
| divergence (of a training) 发散 | divergence (KL) 散度 | stands still 停滞, 停在 | spike 尖峰 |
| not finite 非有限值 | overfitting 过拟合 | collapse 坍缩 | saturated 饱和 |
| embedding 嵌入 | anchor 锚点 | positive, negative 正样本, 负样本 | temperature 温度 |
| mixture 混合模型 | component 分量 | posterior 后验 | refit 重新拟合 |
| gate 门控 | backbone 骨干网络 | frozen 冻结 | detach 切断梯度 |
| sampler 采样器 | shuffle 打乱 | bucket 分桶 | accumulation 累积 |
| deviation 标准差 | median 中位数 | rank correlation 秩相关 | chance 随机水平 |
| finding 发现 | rule 规则 | fix 修复 | primary 首要 |
"""
