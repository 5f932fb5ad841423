"""Adsorbates on slabs of EMT metals: structures, relaxations, frames labelled with EMT.

Effective medium theory (Jacobsen, Stoltze, Nørskov, Surf. Sci. 366, 394 (1996); ASE's EMT) is a
smooth many-body potential for Al, Cu, Ag, Au, Ni, Pd and Pt; its C, N, O and H are illustrative.
Its energies stand for no experiment: they are there to be learnt.
"""

from functools import cache
from itertools import combinations

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule, surface
from ase.calculators import emt
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.data import atomic_numbers, reference_states
from ase.formula import Formula
from ase.optimize import FIRE, LBFGS
from scipy.optimize import minimize_scalar

from leignn.data.emt import EMT, EMTCalculator
from leignn.data.images import ImagesInAnyCell

METALS = ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt")

# Name in ASE's G2 set -> the element that binds to the surface.
ADSORBATES = {
    "H": "H",
    "C": "C",
    "N": "N",
    "O": "O",
    "CO": "C",
    "NO": "N",
    "OH": "O",
    "CH": "C",
    "NH": "N",
    "CH3": "C",
    "NH2": "N",
    "NH3": "N",
    "H2O": "O",
}

# Facet -> (layers of the cubic cell, repeats along the surface): 12 to 32 atoms in 3 to 6 planes, nearest
# images of the adsorbate 5 to 10 Å apart. Thin, 4 to 5 Å: a training pays for fixed atoms, at 6 to 7 Å
# two of three, and learns no forces from them. Whole layers have the crystal's composition, which the
# splits go by.
FACETS = {
    (1, 1, 1): [(3, (2, 1))],
    (1, 0, 0): [(2, (2, 2))],
    (1, 1, 0): [(2, (1, 2)), (2, (2, 2))],
    (2, 1, 1): [(3, (1, 1)), (3, (2, 1))],
}
VACUUM = 8.0  # Å on either side
# Nearest-neighbour distances below the top end the planes that vacuum touches, also on the open (110) and the
# stepped (211) facet; and those that move, two or, on (211), four.
EXPOSED, MOVING = 0.6, 0.9
RELAXATION_STEPS = 40
RELAXED_FORCE = 0.05  # eV/Å, where a sampled relaxation ends
CONVERGED_FORCE = 0.01  # eV/Å, of what enters the reference energy
RATTLE = (0.03, 0.12)  # Å
MAX_FORCE = 15.0  # eV/Å on a free atom
MAX_ENERGY = 8.0  # eV, either sign
ADSORBED = 2.8  # Å from the nearest atom of the slab
SUNK = 0.5  # Å below the lowest atom of the surface
ATTEMPTS = 50


def compositions() -> list[tuple[str, ...]]:
    """The elements on the four sites of the cubic cell: A, A3B and AB3 (L1_2), AB (L1_0)."""
    pairs = list(combinations(METALS, 2))
    pure: list[tuple[str, ...]] = [(metal,) * 4 for metal in METALS]
    return pure + [sites for a, b in pairs for sites in ((a, a, a, b), (a, a, b, b), (a, b, b, b))]


def formula(sites: tuple[str, ...]) -> str:
    """The composition of a slab with these sites, reduced and in Hill's order: "AuCu3"."""
    return Formula.from_list(list(sites)).reduce()[0].format("hill")


@cache
def lattice_constant(sites: tuple[str, ...]) -> float:
    """Edge in Å of the cubic cell with these four sites at its EMT minimum."""
    edges = [reference_states[atomic_numbers[site]]["a"] for site in sites]

    def energy(edge: float) -> float:
        atoms = bulk(sites[0], "fcc", a=edge, cubic=True)
        atoms.symbols[:] = sites
        atoms.calc = EMTCalculator(atoms)
        return atoms.get_potential_energy()

    bounds = 0.92 * min(edges), 1.05 * max(edges)
    return float(minimize_scalar(energy, bounds=bounds, method="bounded").x)


@cache
def gas_references() -> dict[str, float]:
    """Energy in eV of H, C, N and O in relaxed H2, H2O, CO and N2, as in Open Catalyst."""
    energies = {}
    for name in ("H2", "H2O", "CO", "N2"):
        atoms = molecule(name)
        atoms.calc = emt.EMT()  # ASE's: a molecule is not periodic
        FIRE(atoms, logfile=None).run(fmax=CONVERGED_FORCE, steps=500)
        energies[name] = atoms.get_potential_energy()
    hydrogen = energies["H2"] / 2
    oxygen = energies["H2O"] - energies["H2"]
    return {"H": hydrogen, "C": energies["CO"] - oxygen, "N": energies["N2"] / 2, "O": oxygen}


def sample_slab(sites: tuple[str, ...], rng: np.random.Generator) -> Atoms:
    """A slab with the atoms of a perfect crystal, random facet and size.

    Tags are 1 for the atoms that move and 0 below them; as in Open Catalyst, these are fixed. Of its thicker
    slabs the surface alone moves. The array ``exposed`` is true in the planes that vacuum touches.
    """
    facet = list(FACETS)[rng.integers(len(FACETS))]
    layers, repeats = FACETS[facet][rng.integers(len(FACETS[facet]))]
    edge = lattice_constant(sites)
    crystal = bulk(sites[0], "fcc", a=edge, cubic=True)
    crystal.symbols[:] = sites
    slab = surface(crystal, facet, layers, vacuum=VACUUM).repeat((*repeats, 1))
    slab.pbc = True
    depth = (slab.positions[:, 2].max() - slab.positions[:, 2]) / (edge / np.sqrt(2))
    slab.set_array("exposed", depth < EXPOSED)
    slab.set_tags(depth < MOVING)
    slab.set_constraint(FixAtoms(mask=slab.get_tags() == 0))
    return slab


def place(adsorbate: str, slab: Atoms, rng: np.random.Generator) -> Atoms:
    """``slab`` with the adsorbate (tag 2) in contact with it at a random place and tilt."""
    atoms = Atoms(adsorbate) if len(adsorbate) == 1 else molecule(adsorbate)
    binding = list(atoms.symbols).index(ADSORBATES[adsorbate])
    atoms.positions -= atoms.positions[binding]
    axis = atoms.positions.mean(axis=0)
    if np.linalg.norm(axis) > 1e-6:
        atoms.rotate(axis, "z")
        atoms.rotate(rng.uniform(0, 40), "x")
    atoms.rotate(rng.uniform(0, 360), "z")

    site = rng.random(2) @ slab.cell.array[:2, :2]
    contact = rng.uniform(1.8, 2.4)
    images = slab.repeat((3, 3, 1))
    images.positions -= slab.cell[0] + slab.cell[1]
    lateral = np.linalg.norm(images.positions[:, :2] - site, axis=1)
    under = lateral < contact
    if under.any():
        height = (images.positions[under, 2] + np.sqrt(contact**2 - lateral[under] ** 2)).max()
    else:
        height = slab.positions[:, 2].max()
    atoms.translate((*site, height))
    atoms.set_tags(2)
    return slab + atoms


def sample_frames(
    sites: tuple[str, ...], adsorbate: str, count: int, rng: np.random.Generator
) -> tuple[list[Atoms], float]:
    """Frames of one adsorbate on one slab: along its relaxation, and rattled.

    Args:
        sites: elements on the four sites of the slab's crystal.
        adsorbate: a key of :data:`ADSORBATES`.
        count: number of frames.
        rng: the only source of chance.

    Returns:
        The frames, with EMT's total energy (eV) and unconstrained forces (eV/Å), and the reference
        energy (eV): relaxed clean slab plus gas references. Their difference is the adsorption
        energy of the frame.
    """
    for _ in range(ATTEMPTS):
        slab = sample_slab(sites, rng)
        clean = slab.copy()
        clean.calc = EMTCalculator(clean)
        LBFGS(clean, logfile=None).run(fmax=CONVERGED_FORCE, steps=300)
        gas = gas_references()
        atoms = place(adsorbate, slab, rng)
        reference = clean.get_potential_energy()
        reference += sum(gas[symbol] for symbol in atoms.symbols[len(slab) :])

        relaxation = _relaxation(atoms)
        positions = _chosen(relaxation, count - count // 3)
        while len(positions) < count:
            start = relaxation[rng.integers(len(relaxation))]
            positions.append(_rattled(atoms, start, rng))
        frames = _labelled(atoms, np.stack(positions))
        if all(_is_physical(frame, reference) for frame in frames):
            return frames, float(reference)
    raise RuntimeError(f"no physical frames of {adsorbate} on {formula(sites)}")


def _relaxation(atoms: Atoms) -> list[np.ndarray]:
    """Positions (n, 3) in Å at every step of a relaxation."""
    positions = []
    moving = atoms.copy()
    moving.calc = EMTCalculator(moving)
    optimizer = FIRE(moving, logfile=None)
    optimizer.attach(lambda: positions.append(moving.get_positions()))
    optimizer.run(fmax=RELAXED_FORCE, steps=RELAXATION_STEPS)
    return positions


def _chosen(positions: list[np.ndarray], count: int) -> list[np.ndarray]:
    """``count`` frames of a relaxation, denser where it starts, its first and last among them."""
    steps = np.round((len(positions) - 1) * np.linspace(0, 1, count) ** 2).astype(int)
    return [positions[step] for step in sorted(set(steps.tolist()))]


def _rattled(atoms: Atoms, positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``positions`` with the free atoms displaced at random."""
    spread = rng.uniform(*RATTLE) * rng.standard_normal(positions.shape)
    spread[atoms.constraints[0].index] = 0
    return positions + spread


def _labelled(atoms: Atoms, positions: np.ndarray) -> list[Atoms]:
    """Copies of ``atoms`` at ``positions`` (R, n, 3) Å with EMT's energy and unconstrained forces."""
    positions = positions.round(8)  # labels belong to the positions as the file will hold them
    frames = []
    for position, energy, forces in zip(positions, *EMT(atoms, ImagesInAnyCell)(positions), strict=True):
        frame = atoms.copy()
        frame.positions = position
        frame.calc = SinglePointCalculator(frame, energy=energy, free_energy=energy, forces=forces)
        frames.append(frame)
    return frames


def _is_physical(frame: Atoms, reference: float) -> bool:
    """Whether forces and adsorption energy are sane and the adsorbate is on the surface."""
    forces = np.linalg.norm(frame.get_forces(), axis=1)
    energy = frame.get_potential_energy() - reference
    adsorbate = frame.get_tags() == 2
    from_slab = frame.get_all_distances(mic=True)[np.ix_(adsorbate, ~adsorbate)]
    surface_height = frame.positions[frame.get_array("exposed"), 2].min()
    return bool(
        forces.max() < MAX_FORCE
        and abs(energy) < MAX_ENERGY
        and from_slab.min() < ADSORBED
        and frame.positions[adsorbate, 2].min() > surface_height - SUNK
    )
