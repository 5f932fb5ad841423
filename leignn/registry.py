"""From the name in a model's configuration to a potential."""

import importlib
from typing import Any

from leignn.errors import InputError
from leignn.graph import GraphSpec
from leignn.potential import Potential

PACKAGES = ("leignn", "baselines")  # a configuration or checkpoint may name code of ours only


def build_potential(name: str, graph: GraphSpec, hyperparameters: dict[str, Any]) -> Potential:
    """Build the potential ``module:Class`` with random weights.

    Raises:
        InputError: no such class, a missing package, or unknown hyperparameters.
    """
    module_name, _, class_name = name.partition(":")
    if module_name.split(".")[0] not in PACKAGES:
        raise InputError(f"potential {name!r} is not in {' or '.join(PACKAGES)}")
    try:
        potential = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] not in PACKAGES:
            raise InputError(f"potential {name!r} needs the package {error.name!r}") from error
        raise InputError(f"unknown potential {name!r}: no module {module_name}") from error
    except AttributeError as error:
        raise InputError(f"unknown potential {name!r}: {module_name} has no {class_name!r}") from error
    try:
        return potential(graph, **hyperparameters)
    except TypeError as error:
        raise InputError(f"hyperparameters of {name}: {error}") from error
