"""Simulations of a data set: how it is simulated, and what is computed from it (its key ``md``)."""

from typing import Annotated, Any, Literal, Self

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from leignn.config.base import SomeOf, Strict

Thermostat = Literal["nose-hoover", "langevin"]
Distribution = Literal["rdf", "pair_distances", "bonds"]


class Simulation(Strict):
    """The protocol of one simulation, the arguments of `python -m leignn simulate`."""

    thermostat: Thermostat
    """`nose-hoover` or `langevin`"""
    temperature: PositiveFloat
    """K"""
    timestep: PositiveFloat
    """fs"""
    steps: PositiveInt
    """time steps; a multiple of `every`"""
    every: PositiveInt
    """steps between frames"""
    damping: PositiveFloat = 20.0
    """of Nosé–Hoover, in time steps: Q = 3 N kT (damping · timestep)², of N free atoms"""
    friction: PositiveFloat = 0.01
    """of Langevin, 1/fs"""

    max_hours: PositiveFloat | None = None
    """hours, over all sessions, after which it stops at a frame; with more of them it goes on from there"""

    @model_validator(mode="after")
    def _whole_frames(self) -> Self:
        if self.steps % self.every:
            raise ValueError(f"steps: {self.steps} is no multiple of every: {self.every}")
        return self


SomeSimulation = Annotated[dict[str, Any], SomeOf(Simulation)]


class Diffusion(Strict):
    """How a diffusivity is read off a trajectory; times in ps (MDSim: 5, 0.05, 35, 40)."""

    element: str
    """whose atoms diffuse"""
    skip: NonNegativeFloat
    """ps dropped at the start"""
    spacing: PositiveFloat
    """ps between the frames that count"""
    lag: PositiveFloat
    """ps at which the diffusivity is read"""
    stable: NonNegativeFloat
    """shortest stable time in ps for which it is"""


class Reference(Strict):
    """The reference trajectory."""

    part: str
    """of the data set that holds it"""
    frame_time: PositiveFloat | None
    """fs between its frames, or `null` if they are in no order"""


class Analysis(Strict):
    """What is computed from simulations, and what they are compared with."""

    reference: Reference
    """the reference trajectory"""
    distribution: Distribution
    """what decides on stability: `rdf`, g(r); `pair_distances`, h(r), for a molecule; `bonds`, their lengths,
    for a gas of molecules"""
    images: Literal["nearest", "all"] = "nearest"
    """periodic images that g(r) counts: `nearest`, as MDSim, zero beyond half a small cell, or `all`"""
    window: PositiveFloat
    """ps, of the stability"""
    diffusion: Diffusion | None = None
    """none if nothing diffuses"""


class Dynamics(Analysis):
    """How to simulate a data set, and what to compare with."""

    simulation: Simulation
    """the protocol"""
