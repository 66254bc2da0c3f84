"""Healthy controls: the twins of the faulty programs, again with another optimiser, and traps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cases import CASES, PROGRAMS, patched


@dataclass(frozen=True)
class Control:
    """One healthy program, perhaps with another optimiser."""

    id: str
    twin: str
    patch: tuple[tuple[str, str], ...] = ()
    programs: Path = PROGRAMS

    def source(self) -> str:
        return patched(self.twin, self.patch, self.programs)


# Healthy but odd: each says in its first line what is odd about it.
TRAPS = sorted(path.stem for path in PROGRAMS.glob("trap_*.py"))
TWINS = sorted({case.twin for case in CASES})

# The same programs with another optimiser, at a rate that suits it.
OTHERS = {
    "alexnet_fashion": ("optim.SGD(net.parameters(), lr=0.03, momentum=0.9)", "optim.Adam(net.parameters(), lr=2e-3)"),
    "char_lstm": ("torch.optim.Adam(parameters, lr=1e-2)", "torch.optim.RMSprop(parameters, lr=3e-3)"),
    "char_rnn": ("torch.optim.SGD(model.parameters(), lr=0.5)", "torch.optim.AdamW(model.parameters(), lr=5e-3)"),
    "cnn_shapes": ("torch.optim.Adam(model.parameters(), lr=3e-3)", "torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)"),
    "googlenet_fashion": ("torch.optim.Adam(model.parameters(), lr=4e-3)", "torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)"),
    "lenet_digits": ("torch.optim.Adam(model.parameters(), lr=3e-3)", "torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)"),
    "lenet_fashion": ("torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)", "torch.optim.Adam(net.parameters(), lr=2e-3)"),
    "linear_diabetes": ("torch.optim.SGD(model.parameters(), lr=0.1)", "torch.optim.Adam(model.parameters(), lr=0.05)"),
    "lstm_adding": ("torch.optim.Adam(net.parameters(), lr=0.01)", "torch.optim.AdamW(net.parameters(), lr=0.01)"),
    "lstm_digits": ("torch.optim.Adam(model.parameters(), lr=0.01)", "torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)"),
    "mlp_blobs": ("optim.SGD(model.parameters(), lr=0.1)", "optim.Adam(model.parameters(), lr=0.01)"),
    "mlp_cancer": ("torch.optim.Adam(model.parameters(), lr=5e-3)", "torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)"),
    "mlp_circles": ("torch.optim.Adam(model.parameters(), lr=0.01)", "torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)"),
    "mlp_deep_blobs": ("torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)", "torch.optim.Adam(model.parameters(), lr=1e-3)"),
    "mlp_deep_circles": ("torch.optim.SGD(model.parameters(), lr=0.02)", "torch.optim.Adam(model.parameters(), lr=2e-3)"),
    "mlp_diabetes": ("torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)", "torch.optim.Adam(model.parameters(), lr=0.01)"),
    "mlp_digits": ("torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)", "torch.optim.Adam(model.parameters(), lr=2e-3)"),
    "mlp_moons": ("torch.optim.SGD(net.parameters(), lr=0.5)", "torch.optim.Adam(net.parameters(), lr=0.01)"),
    "mlp_wine": ("torch.optim.SGD(model.parameters(), lr=0.1)", "torch.optim.Adam(model.parameters(), lr=0.01)"),
    "nin_fashion": ("torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)", "torch.optim.Adam(net.parameters(), lr=3e-3)"),
    "resnet_fashion": ("torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)", "torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)"),
    "resnet_plain": ("torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)", "torch.optim.Adam(net.parameters(), lr=1e-3)"),
    "rnn_adding": ("torch.optim.Adam(net.parameters(), lr=0.01)", "torch.optim.RMSprop(net.parameters(), lr=0.004)"),
    "tanh_digits": ("torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)", "torch.optim.Adam(model.parameters(), lr=1e-3)"),
    "vgg_fashion": ("torch.optim.Adam(model.parameters(), lr=2e-3)", "torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)"),
}  # fmt: skip

CONTROLS = [Control(f"H-{twin}", twin) for twin in TWINS]
CONTROLS += [Control(f"H2-{twin}", twin, (patch,)) for twin, patch in OTHERS.items()]
CONTROLS += [Control(f"HT-{trap}", trap) for trap in TRAPS]
