"""One change to a script while it runs, to see what it was that ailed it.

``TREATMENTS`` lists them. Each row names a function that is called in the child process right
after PyTorch is imported; from then on the script runs with that one thing changed. The script
itself, and the run that was diagnosed, are not touched.
"""

from __future__ import annotations

TREATMENTS = {
    "learning-rate-tenth": "gradatim.treatments.learning_rate:tenth",
    "inputs-standardised": "gradatim.treatments.inputs:standardise",
    "usual-optimiser-settings": "gradatim.treatments.optimiser_settings:usual",
    "no-weight-decay": "gradatim.treatments.weight_decay:remove",
    "no-dropout": "gradatim.treatments.dropout:remove",
    "nothing-frozen": "gradatim.treatments.freezing:undo",
    "cross-entropy": "gradatim.treatments.cross_entropy:train_by",
    "clipping": "gradatim.treatments.clipping:usual",
    "larger-batch": "gradatim.treatments.larger_batch:eightfold",
    "learning-rate-tenfold": "gradatim.treatments.learning_rate:tenfold",
    "one-batch": "gradatim.treatments.one_batch:repeat",
    "labels-shuffled": "gradatim.treatments.labels:shuffle",
    "another-seed": "gradatim.treatments.seeds:another",
}
"""Every treatment by name; wanted ones are tried in this order, the likeliest to tell first."""

__all__ = ["TREATMENTS"]
