"""Lesson 03, Token optimization: what is right, the mistakes known by name, the hints."""
