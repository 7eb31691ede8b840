"""A learner's function: what may go in and come out, how long it may take, which line of theirs it
was, and whether it is theirs at all."""
