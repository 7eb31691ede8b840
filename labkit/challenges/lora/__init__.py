"""Lesson 09, LoRA: what is right, the mistakes known by name, the hints."""
