"""Lesson 00, Start here: three small functions, so that every outcome of a check is met once."""
