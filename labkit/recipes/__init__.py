"""What a learner takes to work: programs that use nothing of labkit, to be copied and changed."""
