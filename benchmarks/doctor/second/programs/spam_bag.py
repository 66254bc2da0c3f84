# bag-of-embeddings text classifier, generated sentences
import random
import sys
import torch
from torch import nn
from torch.utils.data import DataLoader

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
torch.manual_seed(seed)
rnd = random.Random(12)
common = [f"w{i}" for i in range(80)]
topic = [[f"t{k}_{i}" for i in range(25)] for k in range(3)]
vocab = {w: i for i, w in enumerate(common + sum(topic, []))}


def sentence():
    k = rnd.randrange(3)
    words = [rnd.choice(topic[k]) if rnd.random() < 0.3 else rnd.choice(common) for _ in range(rnd.randint(6, 14))]
    return k, [vocab[w] for w in words]


train_data = [sentence() for _ in range(1500)]
test_data = [sentence() for _ in range(300)]


def collate(batch):
    labels = torch.tensor([k for k, _ in batch])
    text = torch.tensor([i for _, ids in batch for i in ids])
    offsets = torch.tensor([0] + [len(ids) for _, ids in batch[:-1]]).cumsum(0)
    return labels, text, offsets


class TextModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.EmbeddingBag(len(vocab), 16, mode="mean")
        self.fc = nn.Linear(16, 3)

    def forward(self, text, offsets):
        return self.fc(self.embedding(text, offsets))


model = TextModel()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
train_loader = DataLoader(train_data, 30, shuffle=True, collate_fn=collate)
test_loader = DataLoader(test_data, 100, collate_fn=collate)
for epoch in range(6):
    model.train()
    for labels, text, offsets in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(text, offsets), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
    model.eval()
    with torch.no_grad():
        good = sum((model(t, o).argmax(1) == l).sum().item() for l, t, o in test_loader)
    print("| epoch {:2d} | loss {:.3f} | accuracy {:.3f}".format(epoch, loss.item(), good / 300))
