"""PyTorch DDP: each rank reads its part of every batch, and the run continues on any number.

pushfit samples digits --out data/digits
torchrun --nproc-per-node 2 examples/ranks/torch_ddp.py data/digits model.pt &
pushfit generate --connect tcp://127.0.0.1:12001,tcp://127.0.0.1:12003 --links data/digits
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import pushfit

links, file = sys.argv[1], Path(sys.argv[2])
dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
saved = torch.load(file) if file.exists() else {}
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
model.load_state_dict(saved.get("model", model.state_dict()))
parallel = DistributedDataParallel(model)
optimizer = torch.optim.SGD(parallel.parameters(), 0.1)
options = {"links": links, "batch_size": 64, "epochs": 3, "shards": 4, "splits": ("train",)}
with pushfit.stream("digits", **options, state=saved.get("streams")) as stream:
    print(f"rank {dist.get_rank()} listens at {stream.address}", flush=True)
    for epoch in range(stream.epoch, stream.epochs):
        losses = []
        for batch in stream.torch("train"):
            loss = torch.nn.functional.cross_entropy(
                parallel(batch["image"].float() / 255), batch["label"].long()
            )
            optimizer.zero_grad()
            loss.backward()  # it averages the gradients of all ranks
            optimizer.step()
            losses.append(loss.detach())
        mean, streams = torch.stack(losses).mean(), [None] * dist.get_world_size()
        dist.all_reduce(mean)
        dist.all_gather_object(streams, stream.state_dict())
        if dist.get_rank() == 0:
            torch.save({"model": model.state_dict(), "streams": streams}, file)
            print(f"epoch {epoch + 1}: loss {mean / dist.get_world_size():.9f}")
dist.destroy_process_group()
