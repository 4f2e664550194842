"""Functions of single numbers in compiled kernels, against NumPy in double precision."""

import numpy as np
import pytest
from llvmlite import ir

from milonga.compute.convolutions.kernels.available import why_no_kernels
from milonga.compute.convolutions.kernels.compile import compile_module, kernel_of
from milonga.compute.convolutions.kernels.elementwise import exponential
from milonga.compute.convolutions.kernels.emit import INT, POINTER
from milonga.compute.tokens.vectors import Vectors

ARGS = (("x", POINTER), ("y", POINTER), ("count", INT))
needs_kernels = pytest.mark.skipif(why_no_kernels() is not None, reason="no kernels here")


def computed(function, x):
    module = ir.Module("function")
    e = Vectors(module, "function", ARGS)
    a = e.args

    def vector(index, _):
        e.store(function(e, e.load(e.at(a["x"], index))), e.at(a["y"], index))

    e.loop(e.index(0), a["count"], 16, vector)
    e.finish()
    y = np.empty_like(x)
    kernel_of(compile_module(str(module)), "function", ARGS)(x.ctypes.data, y.ctypes.data, len(x))
    return y.astype(np.float64)


@needs_kernels
def test_the_exponential_is_as_exact_as_a_softmax_asks_for():
    below = np.concatenate([np.linspace(-80, 0, 1 << 16), np.linspace(-1, 0, 1 << 16)])
    x = below.astype(np.float32)
    true = np.exp(x.astype(np.float64))
    found = computed(exponential, x)
    assert np.abs(found - true).max() < 7e-8
    assert np.abs(found / true - 1).max() < 2e-6


@needs_kernels
def test_the_exponential_keeps_to_numbers_that_there_are():
    x = np.resize(np.array([-np.inf, -1e30, -81, 81, 1e30, 0], np.float32), 96)
    found = computed(exponential, x)[:6]
    assert (found[:3] < 2e-35).all()
    assert np.isfinite(found).all()
    assert found[5] == 1


@needs_kernels
def test_gelu_is_off_by_little():
    from scipy.special import ndtr

    x = np.linspace(-5, 5, 1 << 16).astype(np.float32)
    true = x.astype(np.float64) * ndtr(x.astype(np.float64))
    assert np.abs(computed(Vectors.gelu, x) - true).max() < 1e-6
