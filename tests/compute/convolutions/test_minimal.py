"""Minimal filtering is a convolution, to the last digits that its points allow."""

import numpy as np
import pytest

from milonga.compute.convolutions.kernels.minimal import LARGE, MEDIUM, SMALL, Filtering

CASES = [(SMALL, 3), (SMALL, 5), (MEDIUM, 7), (MEDIUM, 11), (LARGE, 11), (LARGE, 15)]


def input_matrix(filtering):
    """What the kernel that transforms the input computes, as a matrix."""
    rows = np.zeros((filtering.products, filtering.inputs))
    signs = (-1.0) ** np.arange(filtering.inputs)
    for term in filtering.terms:
        parts = []
        if term.kind in ("zero", "infinity"):
            parts = [term.rows[0]]
        elif term.kind == "real":
            parts = [term.rows[0], term.rows[0] * signs]
        else:
            for mirror in [1.0] if term.kind == "imaginary" else [1.0, signs]:
                real, imag = term.rows * mirror
                parts += [real + imag, real, imag]
        rows[term.first : term.first + term.size] = parts
    return rows


def output_matrix(filtering):
    columns = np.zeros((filtering.outputs, filtering.products))
    powers = np.arange(filtering.outputs)
    for term in filtering.terms:
        at = term.first
        if term.kind == "zero":
            columns[0, at] = 1
        elif term.kind == "infinity":
            columns[-1, at] = 1
        elif term.kind == "real":
            columns[:, at] = term.point.real**powers
            columns[:, at + 1] = (-term.point.real) ** powers
        else:
            points = [term.point] if term.kind == "imaginary" else [term.point, -term.point]
            for index, point in enumerate(points):
                power = 2 * point**powers
                columns[:, at + 3 * index] = power.real - power.imag
                columns[:, at + 3 * index + 1] = -power.imag
                columns[:, at + 3 * index + 2] = -power.real
    return columns


@pytest.mark.parametrize(("points", "taps"), CASES)
def test_it_is_a_convolution(points, taps):
    filtering = Filtering(points, taps)
    assert filtering.outputs == points.count - taps + 1
    draw = np.random.default_rng(0)
    inputs, kernel = draw.normal(size=filtering.inputs), draw.normal(size=taps)
    products = (filtering.kernel_matrix @ kernel) * (input_matrix(filtering) @ inputs)
    expected = np.correlate(inputs, kernel, mode="valid")
    # Double precision: 1e-16, times the growth that the points cause.
    np.testing.assert_allclose(output_matrix(filtering) @ products, expected, atol=1e-12)


@pytest.mark.parametrize(("points", "taps"), CASES)
def test_single_precision_keeps_six_digits(points, taps):
    filtering = Filtering(points, taps)
    draw = np.random.default_rng(1)
    channels, tiles = 96, 50
    inputs = draw.normal(size=(filtering.inputs, tiles, channels))
    kernel = draw.normal(size=(taps, channels, channels))
    expected = np.stack(
        [
            sum(inputs[j + k] @ kernel[k] for k in range(taps))
            for j in range(filtering.outputs)
        ]
    )  # fmt: skip
    factors = np.tensordot(filtering.kernel_matrix, kernel, 1).astype(np.float32)
    seen = np.tensordot(input_matrix(filtering).astype(np.float32), inputs.astype(np.float32), 1)
    found = np.tensordot(output_matrix(filtering).astype(np.float32), seen @ factors, 1)
    # A convolution summed directly in single precision is off by some 2e-7 of the signal.
    assert np.sqrt(np.mean((found - expected) ** 2)) < 3e-6 * expected.std()


def test_products_saved():
    saved = {
        (points, taps): taps * Filtering(points, taps).outputs / points.products
        for points, taps in CASES
    }
    assert saved[SMALL, 3] == 2.25
    assert saved[MEDIUM, 7] > 3.6
    assert saved[LARGE, 11] > 4.5
