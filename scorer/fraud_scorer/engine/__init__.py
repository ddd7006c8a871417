"""The inference engine: compiled models (`.fdm`, see docs/fdm.md) and what can be asked of them.

Neither numpy nor scikit-learn is imported here: a serving pod loads a flat file in milliseconds
and scores it in microseconds, with the same bits for any batch, process and CPU. What holds against
scikit-learn is stated in docs/exactness.md. Models are made by `fraud_scorer.compile`.
"""

from fraud_scorer.engine._walk import FORMAT_VERSION
from fraud_scorer.engine.errors import FormatError, RowError
from fraud_scorer.engine.header import Exactness, Header, Input
from fraud_scorer.engine.model import Model, Reason, load

__all__ = [
    "FORMAT_VERSION",
    "Exactness",
    "FormatError",
    "Header",
    "Input",
    "Model",
    "Reason",
    "RowError",
    "load",
]
