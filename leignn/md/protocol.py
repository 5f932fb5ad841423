"""What a data set's YAML says about simulations (its key ``md``), and what overrides it."""

from dataclasses import dataclass
from typing import Any, Literal

from leignn.errors import InputError

Distribution = Literal["rdf", "pair_distances"]


@dataclass(frozen=True)
class Diffusion:
    """How a diffusivity is read off a trajectory; times in ps (MDSim: 5, 0.05, 35, 40)."""

    element: str
    skip: float  # dropped at the start
    spacing: float  # between the frames that count
    lag: float  # at which it is read
    stable: float  # shortest stable time for which it is


@dataclass(frozen=True)
class Analysis:
    """What is computed from the simulations of a data set.

    Attributes:
        part: of the data set, with the reference trajectory.
        frame_time: fs between the reference's frames; None if they are in no order.
        distribution: what decides on stability, g(r) or h(r).
        window: ps, of the stability.
        diffusion: None if nothing diffuses.
    """

    part: str
    frame_time: float | None
    distribution: Distribution
    window: float
    diffusion: Diffusion | None


def analysis_of(dataset: dict[str, Any]) -> Analysis:
    """The analysis that ``dataset`` (a validated YAML) asks for.

    Raises:
        InputError: the data set is not one for simulations, or names a part it has not.
    """
    md = _md_of(dataset)
    if md["reference"]["part"] not in dataset["parts"]:
        raise InputError(
            f"{dataset['name']}: md.reference.part: there is no part {md['reference']['part']!r}"
        )
    return Analysis(
        part=md["reference"]["part"],
        frame_time=md["reference"]["frame_time"],
        distribution=md["distribution"],
        window=md["window"],
        diffusion=Diffusion(**md["diffusion"]) if "diffusion" in md else None,
    )


def simulation_of(
    dataset: dict[str, Any], model: dict[str, Any], scale: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Arguments of ``simulate``: the data set's, then the scale's, then the model's own for it.

    Args:
        dataset, model: validated YAML files.
        scale: names the block of the model's settings.
        settings: the configuration's ``simulation``.
    """
    own = model.get("benchmarks", {}).get(dataset.get("benchmark"), {}).get("simulation", {})
    return {**_md_of(dataset)["simulation"], **settings, **own.get(scale, {})}


def _md_of(dataset: dict[str, Any]) -> dict[str, Any]:
    if "md" not in dataset:
        raise InputError(f"data set {dataset['name']!r} has no key 'md': it says nothing about simulations")
    return dataset["md"]


def as_arguments(values: dict[str, Any]) -> str:
    """``{"steps": 100}`` as ``--steps 100``."""
    return " ".join(f"--{key} {value}" for key, value in values.items())
