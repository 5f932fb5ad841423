"""The global phases without what is zero before the first layer, and what nothing reads after the last."""

from typing import Any

from torch import Tensor, nn

from leignn import model
from leignn.backend.products import chosen, linear


class GlobalScalar(model.GlobalScalar):
    """Eqs. (5) and (7)."""

    last = False  # whether this is the last layer

    def distribute(self, x: Tensor, s: Tensor, structure: Tensor) -> Tensor:
        first: Any = self.mlp_node[0]  # a product
        if not chosen(x, first.out_features):
            return super().distribute(x, s, structure)
        # What s_b adds in the first product is the same for all atoms of a structure.
        of_x, of_s = first.weight.split([x.shape[1], s.shape[1]], dim=1)
        of_structure = nn.functional.linear(s, of_s, first.bias)
        value = linear(x, of_x) + of_structure.index_select(0, structure)
        for part in list(self.mlp_node)[1:]:
            value = part(value)
        return x + value

    def aggregate(self, x: Tensor, s: Tensor, structure: Tensor, natoms: Tensor) -> Tensor:
        return s if self.last else super().aggregate(x, s, structure, natoms)


class GlobalVector(model.GlobalVector):
    """Eqs. (6) and (8)."""

    first = last = False  # whether this is the first layer, the last layer

    def distribute(self, v: Tensor, w: Tensor, structure: Tensor) -> Tensor:
        return v if self.first else super().distribute(v, w, structure)  # both are zero before the first

    def aggregate(self, v: Tensor, w: Tensor, structure: Tensor, natoms: Tensor) -> Tensor:
        return w if self.last else super().aggregate(v, w, structure, natoms)
