"""What a lesson shows that can be touched: cards and explorers, each a class and its JavaScript.

Everything is anywidget with plain files: no build step, nothing fetched from anywhere.
"""

from __future__ import annotations

from labkit.widgets.base import Card
from labkit.widgets.context_explorer import ContextExplorer
from labkit.widgets.loss_curve import LossCurve
from labkit.widgets.quantization_explorer import QuantizationExplorer
from labkit.widgets.quiz import QuizCard
from labkit.widgets.routing_explorer import RoutingExplorer
from labkit.widgets.sampling_explorer import Example, SamplingExplorer
from labkit.widgets.token_explorer import TokenExplorer

__all__ = [
    "Card",
    "ContextExplorer",
    "Example",
    "LossCurve",
    "QuantizationExplorer",
    "QuizCard",
    "RoutingExplorer",
    "SamplingExplorer",
    "TokenExplorer",
]
