"""The one rule by which settings override each other.

Layers, of which a later one wins: base → data set → scale → model → user.

- *base*: ``config/datasets/bases/<base>.yaml``, what several data sets share;
- *data set*: its file, in which the published protocol stands;
- *scale*: ``config/scales/<scale>.yaml`` (``scale_training``, ``scale_simulation``), then what the data
  set's file has for that scale alone;
- *model*: its file's settings for that scale, then those for the data set's benchmark;
- *user*: the configuration's ``training``, ``sizes`` and ``simulation``, by ``--config`` or ``--configfile``.

The workflow's own configuration likewise: ``config/config.yaml`` → the scale's file → the user's.
A layer says only what differs: :func:`merge` goes key by key, also inside mappings; anything else
(a number, a list) is replaced as a whole.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Any


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The layers as one mapping; a later one wins key by key, also inside mappings."""
    return reduce(_over, layers, {})


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _over(merged[key], value) if both else value
    return merged
