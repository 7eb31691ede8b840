"""What lesson 15 measures with."""
