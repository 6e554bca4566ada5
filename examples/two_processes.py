"""Two processes train one network on landmarks a third of which are wrong, and each tells which of its own it doubts.

python examples/two_processes.py                              # Lightning starts the second one
torchrun --nproc-per-node 2 examples/two_processes.py         # torchrun starts both
"""

import torch
from lightning.fabric import Fabric

from deepgum import DeepGUMOptions, SGDOptions, build_model, fit_deepgum
from deepgum.data import corrupt, load_digits_landmarks

fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp", precision="32-true")
fabric.launch()  # from here on, both do everything

train, validation = load_digits_landmarks(n_train=300, n_test=100, seed=0, image_size=24)
labels = corrupt(train.targets, "l-ugo", 0.3, torch.Generator().manual_seed(0))
train = train.with_targets(labels.targets)
network = build_model("facenet", train, seed=0)
options, sgd = DeepGUMOptions(groups="landmark"), SGDOptions(epochs_max=12)
result = fit_deepgum(network, train, validation, options=options, sgd=sgd, fabric=fabric)

wrong = labels.outlier[result.index]  # of the samples that this process keeps
counts = torch.stack([(result.flags & wrong).sum(), result.flags.sum(), wrong.sum()])
found, doubted, all_wrong = fabric.all_reduce(counts, reduce_op="sum").tolist()
fabric.print(f"{fabric.world_size} processes doubt {doubted} labels, among them {found} of the {all_wrong} wrong ones.")
torch.distributed.destroy_process_group()  # or the first to end breaks the connection of the other
