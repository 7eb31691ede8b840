"""How a check reaches a learner's function: here, or in a process that holds nothing else."""
