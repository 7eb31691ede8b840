"""Lesson 15, mixture of experts: the router, its balance, the experts' layer, and its weights."""
