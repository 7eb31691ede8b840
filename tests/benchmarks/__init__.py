"""Measurements of the course's budgets: they report, they never fail. See README.md."""
