"""What several challenges share.

Lesson 08, Fine-tuning: what is right, the mistakes known by name, the hints.

Expected values come from plain Python and float64 NumPy, and once for each challenge from the
production library: transformers' collator, transformers' loss, torch's AdamW.
"""

from __future__ import annotations

IGNORED = -100
