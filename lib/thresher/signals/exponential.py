"""The exponential function in plain float64 steps.

Mathematics libraries differ in the last bit from one machine to the next, and numpy's own depends
on the processor. Multiplications and additions do not, so a probability made with this one is the
same everywhere.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from thresher.text.kernel import inlined

_SMALLEST = -40.0  # exp(-40) is 4e-18: nothing beside 1
_PER_LN2 = 1.0 / math.log(2.0)
_LN2_HIGH = 6.93147180369123816490e-01  # 33 bits: its multiples by small numbers are exact
_LN2_LOW = 1.90821492927058770002e-10
_HALVES = np.array([2.0**-power for power in range(64)])
# Taylor: on [-0.35, 0.35] the first term left out is 2e-16.
_TERMS = tuple(1.0 / math.factorial(power) for power in range(12, -1, -1))


@inlined
def falling(x: Any) -> Any:
    """Return exp(x) of x <= 0; 0 below -40."""
    if x < _SMALLEST:
        return 0.0
    power = np.int64(0.5 - x * _PER_LN2)
    rest = (x + power * _LN2_HIGH) + power * _LN2_LOW
    value = _TERMS[0]
    for term in _TERMS[1:]:
        value = value * rest + term
    return value * _HALVES[power]


@inlined
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x))."""
    if x >= 0.0:
        return 1.0 / (1.0 + falling(-x))
    rising = falling(x)
    return rising / (1.0 + rising)
