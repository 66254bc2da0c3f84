import sys, torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
imgs = torch.tensor(load_digits().data / 16.0).float()
imgs = imgs[torch.randperm(len(imgs), generator=torch.Generator().manual_seed(0))]
train, test = imgs[:1500], imgs[1500:]

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(64, 40)
        self.l2 = nn.Linear(40, 12)
    def forward(self, x):
        return self.l2(torch.relu(self.l1(x)))

class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(12, 40)
        self.l2 = nn.Linear(40, 64)
    def forward(self, z):
        return self.l2(torch.relu(self.l1(z)))

enc, dec = Encoder(), Decoder()
params = list(enc.parameters()) + list(dec.parameters())
optim = torch.optim.AdamW(params, lr=3e-3, weight_decay=1e-4)
mse = nn.MSELoss()
for epoch in range(20):
    for batch in train[torch.randperm(len(train))].split(50):
        recon = dec(enc(batch))
        loss = mse(recon, batch)
        optim.zero_grad()
        loss.backward()
        optim.step()
    with torch.no_grad():
        tl = mse(dec(enc(test)), test)
    print('epoch %d reconstruction train %.5f test %.5f' % (epoch, loss.item(), tl.item()))
