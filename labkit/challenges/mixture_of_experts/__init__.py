"""Lesson 15, mixture of experts: what is right, the mistakes known by name, the hints."""
