"""Runs that are compared: one model, the ladder, what each step bought."""
