"""The compiler: from fitted scikit-learn objects to a flat model (`.fdm`, docs/fdm.md).

Runs where scikit-learn is, never in a serving pod. One module under `families/` knows one family of
estimators or transformers and registers what it can compile; whatever no module registered is
refused by the name of its step. Adding one is adding a module there and a row in its test.
"""

from fraud_scorer.compile.compiler import FeatureSpec, compile_model
from fraud_scorer.compile.refusal import NoReasons, Refused, WantsCategory

__all__ = ["FeatureSpec", "NoReasons", "Refused", "WantsCategory", "compile_model"]
