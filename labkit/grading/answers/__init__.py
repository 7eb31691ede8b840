"""A learner's function: what goes in and comes out, its time, its lines, and whether it is theirs."""
