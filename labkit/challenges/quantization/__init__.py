"""Lesson 12, Quantization: what is right, the mistakes known by name, the hints."""
