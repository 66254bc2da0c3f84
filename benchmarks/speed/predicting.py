"""One contestant on answering for a folder of pictures: LeNet at 32 px, the files read and all answers written down.

    python benchmarks/speed/predicting.py gradatim|plain RUN FOLDER

RUN is a run of LeNet on such pictures. ``plain`` is torchvision's ImageFolder in a DataLoader of two workers with
batches of 256, and the same network in inference mode. Laps end when the answers are there; the first includes starting.
"""

import argparse
from pathlib import Path

from clock import Clock

BATCH, WORKERS = 256, 2


def gradatim(options):
    """Answer through the verb."""
    import gradatim

    return len(gradatim.predict(options.run, options.folder))


def plain(options):
    """Answer in a plain loop."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    import gradatim

    model = gradatim.load(options.run).module.eval()
    steps = [transforms.Resize(32), transforms.CenterCrop(32), transforms.ToTensor()]
    data = datasets.ImageFolder(options.folder, transforms.Compose(steps))
    answers = []
    with torch.inference_mode():
        for inputs, _ in DataLoader(data, BATCH, num_workers=WORKERS):
            answers.append(model(inputs).softmax(dim=1))
    return len(torch.cat(answers))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contestant", choices=["gradatim", "plain"])
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=2, help="times the folder is answered for")
    options = parser.parse_args()
    clock = Clock()
    for epoch in range(options.epochs):
        count = {"gradatim": gradatim, "plain": plain}[options.contestant](options)
        clock.lap(f"epoch {epoch + 1}", count)
    clock.tell(contestant=options.contestant)


if __name__ == "__main__":
    main()
