"""A trained potential: the file that ``train`` writes, and what everything else loads."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor, nn

from leignn.backend import accelerate
from leignn.backend.replay import Replay
from leignn.batch import Batch
from leignn.config.run import RunConfig
from leignn.errors import InputError, RunFailedError
from leignn.files import replacing
from leignn.graph import GraphSpec
from leignn.potential import EnergyPotential, Potential
from leignn.registry import build_potential

FORMAT = 2  # 1 knew neither its elements nor a checksum
CHECKSUM = "sha256"
UNKNOWN_NUMBERS = 256  # larger atomic numbers are no element's


class TrainedPotential(nn.Module):
    """A potential with what it was trained with, in the precision it was trained in.

    Args:
        potential: the model.
        config: the run's resolved configuration.
        energy_shift: eV, added to every predicted energy (the training mean, or zero).
        elements: atomic numbers in the training split; no others are predicted.
    """

    _known: Tensor  # (UNKNOWN_NUMBERS,) whether an atomic number is predicted

    def __init__(
        self, potential: Potential, config: RunConfig, energy_shift: float, elements: Iterable[int]
    ) -> None:
        super().__init__()
        self.potential, self.config, self.energy_shift = potential, config, energy_shift
        self.elements, self.dtype = sorted(elements), dtype_of(config)
        self._replay = Replay(potential)
        self._checked: Tensor | None = None  # the last atomic numbers that were looked at
        known = torch.zeros(UNKNOWN_NUMBERS, dtype=torch.bool)
        known[self.elements] = True
        self.register_buffer("_known", known, persistent=False)

    @property
    def graph(self) -> GraphSpec | None:
        return self.potential.graph

    @property
    def why_no_stress(self) -> str | None:
        """One sentence; None where there is a stress."""
        if isinstance(self.potential, EnergyPotential):
            return None
        return (
            f"{self.config.title} has no stress: its forces are not derivatives of its energy, and so no "
            "derivative with respect to strain belongs to them"
        )

    def forward(self, batch: Batch, stress: bool = False, again: bool = False) -> dict[str, Tensor]:
        """``energy`` (B,) float64 in eV, ``forces`` (N, 3) in eV/Å; ``stress`` (B, 3, 3) in eV/Å³ if wanted.

        Args:
            batch: positions and cells in :attr:`dtype`, see :func:`leignn.rounding.rounded`.
            stress: see :meth:`leignn.potential.EnergyPotential.with_stress`.
            again: whether these structures come many times, in the same tensor of atomic numbers: it is
                looked at once.

        Raises:
            InputError: an element that the model was not trained on; or there is no stress.
        """
        if not again or batch.atomic_numbers is not self._checked:  # in a simulation ever the same tensor
            self.check_elements(batch.atomic_numbers)
            self._checked = batch.atomic_numbers
        if not stress:
            output = self._replay(batch)
        elif isinstance(self.potential, EnergyPotential):
            output = self.potential.with_stress(batch)
        else:
            raise InputError(str(self.why_no_stress))
        return {**output, "energy": output["energy"].double() + self.energy_shift}

    def admit(self, elements: Iterable[int]) -> None:
        """Predict these atomic numbers too, although the model was not trained on them."""
        self._known[list(elements)] = True

    def check_elements(self, numbers: Tensor, name: Callable[[int], str] = "atom {}".format) -> None:
        """Refuse atomic ``numbers`` (N,) that the model was not trained on; ``name`` is that of an atom.

        Raises:
            InputError: naming atom and element, and what the model knows.
        """
        numbers = numbers.to(self._known.device)
        known = self._known[numbers.clamp(0, UNKNOWN_NUMBERS - 1)] & (numbers >= 0)
        known &= numbers < UNKNOWN_NUMBERS
        if not known.all():
            atom = int(known.logical_not().nonzero()[0])
            number = int(numbers[atom])
            element = chemical_symbols[number] if 0 < number < len(chemical_symbols) else "no element"
            trained = ", ".join(chemical_symbols[z] for z in self.elements)
            raise InputError(
                f"{name(atom)} is {element} (atomic number {number}), which the model was not trained on: "
                f"it knows {trained}"
            )

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        content = {
            "format": FORMAT,
            "config": self.config.plain(),
            "energy_shift": float(self.energy_shift),
            "elements": self.elements,
            "state_dict": self.potential.state_dict(),
        }
        _write(path, content)


def save_failure(path: Path, config: RunConfig, message: str) -> None:
    """In place of a checkpoint: why there is none."""
    _write(path, {"format": FORMAT, "config": config.plain(), "failure": message})


def _write(path: Path, content: dict[str, Any]) -> None:
    # By a buffer: given a path, torch.save puts its temporary name into the file, and a full disk is not
    # told as such.
    buffer = io.BytesIO()
    torch.save(content | {CHECKSUM: _checksum(content)}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _checksum(content: dict[str, Any]) -> str:
    """SHA-256 of a checkpoint's content: the numbers, however they are packed."""
    rest = {key: value for key, value in content.items() if key not in ("state_dict", CHECKSUM)}
    found = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for key, tensor in content.get("state_dict", {}).items():
        found.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, verified."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        number, checksum = content["format"], content.get(CHECKSUM)
        sound = number != FORMAT or checksum == _checksum(content)
    except Exception as error:  # PyTorch fails in many ways on what is none
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is no checkpoint of a trained potential: {reason}") from error
    if number != FORMAT:
        raise InputError(f"{path} has checkpoint format {number}, not {FORMAT}: train the run again")
    if not sound:
        raise InputError(f"{path} is damaged: its content does not have its checksum")
    return content


def dtype_of(config: RunConfig) -> torch.dtype:
    """Precision of a run's weights, positions and forces, in training and in all that follows.

    ``bf16-mixed`` is a way to train float32 weights: they are evaluated in float32.
    """
    return torch.float64 if config.training.precision == "64-true" else torch.float32


def potential_of(config: RunConfig) -> Potential:
    """The untrained potential of a run's configuration in its precision, accelerated: all commands build
    theirs here.
    """
    potential = build_potential(
        config.potential, GraphSpec(**config.graph.model_dump()), config.hyperparameters, config.environment
    )
    return accelerate(potential.to(dtype_of(config)))


def load_trained(path: Path, device: str | torch.device = "cpu") -> TrainedPotential:
    """Load a checkpoint for evaluation.

    Raises:
        InputError: the file is missing, damaged or not a checkpoint of this project, or there is no such
            device.
        RunFailedError: the run had failed, or a package is missing.
    """
    content = _read(path)
    if "failure" in content:
        raise RunFailedError(content["failure"])
    try:
        config = RunConfig.checked(content["config"], path)
        potential = potential_of(config)
        potential.load_state_dict(content["state_dict"])
        trained = TrainedPotential(potential, config, content["energy_shift"], content["elements"])
    except (RuntimeError, KeyError, TypeError) as error:  # of the code of another version
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is no checkpoint of a trained potential: {reason}") from error
    try:
        return trained.to(device).eval().requires_grad_(False)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {str(device)!r} cannot be used: {' '.join(str(error).split())}") from error
