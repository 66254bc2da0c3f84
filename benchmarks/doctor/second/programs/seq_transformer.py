"""A tiny transformer encoder that tells which of four symbols occurs most often."""
import sys
import torch
from torch import nn, Tensor


class PositionalEncoding(nn.Module):
    def __init__(self, d_model: int, max_len: int = 64):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2) * (-torch.log(torch.tensor(10000.0)) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(position * div)
        pe[:, 1::2] = torch.cos(position * div)
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pe[: x.size(1)]


class Classifier(nn.Module):
    def __init__(self, vocab=4, d=32, heads=4, layers=2, classes=4):
        super().__init__()
        self.embed = nn.Embedding(vocab, d)
        self.pos = PositionalEncoding(d)
        layer = nn.TransformerEncoderLayer(d, heads, 64, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.classifier = nn.Linear(d, classes)

    def forward(self, ids: Tensor) -> Tensor:
        z = self.encoder(self.pos(self.embed(ids)))
        return self.classifier(z.mean(dim=1))


def sample(n, length, g):
    ids = torch.randint(0, 4, (n * 3, length), generator=g)
    counts = torch.stack([(ids == k).sum(1) for k in range(4)], 1)
    best = counts.max(1)
    keep = (counts == best.values[:, None]).sum(1) == 1
    return ids[keep][:n], best.indices[keep][:n]


def run(seed: int):
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(77)
    x, y = sample(1200, 14, g)
    xv, yv = sample(300, 14, g)
    net = Classifier()
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    ce = nn.CrossEntropyLoss()
    for epoch in range(6):
        net.train()
        for idx in torch.randperm(len(x)).split(32):
            loss = ce(net(x[idx]), y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        net.eval()
        with torch.no_grad():
            acc = (net(xv).argmax(-1) == yv).float().mean()
        print("epoch", epoch, "loss", f"{loss.item():.3f}", "accuracy", f"{acc.item():.3f}")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
