"""The challenges of a course of one lesson, for measuring."""
