"""Minimal filtering: a short convolution by fewer multiplications.

``m`` outputs of a filter with ``r`` taps need ``m r`` products directly. Taken as a product of
polynomials that is evaluated at ``n = m + r - 1`` points, multiplied point by point and read back,
they need about one product a point (Toom and Cook; Winograd). With vectors of channels in place
of numbers, each product is a matrix product, and that is where the time goes.

In floating point the choice of points decides. Points far from the unit circle lose digits with
their high powers, and roots of unity (then this is the FFT) lose none but are complex, and a
complex product takes three real ones. The sets here hold 0, infinity, plus and minus 1, 2, 1/2 and
a few roots of unity: errors within three times those of direct summation, and within a sixth of the
fewest possible products.

With the transposed form (Winograd), ``y = A ((G g) * (B d))``: ``d`` are ``n`` inputs, ``g`` the
taps, ``y[j] = sum_k g[k] d[j + k]``.

References:
    Winograd, "Arithmetic Complexity of Computations", SIAM, 1980.
    Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
    Barabasz, Anderson, Soodhalter, Gregg, "Error Analysis and Improving the Accuracy of Winograd
    Convolution for Deep Neural Networks", ACM TOMS 46 (2020).
"""

from __future__ import annotations

import cmath
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """A symmetric set of points, 0 and infinity always among them.

    Args:
        real: each ``a`` stands for ``a`` and ``-a``.
        imaginary: each ``b`` stands for ``ib`` and ``-ib``.
        complex: each ``c``, off both axes, stands for ``c``, ``-c`` and their conjugates.
    """

    real: tuple[float, ...] = ()
    imaginary: tuple[float, ...] = ()
    complex: tuple[complex, ...] = ()

    @property
    def count(self) -> int:
        """``n``, the inputs of a tile."""
        return 2 + 2 * len(self.real) + 2 * len(self.imaginary) + 4 * len(self.complex)

    @property
    def products(self) -> int:
        """Real products a tile takes."""
        return 2 + 2 * len(self.real) + 3 * len(self.imaginary) + 6 * len(self.complex)


def _root(numerator: int, denominator: int) -> complex:
    return cmath.exp(2j * cmath.pi * numerator / denominator)


TINY = Points(real=(1.0,))
"""4 products for 4 inputs."""

SMALL = Points(real=(1.0, 2.0, 0.5))
"""8 products for 8 inputs."""

MEDIUM = Points(real=(1.0, 2.0, 0.5), imaginary=(1.0,), complex=(_root(1, 12), _root(2, 12)))
"""23 products for 18 inputs."""

LARGE = Points(
    real=(1.0, 2.0, 0.5), imaginary=(1.0,), complex=tuple(_root(k, 16) for k in (1, 2, 3))
)
"""29 products for 22 inputs."""


@dataclass(frozen=True)
class Term:
    """One point, or a point and its negative, with what the transforms need of it.

    Attributes:
        kind: "zero", "infinity", "real", "imaginary" or "complex".
        first: index of its first product.
        size: how many products it has.
        point: its value; 0 where it has none.
        rows: coefficients over the inputs, ``[1, n]``, or real and imaginary ``[2, n]``.
    """

    kind: str
    first: int
    size: int
    point: complex
    rows: Reals


@dataclass(frozen=True)
class Filtering:
    """An algorithm for ``m`` outputs of ``r`` taps: ``points.count = m + r - 1``."""

    points: Points
    taps: int

    @property
    def inputs(self) -> int:
        return self.points.count

    @property
    def outputs(self) -> int:
        return self.points.count - self.taps + 1

    @property
    def products(self) -> int:
        return self.points.products

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The points in the order of their products, their rows scaled to a norm near 1."""
        return tuple(term for term, _ in self._scaled)

    @cached_property
    def kernel_matrix(self) -> Reals:
        """``G``, ``[products, taps]``: from the taps to the factors."""
        powers = np.arange(self.taps)
        matrix = np.zeros((self.products, self.taps))
        for term, scale in self._scaled:
            at = term.first
            if term.kind == "zero":
                matrix[at, 0] = scale
            elif term.kind == "infinity":
                matrix[at, -1] = scale
            elif term.kind == "real":
                matrix[at] = scale * term.point.real**powers
                matrix[at + 1] = scale * (-term.point.real) ** powers
            else:
                values = [term.point] if term.kind == "imaginary" else [term.point, -term.point]
                for offset, value in enumerate(values):
                    row = scale * value**powers
                    # Three products for a complex one, see ``Term``'s use in the transforms.
                    matrix[at + 3 * offset] = row.real
                    matrix[at + 3 * offset + 1] = row.imag - row.real
                    matrix[at + 3 * offset + 2] = row.real + row.imag
        return matrix

    @cached_property
    def _scaled(self) -> list[tuple[Term, float]]:
        basis = _lagrange(self.points)
        terms: list[tuple[Term, float]] = []
        first = 0

        def add(kind: str, size: int, point: complex, row: NDArray[np.complex128]) -> None:
            nonlocal first
            rows = np.stack([row.real, row.imag]) if kind in ("imaginary", "complex") else row.real
            scale = 2.0 ** np.round(np.log2(np.linalg.norm(rows)))
            rows = np.atleast_2d(rows / scale)
            # What rounding left of a coefficient that is zero by symmetry.
            rows[np.abs(rows) < 1e-9 * np.abs(rows).max()] = 0.0
            terms.append((Term(kind, first, size, point, rows), float(scale)))
            first += size

        add("zero", 1, 0.0, basis[0.0])
        for value in self.points.real:
            add("real", 2, value, basis[value])
        for value in self.points.imaginary:
            add("imaginary", 3, 1j * value, basis[1j * value])
        for point in self.points.complex:
            add("complex", 6, point, basis[point])
        add("infinity", 1, 0.0, basis["infinity"])
        return terms


def _lagrange(points: Points) -> dict[complex | str, NDArray[np.complex128]]:
    """Coefficients, lowest first, of the polynomials that are 1 at one point and 0 at all others;
    for infinity, the one that has all points as its roots."""
    finite: list[complex] = [0.0]
    for point in [*points.real, *(1j * value for value in points.imaginary)]:
        finite += [point, -point]
    for point in points.complex:
        finite += [point, -point, point.conjugate(), -point.conjugate()]
    basis: dict[complex | str, NDArray[np.complex128]] = {
        "infinity": np.poly(finite)[::-1].astype(np.complex128)
    }
    for index, value in enumerate(finite):
        others = finite[:index] + finite[index + 1 :]
        row = np.poly(others)[::-1] / np.prod([value - other for other in others])
        basis[value] = np.append(row, 0.0).astype(np.complex128)
    return basis
