"""Lesson 03: merges are learned, records become a table and come back, and a request is paid."""
