"""Lesson 02: a chat cut to a budget, the bytes of a KV cache, passages packed by relevance."""
