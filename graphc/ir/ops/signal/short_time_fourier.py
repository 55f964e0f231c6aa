"""Spectra of frames of a signal, and the signal that has such spectra.

Compositions of sliding windows, Fourier transforms and sums of what overlaps; the arguments are
PyTorch's. D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform"
(1984) for the inverse, which divides by the sum of the squares of the windows.
"""

from __future__ import annotations

from graphc.errors import DTypeError, ShapeError, UsageError
from graphc.ir import dims
from graphc.ir.dims import DimLike
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.views.padding import Mode

__all__: list[str] = []

F = functions


def _taps(name: str, x: Node, n_fft: int, win_length: int | None, window: Node | None) -> Node:
    """The window, with zeros around it to the length of a frame."""
    length = n_fft if win_length is None else win_length
    if n_fft < 1 or not 1 <= length <= n_fft:
        raise UsageError(
            f"{name}: a window of {length} points in frames of {n_fft}",
            hint="a frame has one point at least, and the window no more than that",
        )
    if window is None:
        window = F["ones"]((length,), x.dtype.real)
    if len(window.shape) != 1 or not dims.always_equal(window.shape[0], length):
        raise ShapeError(
            f"{name}: the window is {window.type}, expected {length} points",
            hint="it has as many as n_fft or win_length says",
        )
    before = (n_fft - length) // 2
    taps: Node = F["pad"](window, ((before, n_fft - length - before),))
    return taps


def _hop(name: str, n_fft: int, hop_length: int | None) -> int:
    hop = max(n_fft // 4, 1) if hop_length is None else hop_length
    if hop < 1:
        raise UsageError(f"{name}: frames are {hop} points apart", hint="give 1 or more")
    return hop


@surface("stft")
def stft(
    x: Node,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Node | None = None,
    center: bool = True,
    pad_mode: Mode = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool = True,
) -> Node:
    """The Fourier transforms of frames of `x` [..., samples]: [..., frequencies, frames].

    Args:
        x: signals, real or complex.
        n_fft: samples of a frame.
        hop_length: how many samples after the one before a frame begins; a quarter of n_fft.
        win_length: points of the window, which lies in the middle of the frame; n_fft.
        window: what the samples of a frame are multiplied by; ones.
        center: whether the middle of the first frame is the first sample, and that of the last one
            near the last; what lies beyond the ends is padded.
        pad_mode: how; see `pad`.
        normalized: whether spectra are divided by the root of n_fft.
        onesided: whether there are n_fft // 2 + 1 frequencies alone, as real signals need.
        return_complex: False for the real and the imaginary parts, along one more axis.

    Raises:
        ShapeError: the signal is shorter than a frame.
        DTypeError: one-sided spectra of complex signals.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.stft(np.ones(8), 4, center=False)[0].real
    array([4., 4., 4., 4., 4.])
    """
    if not x.shape:
        raise ShapeError(f"stft: {x.type} has no axis of samples")
    taps = _taps("stft", x, n_fft, win_length, window)
    if center:
        around = [(0, 0)] * (len(x.shape) - 1) + [(n_fft // 2, n_fft // 2)]
        x = F["pad"](x, around, mode=pad_mode)
    frames = F["multiply"](F["window"](x, -1, n_fft, _hop("stft", n_fft, hop_length)), taps)
    is_complex = frames.dtype.kind == "complex"
    if is_complex and onesided:
        raise DTypeError(f"stft: a signal {frames.type} has two sides", hint="onesided=False")
    whole = is_complex or onesided is False
    spectra = F["fft" if whole else "rfft"](frames, norm="ortho" if normalized else "backward")
    turned: Node = F["swapaxes"](spectra, -1, -2)
    return turned if return_complex else F["view_as_real"](turned)


@surface("istft")
def istft(
    x: Node,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Node | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: DimLike | None = None,
    return_complex: bool = False,
) -> Node:
    """The signal [..., samples] whose `stft` is nearest to `x` [..., frequencies, frames].

    Samples that no window reaches are NaN. See `stft` for the arguments; those more are:

    Args:
        x: spectra of frames.
        length: samples of the result, cut or with zeros after its end; what the frames hold.
        return_complex: whether the signal is complex, which takes spectra with two sides.

    >>> import numpy as np
    >>> import graphc as gc
    >>> gc.istft(gc.stft(np.arange(8.0), 4), 4).round(6)
    array([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    if len(x.shape) < 2 or x.dtype.kind != "complex":
        raise ShapeError(f"istft: {x.type}, expected complex numbers [..., frequencies, frames]")
    taps, hop = _taps("istft", x, n_fft, win_length, window), _hop("istft", n_fft, hop_length)
    half = n_fft // 2 + 1
    is_half = dims.always_equal(x.shape[-2], half) if onesided is None else onesided
    if not dims.always_equal(x.shape[-2], half if is_half else n_fft):
        raise ShapeError(
            f"istft: {x.shape[-2]} frequencies of frames of {n_fft} samples",
            hint=f"expected {half}, or {n_fft} with onesided=False",
        )
    if return_complex and is_half:
        raise UsageError(f"istft: a complex signal has {n_fft} frequencies, not {half}")
    frames = _samples_of(F["swapaxes"](x, -1, -2), n_fft, normalized, return_complex)
    count = x.shape[-1]
    total = n_fft + hop * (count - 1)
    signal = F["overlap_add"](F["multiply"](frames, taps), -1, total, hop)
    squares = F["broadcast_to"](F["square"](taps), (count, n_fft))
    weight = F["overlap_add"](squares, -1, total, hop)
    start = n_fft // 2 if center else 0
    end = total - start
    stop = end if length is None else dims.minimum(start + length, total)
    kept: Node = F["divide"](
        *(F["index"](one, (..., slice(start, stop))) for one in (signal, weight))
    )
    if length is None or dims.always_equal(kept.shape[-1], length):
        return kept
    after = [(0, 0)] * (len(kept.shape) - 1) + [(0, length - kept.shape[-1])]
    return F["pad"](kept, after)  # type: ignore[no-any-return]


def _samples_of(spectra: Node, n_fft: int, normalized: bool, is_complex: bool) -> Node:
    """The frames, from spectra along the last axis."""
    norm = "ortho" if normalized else "backward"
    if is_complex:
        return F["ifft"](spectra, norm=norm)  # type: ignore[no-any-return]
    one_side = F["index"](spectra, (..., slice(0, n_fft // 2 + 1)))
    return F["irfft"](one_side, n_fft, norm=norm)  # type: ignore[no-any-return]
