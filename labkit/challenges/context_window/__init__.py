"""Lesson 02, The context window: what is right, the mistakes known by name, the hints."""
