"""How is simulated and what is computed from it: the key ``md`` of a data set, and what overrides it."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from leignn.errors import InputError

Distribution = Literal["rdf", "pair_distances"]
Thermostat = Literal["nose-hoover", "langevin"]


@dataclass(frozen=True)
class Simulation:
    """The protocol of a simulation at constant temperature; spec: MDSim (Fu et al. 2023)."""

    thermostat: Thermostat
    temperature: float  # K
    timestep: float  # fs
    steps: int
    every: int  # steps between frames
    damping: float = 20.0  # Nosé–Hoover: Q = 3 N kT (damping · timestep)²
    friction: float = 0.01  # Langevin, 1/fs

    def __post_init__(self) -> None:
        if self.thermostat not in get_args(Thermostat):
            raise InputError(f"unknown thermostat {self.thermostat!r}")
        for name in ("temperature", "timestep", "steps", "every", "damping", "friction"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name.replace('_', '-')}: {getattr(self, name)} is not positive")
        if self.steps % self.every:
            raise InputError(f"steps: {self.steps} is no multiple of every: {self.every}")


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
