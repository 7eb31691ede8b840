"""Quantization: simulated (what comes back is float) and stored in bitsandbytes' real codes."""
