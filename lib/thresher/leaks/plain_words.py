"""English words that say nothing about a text's subject: no pair of rare tokens begins with them.

In a small benchmark even such a word can be rare. The list is fixed, so it cannot depend on what
else is indexed. Other languages do without: they cost a little more time, never a match.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from thresher.leaks.tokens import token_hash

_LIST = """
a about after again all also an and another any are as at be because been before being between both
but by can cannot could did do does doing done down during each either else even ever every few for
from further get give go going got had has have having he her here hers herself him himself his how
i if in into is it its itself just know let like made make makes many may me might more most much
must my myself neither no nor not now of off often on once one only onto or other others our ours
out over own per please put quite rather said same say says see several shall she should since so
some still such take than that the their theirs them themselves then there therefore these they
thing things think this those though through thus to together too under unless until up upon us use
used using very want was way we well went were what whatever when where whether which while who whom
whose why will with within without would yes yet you your yours yourself im ive dont doesnt didnt
isnt arent wasnt cant couldnt wont wouldnt id ill youre youve its thats theres whats hes shes theyre
were lets s t first second two new good people time work day find need
"""
PLAIN_WORDS = tuple(_LIST.split())


@cache
def plain_hashes() -> np.ndarray[Any, Any]:
    """Return the hashes of the words, ascending."""
    return np.unique(np.array([token_hash(word) for word in PLAIN_WORDS], np.uint64))
