"""Vision transformer with patches on digits (8 x 8), dataclass config."""
from dataclasses import dataclass
import sys
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


@dataclass
class Config:
    dim: int = 32
    depth: int = 2
    heads: int = 4
    patch: int = 2
    lr: float = 3e-3
    epochs: int = 8
    batch: int = 64


class Attention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.norm = nn.LayerNorm(cfg.dim)
        self.mha = nn.MultiheadAttention(cfg.dim, cfg.heads, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(cfg.dim), nn.Linear(cfg.dim, 64), nn.GELU(), nn.Linear(64, cfg.dim))

    def forward(self, x):
        h = self.norm(x)
        x = x + self.mha(h, h, h, need_weights=False)[0]
        return x + self.mlp(x)


class ViT(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.patchify = nn.Conv2d(1, cfg.dim, cfg.patch, cfg.patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, cfg.dim))
        self.pos = nn.Parameter(torch.randn(1, 17, cfg.dim) * 0.02)
        self.blocks = nn.ModuleList([Attention(cfg) for _ in range(cfg.depth)])
        self.head = nn.Linear(cfg.dim, 10)

    def forward(self, x):
        z = self.patchify(x).flatten(2).transpose(1, 2)
        z = torch.cat([self.cls.expand(len(z), -1, -1), z], 1) + self.pos
        for block in self.blocks:
            z = block(z)
        return self.head(z[:, 0])


def run(cfg, seed):
    torch.manual_seed(seed)
    bunch = load_digits()
    x = torch.tensor(bunch.images, dtype=torch.float32)[:, None]
    x = (x - x.mean()) / x.std()
    y = torch.tensor(bunch.target)
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    x, y = x[perm], y[perm]
    model = ViT(cfg)
    optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=0.05)
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 20)
    for epoch in range(cfg.epochs):
        model.train()
        seen = 0.0
        for rows in torch.randperm(1400).split(cfg.batch):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            warm.step()
            seen += loss.item() * len(rows)
        model.eval()
        with torch.no_grad():
            acc = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
        print(f"{epoch}: train {seen / 1400:.4f} top1 {acc:.4f}")


run(Config(), int(sys.argv[1]) if len(sys.argv) > 1 else 0)
