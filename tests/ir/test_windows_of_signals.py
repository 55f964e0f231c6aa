"""Windows and spectra of frames against SciPy, and there and back again."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import signal

import graphc as gc
from graphc.errors import GraphcError

CURVES: list[tuple[str, dict[str, float]]] = [
    *((name, {}) for name in (
        "barthann", "bartlett", "blackman", "blackmanharris", "bohman", "cosine", "flattop",
        "hamming", "hann", "nuttall")),
    *(("tukey", {"alpha": alpha}) for alpha in (0.0, 0.3, 1.0)),
    ("exponential", {"tau": 2.0}),
    ("gaussian", {"std": 1.5}),
    ("general_hamming", {"alpha": 0.6}),
    ("kaiser", {"beta": 5.0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given"), CURVES, ids=str)
def test_windows_are_those_of_scipy(name: str, given: dict[str, float]) -> None:
    for length, periodic in itertools.product((0, 1, 2, 5, 8), (False, True)):
        found = getattr(gc, f"{name}_window")(length, periodic, dtype=gc.f64, **given)
        expected = getattr(signal.windows, name)(length, sym=not periodic, **given)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_weights_of_cosines_may_be_given() -> None:
    weights = (0.5, 0.3, 0.2)
    found = gc.general_cosine_window(7, weights, False, gc.f64)
    np.testing.assert_allclose(found, signal.windows.general_cosine(7, weights), atol=1e-15)
    found = gc.exponential_window(5, False, center=0.0, dtype=gc.f64)
    np.testing.assert_allclose(found, signal.windows.exponential(5, center=0, sym=False))


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize(("size", "hop"), [(8, 2), (7, 3), (1, 1), (8, 8)])
def test_spectra_of_frames_are_those_of_scipy(size: int, hop: int, is_complex: bool) -> None:
    rng = np.random.default_rng(size)
    x = rng.normal(size=(2, 24)) + (1j * rng.normal(size=(2, 24)) if is_complex else 0)
    window = rng.uniform(0.5, 1.0, size)
    found = gc.stft(x, size, hop, window=window, center=False)
    _, _, expected = signal.stft(
        x, window=window, nperseg=size, noverlap=size - hop, boundary=None, padded=False,
        return_onesided=not is_complex,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected * window.sum(), atol=1e-12)


@pytest.mark.parametrize("two_sides", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("length", [None, 17, 30])
def test_a_signal_comes_back_from_its_spectra(
    length: int | None, normalized: bool, two_sides: bool
) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 20))
    arguments: dict[str, Any] = {
        "window": gc.hann_window(6, dtype=gc.f64),
        "win_length": 6,
        "hop_length": 2,
        "normalized": normalized,
        "onesided": not two_sides,
    }
    spectra = gc.stft(x, 8, **arguments)
    found = gc.istft(spectra, 8, length=length, **arguments)
    size = 20 if length is None else length
    assert found.shape == (2, 3, size)
    np.testing.assert_allclose(found[..., :20], x[..., :size], atol=1e-12)
    # What was padded comes back too, and zeros after the last frame.
    assert not found[..., 24:].any()
    parts = gc.stft(x, 8, return_complex=False, **arguments)
    np.testing.assert_array_equal(parts[..., 0] + 1j * parts[..., 1], spectra)


def test_complex_signals_come_back_as_well() -> None:
    x = np.random.default_rng(2).normal(size=(12, 2)) @ np.array([1, 1j])
    found = gc.istft(gc.stft(x, 4), 4, return_complex=True)
    np.testing.assert_allclose(found, x, atol=1e-12)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: gc.hann_window(-1),
        lambda: gc.tukey_window(4, alpha=2.0),
        lambda: gc.gaussian_window(4, std=0.0),
        lambda: gc.exponential_window(4, tau=-1.0),
        lambda: gc.general_cosine_window(4, ()),
        lambda: gc.stft(np.ones(3), 8, center=False),
        lambda: gc.stft(np.ones(8), 0),
        lambda: gc.stft(np.ones(8), 4, hop_length=0),
        lambda: gc.stft(np.ones(8), 4, win_length=5),
        lambda: gc.stft(np.ones(8), 4, window=np.ones(3)),
        lambda: gc.stft(np.ones(8) * 1j, 4, onesided=True),
        lambda: gc.istft(np.ones((3, 5)), 4),
        lambda: gc.istft(np.ones((3, 5)) * 1j, 6),
        lambda: gc.istft(np.ones((3, 5)) * 1j, 4, return_complex=True),
    ],
)
def test_what_makes_no_sense_is_refused(refused: Any) -> None:
    with pytest.raises(GraphcError):
        refused()
