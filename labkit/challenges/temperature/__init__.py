"""Lesson 05: a softmax with temperature, the filters top-p and min-p, and a sampler with all."""
