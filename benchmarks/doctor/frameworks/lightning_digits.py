"""A Lightning program on scikit-learn's digits, for the benchmark of public frameworks."""

import logging
import tempfile

import lightning as L
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10))
        self.loss = nn.CrossEntropyLoss()

    def training_step(self, batch, index):
        x, y = batch
        loss = self.loss(self.net(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        scores = self.net(x)
        self.log("val_loss", self.loss(scores, y))
        self.log("val_accuracy", (scores.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


if __name__ == "__main__":
    L.seed_everything(7, verbose=False)
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x))
    train = TensorDataset(x[order[:1400]], y[order[:1400]])
    held_out = TensorDataset(x[order[1400:]], y[order[1400:]])
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_epochs=12, accelerator="cpu", logger=False, default_root_dir=folder,
            enable_progress_bar=False, enable_model_summary=False, gradient_clip_val=1.0,
        )  # fmt: skip
        model = Classifier()
        trainer.fit(
            model, DataLoader(train, batch_size=64, shuffle=True), DataLoader(held_out, 128)
        )
        print({key: round(value.item(), 6) for key, value in trainer.callback_metrics.items()})
        print(sum(p.double().sum() for p in model.parameters()).item())
