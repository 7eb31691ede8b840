"""Code as text: which part of it a function needs, and what becomes of a right answer when one thing
in it is changed."""
