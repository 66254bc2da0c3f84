"""A Hugging Face Trainer on a small random BERT that tells rising from falling sequences."""

import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)


class Lines(Dataset):
    """Sixteen tokens each; the class says whether the second half is the larger one."""

    def __init__(self, size, seed):
        draw = torch.Generator().manual_seed(seed)
        self.tokens = torch.randint(5, 60, (size, 16), generator=draw)
        halves = self.tokens.float().reshape(size, 2, 8).mean(2)
        self.labels = (halves[:, 1] > halves[:, 0]).long()

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, index):
        return {
            "input_ids": self.tokens[index],
            "attention_mask": torch.ones(16, dtype=torch.long),
            "labels": self.labels[index],
        }


def accuracy(predictions):
    scores, labels = predictions
    return {"accuracy": float((scores.argmax(-1) == labels).mean())}


if __name__ == "__main__":
    set_seed(7)
    config = BertConfig(
        vocab_size=64, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=16,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=6, per_device_train_batch_size=32,
            learning_rate=1e-3, eval_strategy="epoch", save_strategy="no", report_to=[],
            disable_tqdm=True, logging_steps=50, use_cpu=True, seed=7,
        )  # fmt: skip
        trainer = Trainer(
            model=model, args=arguments, train_dataset=Lines(2000, 1),
            eval_dataset=Lines(500, 2), compute_metrics=accuracy,
        )  # fmt: skip
        trainer.train()
        print(round(trainer.evaluate()["eval_accuracy"], 4))
        print(sum(p.double().sum() for p in model.parameters()).item())
