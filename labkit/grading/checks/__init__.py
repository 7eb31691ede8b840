"""What is right about a challenge, and the verdict on one answer to it."""
