"""Lesson 14: a distillation loss, the frontier of quality and time, and what fits in a memory."""
