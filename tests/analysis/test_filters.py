import warnings

import numpy as np
import pytest

from milonga.analysis import filters


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_mel_bank_is_librosa_s(rate):
    import librosa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # empty bands at high rates
        wanted = librosa.filters.mel(sr=rate, n_fft=2048)
    bank = filters.mel_bank(rate)
    # Through the identity, the pieces make the whole matrix. Single precision: 1e-7 of 0.03.
    got = bank(np.eye(1025, dtype=np.float32)).T
    np.testing.assert_allclose(got, wanted, atol=1e-8)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("tuning", [0.0, 0.31, -0.5])
def test_chroma_bank_is_librosa_s(rate, tuning):
    import librosa

    wanted = librosa.filters.chroma(sr=rate, n_fft=2048, tuning=tuning)
    # Single precision of weights up to 1.
    np.testing.assert_allclose(filters.chroma_bank(rate, tuning).T, wanted, atol=2e-7)


def test_dct_is_orthonormal_and_scipy_s():
    from scipy.fft import dct

    matrix = filters.dct_matrix()
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(13), atol=1e-12)
    wanted = dct(np.eye(128), axis=0, type=2, norm="ortho")[:13]
    np.testing.assert_allclose(matrix, wanted, atol=1e-12)


def test_window_is_scipy_s():
    from scipy.signal import get_window

    np.testing.assert_allclose(filters.hann(689), get_window("hann", 689), atol=1e-14)


def test_cached_banks_can_t_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        filters.chroma_bank(44_100)[0, 0] = 1


@pytest.mark.parametrize("rows", [1, 20, 128, 129, 1000])
def test_products_in_parts_are_whole(rows, rng):
    a, b = rng.standard_normal((rows, 300)), rng.standard_normal((300, 12))
    np.testing.assert_allclose(filters.product(a, b), a @ b, rtol=1e-10, atol=1e-12)
