"""Simulate one structure with ASE's integrators and any of its calculators."""

import json

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from leignn.config.simulation import Simulation
from leignn.errors import InputError
from leignn.md.bounds import reason_to_stop
from leignn.md.start import check_start


class AseEngine:
    """One structure in ASE's hands: an :class:`leignn.md.loop.Engine`.

    Args:
        atoms: starting structure with its calculator; changed in place. Velocities are drawn at the
            temperature of the settings. Fixed atoms stay at rest; temperatures are those of the rest.
        settings: the protocol.
        seed: of velocities and noise.

    Raises:
        InputError: a start that cannot be simulated, see :func:`leignn.md.start.check_start`.
    """

    def __init__(self, atoms: Atoms, settings: Simulation, seed: int) -> None:
        check_start(atoms, f"the start of seed {seed}")
        self.running, self.atoms, self._broken = [0], atoms, ""
        self.rng = np.random.default_rng(seed)
        MaxwellBoltzmannDistribution(atoms, temperature_K=settings.temperature, rng=self.rng)
        self.dynamics = _dynamics(atoms, settings, self.rng)

    def step(self) -> None:
        try:
            self.dynamics.step()
        except InputError as error:  # atoms have flown to where the potential is not defined
            self._broken = str(error)

    def frames(self) -> dict[int, Atoms]:
        self.atoms.get_forces()  # ASE writes into a file only what has been computed
        return {number: self.atoms for number in self.running}

    def stop_broken(self) -> dict[int, str]:
        reason = self._broken or reason_to_stop(self.atoms)
        if not reason:
            return {}
        self.running = []
        return {0: reason}

    def state(self) -> dict[str, np.ndarray]:
        thermostat = getattr(self.dynamics, "_thermostat", None)  # ASE offers no way to read or set it
        return {
            "positions": self.atoms.positions,
            "momenta": self.atoms.get_momenta(),
            "eta": thermostat._eta if thermostat else np.zeros(0),
            "p_eta": thermostat._p_eta if thermostat else np.zeros(0),
            "rng": np.array(json.dumps(self.rng.bit_generator.state)),
        }

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        self.atoms.set_positions(saved["positions"])
        self.atoms.set_momenta(saved["momenta"])
        self.rng.bit_generator.state = json.loads(str(saved["rng"]))
        if isinstance(self.dynamics, NoseHooverChainNVT):
            self.dynamics._q, self.dynamics._p = self.atoms.get_positions(), self.atoms.get_momenta()
            thermostat = self.dynamics._thermostat
            thermostat._eta, thermostat._p_eta = saved["eta"], saved["p_eta"]


def _dynamics(atoms: Atoms, settings: Simulation, rng: np.random.Generator) -> MolecularDynamics:
    timestep, temperature = settings.timestep * units.fs, settings.temperature
    if settings.thermostat == "langevin":
        friction = settings.friction / units.fs
        return Langevin(atoms, timestep, temperature_K=temperature, friction=friction, fixcm=False, rng=rng)
    return _NoseHoover(atoms, timestep, temperature, tdamp=settings.damping * timestep, tchain=1)


class _NoseHoover(NoseHooverChainNVT):
    """ASE's, with fixed atoms.

    ASE (3.29.0) integrates momenta of its own by forces without constraints, so that fixed atoms gather
    momentum, which the thermostat sees; and it counts 3 N degrees of freedom.
    """

    def __init__(self, atoms: Atoms, timestep: float, temperature: float, tdamp: float, tchain: int) -> None:
        super().__init__(atoms, timestep, temperature, tdamp, tchain=tchain)
        freedom, thermostat = atoms.get_number_of_degrees_of_freedom(), self._thermostat
        thermostat._num_atoms_global = freedom / 3
        thermostat._Q[0] = freedom * thermostat._kT * tdamp**2

    def _get_forces(self) -> np.ndarray:
        self._update_atoms()
        return self.atoms.get_forces()
