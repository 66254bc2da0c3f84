"""The parts of a run's report, one file each: run folder -> blocks."""
