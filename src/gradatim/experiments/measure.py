"""What a model gets right: the numbers of a rung and of the one measurement on the test part."""

from __future__ import annotations

WORST = 24  # most wrong samples kept with their pictures
GRID = 80  # points along each axis of a decision boundary
