"""What lesson 12 measures with."""
