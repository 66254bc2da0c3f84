"""The words all rooms share. No torch."""
