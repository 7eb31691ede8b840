"""Lesson 09, LoRA: an adapter is started, used, counted and merged, as peft does it."""
