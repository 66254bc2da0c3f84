"""One change to a script while it runs, to see what it was that ailed it.

``TREATMENTS`` lists them. Each row names a function that is called in the child process right
after PyTorch is imported; from then on the script runs with that one thing changed. The script
itself, and the run that was diagnosed, are not touched.
"""

from __future__ import annotations

TREATMENTS = {
    "inputs-standardised": "gradatim.treatments.inputs:standardise",
    "labels-shuffled": "gradatim.treatments.labels:shuffle",
    "learning-rate-tenfold": "gradatim.treatments.learning_rate:tenfold",
    "learning-rate-tenth": "gradatim.treatments.learning_rate:tenth",
    "no-dropout": "gradatim.treatments.dropout:remove",
    "no-weight-decay": "gradatim.treatments.weight_decay:remove",
    "nothing-frozen": "gradatim.treatments.freezing:undo",
    "one-batch": "gradatim.treatments.one_batch:repeat",
    "usual-optimiser-settings": "gradatim.treatments.optimiser_settings:usual",
}
"""Every treatment by name."""

__all__ = ["TREATMENTS"]
