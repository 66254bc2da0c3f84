"""Segmentation of blobs with a two-level U-Net; dice plus BCE."""
import sys
import torch
from torch import nn
import torch.nn.functional as F


def scenes(n, g):
    yy, xx = torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij")
    c = 4 + 12 * torch.rand(n, 2, 1, 1, generator=g)
    r = 2 + 3 * torch.rand(n, 1, 1, generator=g)
    mask = ((yy - c[:, 0]) ** 2 + (xx - c[:, 1]) ** 2 < r ** 2).float()
    return (mask * 0.8 + 0.5 * torch.randn(n, 20, 20, generator=g)).unsqueeze(1), mask.unsqueeze(1)


class UNet(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.down1 = nn.Conv2d(1, c, 3, padding=1)
        self.down2 = nn.Conv2d(c, 2 * c, 3, padding=1)
        self.norm = nn.InstanceNorm2d(2 * c, affine=True)
        self.up = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.merge = nn.Conv2d(2 * c, c, 3, padding=1)
        self.last = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.norm(self.down2(F.max_pool2d(a, 2))))
        u = F.relu(self.merge(torch.cat([a, self.up(b)], dim=1)))
        return self.last(u)


def dice(logits, mask):
    p = torch.sigmoid(logits)
    return 1 - (2 * (p * mask).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)


def main():
    torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    g = torch.Generator().manual_seed(31)
    images, masks = scenes(300, g)
    vi, vm = scenes(60, g)
    unet = UNet()
    optimizer = torch.optim.Adam(unet.parameters(), lr=4e-3)
    for epoch in range(8):
        unet.train()
        for rows in torch.randperm(300).split(20):
            logits = unet(images[rows])
            loss = F.binary_cross_entropy_with_logits(logits, masks[rows]) + dice(logits, masks[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        unet.eval()
        with torch.no_grad():
            print(f"epoch {epoch} loss {loss.item():.4f} dice score {1 - dice(unet(vi), vm).mean().item():.4f}")


main()
