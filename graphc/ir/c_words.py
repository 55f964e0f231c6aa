"""Words that cannot be names in generated text: those of C, C++ and CUDA, and its own."""

from __future__ import annotations

__all__ = ["RESERVED"]

RESERVED = frozenset(
    """
    alignas alignof and asm auto bool break case catch char class const constexpr continue
    decltype default delete do double else enum explicit export extern false float for friend
    goto if inline int long mutable namespace new noexcept not nullptr operator or private
    protected public register restrict return short signed sizeof static struct switch template
    this throw true try typedef typeid typename union unsigned using virtual void volatile
    wchar_t while xor blockIdx blockDim threadIdx gridDim warpSize half main begin end
    buffers scalars NULL EOF
    """.split()  # noqa: SIM905
)
"""Among them the names in the signatures of kernels, and macros of C's headers."""
