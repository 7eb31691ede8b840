"""What lessons measure with: one module per topic."""
