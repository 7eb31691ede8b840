"""Lesson 12, quantization: codes with a scale, with a zero point, as NF4; bits for each layer."""
