"""Lesson 14, small models: what is right, the mistakes known by name, the hints."""
