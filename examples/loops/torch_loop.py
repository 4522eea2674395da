"""PyTorch: whole batches through a DataLoader, and the position beside the weights.

pushfit samples digits --out data/digits
python examples/loops/torch_loop.py data/digits model.pt
"""

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import pushfit

links, file = sys.argv[1], Path(sys.argv[2])
saved = torch.load(file) if file.exists() else {}
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
model.load_state_dict(saved.get("model", model.state_dict()))
optimizer = torch.optim.SGD(model.parameters(), 0.5)
options = {"links": links, "batch_size": 64, "epochs": 2, "generators": 2}
with pushfit.stream("digits", **options, state=saved.get("stream")) as stream:
    loader = DataLoader(
        stream.torch("train"), batch_size=None, pin_memory=torch.cuda.is_available()
    )
    for epoch in range(stream.epoch, stream.epochs):
        for batch in loader:
            loss = torch.nn.functional.cross_entropy(
                model(batch["image"].float() / 255), batch["label"].long()
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        torch.save({"model": model.state_dict(), "stream": stream.state_dict()}, file)
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")
