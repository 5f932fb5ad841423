"""From the name in a model's configuration to a potential."""

from typing import Any

from leignn.errors import InputError, RunFailedError
from leignn.graph import GraphSpec
from leignn.imports import imported
from leignn.potential import Potential

PACKAGES = ("leignn", "baselines")  # a configuration or checkpoint may name code of ours only


def build_potential(
    name: str, graph: GraphSpec, hyperparameters: dict[str, Any], environment: str
) -> Potential:
    """Build the potential ``module:Class`` with random weights.

    Args:
        name: ``module:Class``.
        graph: edges that the model wants.
        hyperparameters: keyword arguments of the class.
        environment: the conda file workflow/envs/<environment>.yaml has the model's packages.

    Raises:
        InputError: no such class, or hyperparameters that it does not know or cannot be built with.
        RunFailedError: a package that the model needs is missing.
    """
    module_name, _, class_name = name.partition(":")
    if module_name.split(".")[0] not in PACKAGES:
        raise InputError(f"potential {name!r} is not in {' or '.join(PACKAGES)}")
    try:
        potential = getattr(imported(module_name), class_name)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] not in PACKAGES:
            raise RunFailedError(
                f"{name} needs the package {error.name.split('.')[0]!r}: pip install 'leignn[baselines]', "
                f"or as workflow/envs/{environment}.yaml says (--use-conda)"
            ) from error
        raise InputError(f"unknown potential {name!r}: no module {module_name}") from error
    except AttributeError as error:
        raise InputError(f"unknown potential {name!r}: {module_name} has no {class_name!r}") from error
    try:
        return potential(graph, **hyperparameters)
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError) as error:
        raise InputError(f"hyperparameters of {name}: {hyperparameters}: {error}") from error
