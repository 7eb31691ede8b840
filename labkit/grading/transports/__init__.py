"""How a check reaches a learner's function: here, or in a process that holds it and nothing else."""
