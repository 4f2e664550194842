"""How good a result is: features, comparison with controls, take checks, the report."""

from milonga.analysis.comparison import (
    Comparison,
    Reference,
    compare,
    compare_clips,
    measure_baseline,
)
from milonga.analysis.differences import Differences, differences
from milonga.analysis.features import Features, features

__all__ = [
    "Comparison",
    "Differences",
    "Features",
    "Reference",
    "compare",
    "compare_clips",
    "differences",
    "features",
    "measure_baseline",
]
