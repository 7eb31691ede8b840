"""Lesson 05, Temperature and sampling: what is right, the mistakes known by name, the hints."""
