"""Lesson 08, Fine-tuning: what is right, the mistakes known by name, the hints."""
