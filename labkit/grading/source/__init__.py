"""Code as text: which part of it a function needs, and right answers with one thing changed."""
