"""Lesson 08, Fine-tuning: a batch, its loss and a step with it; and how much was forgotten."""
