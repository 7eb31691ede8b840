"""A learner's function: its arguments and result, its time, its lines, and whose it is."""
