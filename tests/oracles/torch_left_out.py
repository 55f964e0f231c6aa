"""What is not compared of the operators of PyTorch's own tests, or less closely, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.frontend.tracing.tensor import Tensor

__all__ = [
    "FIRST_ALONE",
    "LEFT_OUT",
    "LESS_ACCURATE",
    "PARTS_LEFT_OUT",
    "SAMPLES_LEFT_OUT",
    "SLOPES_LEFT_OUT",
]

_ROUNDED = "PyTorch rounds sums of halves on the way"
_TIES = "of equal elements PyTorch takes any"
_OVERWRITTEN = "PyTorch counts elements that others overwrite"
_TRIANGLE = "PyTorch gives the other triangle, which is not read, a slope too"

FIRST_ALONE: Mapping[str, str] = {
    "linalg.lstsq": "what else it gives depends on the driver",
    "linalg.eig": "vectors have any phase",
    "linalg.eigh": "vectors have either sign",
    "mode": _TIES,
    "nanmedian": _TIES,
}
"""Operators of which the first result alone is compared, and why."""

_LEFT_OUT = {
    "names of PyTorch's inside, or of other devices": """
        _batch_norm_with_update _chunk_cat _native_batch_norm_legit _segment_reduce
        _softmax_backward_data _unsafe_masked_index _unsafe_masked_index_put_accumulate
        _upsample_bilinear2d_aa grid_sampler_2d grid_sampler_3d hash_tensor
        jiterator_2inputs_2outputs jiterator_4inputs_with_extra_args jiterator_binary
        jiterator_binary_return_by_ref jiterator_unary max_pool2d_with_indices_backward
        native_batch_norm native_dropout_backward native_group_norm native_layer_norm
        torch._scaled_mm torch._scaled_mm_v2 torch.ops.aten._efficient_attention_forward
        torch.ops.aten._flash_attention_forward torch.ops.aten._safe_softmax.default unsafe_chunk
        unsafe_split""",
    "in place, or a second name of a view, which is a value here": """
        alias_copy as_strided_copy as_strided_scatter diagonal_copy expand_copy fill narrow_copy
        permute_copy resize_ resize_as_ split_with_sizes_copy squeeze_copy t_copy transpose_copy
        unbind_copy unfold_copy unsqueeze_copy view_copy zero_""",
    "elements that nobody has given": """
        empty empty_like empty_permuted empty_strided new_empty new_empty_strided""",
    "an index: `x[start:stop]`": "slice",
    "for GPUs": "nn.functional.batch_norm.without_cudnn",
    "bounds that are data": "logspace.tensor_overload",
    "a factor, from which the tests make the matrix": "linalg.pinv.singular linalg.pinv.hermitian",
    "a cast: `astype`": """
        bfloat16 bool byte cdouble cfloat chalf char double float half int long short to""",
    "random numbers, which are others than PyTorch's": """
        bernoulli cauchy exponential geometric log_normal multinomial nn.functional.alpha_dropout
        nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d
        nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool2d
        nn.functional.fractional_max_pool3d nn.functional.rrelu normal pca_lowrank rand_like randint
        randint_like randn randn_like svd_lowrank uniform""",
    "the size of the result depends on data": """
        argwhere masked_select nonzero unique unique_consecutive""",
    "other kinds of tensors": """
        as_strided.partial_views item masked.amax masked.amin masked.argmax masked.argmin
        masked.cumprod masked.cumsum masked.log_softmax masked.logaddexp masked.logsumexp
        masked.mean masked.median masked.norm masked.normalize masked.prod masked.softmax
        masked.softmin masked.std masked.sum masked.var sparse.mm sparse.sampled_addmm to_sparse""",
    "two meanings under one name: `amax`, `argmax` and `maximum`, and so for the least": """
        max.binary max.reduction_with_dim min.binary min.reduction_with_dim""",
    "factorizations that are not here, or others that report failures as numbers": """
        geqrf linalg.cholesky_ex linalg.inv_ex linalg.ldl_factor linalg.ldl_factor_ex
        linalg.ldl_solve linalg.lu_factor_ex linalg.solve_ex""",
    "shapes, not tensors": "broadcast_shapes",
    "takes a function": "nn.functional.triplet_margin_with_distance_loss",
}
LEFT_OUT: Mapping[str, str] = {
    name: reason for reason, names in _LEFT_OUT.items() for name in names.split()
}
"""Operators that are left out, with the reason."""

PARTS_LEFT_OUT: Mapping[str, tuple[str, str]] = {
    "argsort": ("bool byte half whole", _TIES),
    "addbmm": ("half", _ROUNDED),
    "cholesky_inverse": ("gradient", _TRIANGLE),
    "cholesky_solve": ("gradient", _TRIANGLE),
    "complex": ("half", "of two halves there is no complex number"),
    "linalg.svd": ("complex single", "vectors have any phase, or sign"),
    "linalg.vander": ("byte", "powers of bytes are bytes"),
    "svd": ("complex single", "vectors have any phase, or sign"),
    "matrix_exp": ("half single", "PyTorch is 3e-4 off in f32, and there is none of halves"),
    "nn.functional.conv_transpose2d": ("half", _ROUNDED),
    "nn.functional.conv_transpose3d": ("half", _ROUNDED),
    "nn.functional.embedding_bag": ("half", "the products are rounded before they are added"),
    "nn.functional.soft_margin_loss": ("half", "PyTorch overflows"),
    "special.hermite_polynomial_h": ("single", "PyTorch is 9e-4 off in f32"),
    "special.hermite_polynomial_he": ("single", "PyTorch is 9e-4 off in f32"),
    "view_as_complex": ("half", "of two halves there is no complex number"),
    "cholesky": ("complex gradient", "PyTorch's is not Hermitian, as the matrix is"),
    "linalg.cholesky": ("complex gradient", "PyTorch's is not Hermitian, as the matrix is"),
    "kthvalue": ("bool byte half whole", _TIES),
    "median": ("bool byte half whole", _TIES),
    "sort": ("bool byte half whole", _TIES),
    "topk": ("bool byte half whole", _TIES),
    "ldexp": ("complex", "the exponent is a whole number"),
    "log_softmax.with_dtype": ("complex", "a cast to real numbers would drop a part"),
    "logaddexp": ("complex", "PyTorch's imaginary part leaves [-pi, pi]"),
    "logcumsumexp": ("complex", "PyTorch's imaginary part leaves [-pi, pi]"),
    "nn.functional.avg_pool1d": ("whole", "means of whole numbers are no whole numbers"),
    "nn.functional.avg_pool2d": ("whole", "means of whole numbers are no whole numbers"),
    "nn.functional.avg_pool3d": ("whole", "means of whole numbers are no whole numbers"),
    "nn.functional.ctc_loss": ("gradient", "PyTorch's is that of the logits"),
    "nn.functional.rms_norm": ("complex", "PyTorch's is of squares, not sizes; none is here"),
    "nn.functional.softmin.with_dtype": (
        "byte complex",
        "a cast to real numbers would drop a part; PyTorch negates bytes before it casts them",
    ),
    "nextafter": ("gradient", "0 here, 1 there"),
    "softmax.with_dtype": ("complex", "a cast to real numbers would drop a part"),
    "special.entr": ("gradient", "PyTorch's is NaN where the value is -inf"),
}
"""What is not compared of an operator: the gradient, or kinds of dtypes; and why."""


def _is_number(x: Tensor, *_: Any, **__: Any) -> bool:
    return x.ndim == 0


def _has_nan(x: Any, *_: Any, **__: Any) -> bool:
    return bool((x != x).any())


def _is_at_bound(x: Any, bound: Any) -> bool:
    return bool((x == bound).any())


def _is_clamp_left_out(x: Any, *given: Any, **named: Any) -> bool:
    """Whole bounds of floats, and bounds of more axes than there are elements for."""
    bounds = [one for one in (*given, *named.values()) if hasattr(one, "dtype")]
    return any(
        one.dtype.is_floating_point < x.dtype.is_floating_point or (one + x).shape != x.shape
        for one in bounds
    )


def _is_crossed(_: Any, *bounds: Any) -> bool:
    return len(bounds) == 2 and None not in bounds and bool((bounds[0] > bounds[1]).any())


def _has_no_common_dtype(x: Any, _: Any, y: Any) -> bool:
    if any(isinstance(one, bool | complex) for one in (x, y)):
        return True
    return hasattr(x, "dtype") and hasattr(y, "dtype") and bool(x.dtype != y.dtype)


def _meets(indices: Any) -> bool:
    """Whether one element is named twice."""
    return len(indices.unique()) < indices.numel()


def _meets_in_a_channel(axes: int) -> Callable[..., bool]:
    return lambda x, indices, *_, **__: any(
        map(_meets, indices.reshape(-1, math.prod(indices.shape[-axes:])))
    )


_CHANGING = frozenset({"max_norm", "scale_grad_by_freq", "sparse"})

LESS_ACCURATE: Mapping[str, tuple[float, str]] = {
    "special.airy_ai": (4e-6, "PyTorch is 3e-6 off below -2"),
    "special.bessel_j0": (1e-6, "PyTorch is 2e-7 off above 5"),
    "special.bessel_j1": (1e-6, "PyTorch is 5e-7 off above 5"),
    "special.bessel_y0": (1e-6, "PyTorch is 2e-7 off above 5"),
    "special.bessel_y1": (1e-6, "PyTorch is 4e-7 off above 5"),
}
"""Operators for which PyTorch's own error is larger, how large, and where."""

SAMPLES_LEFT_OUT: Mapping[str, tuple[Callable[..., bool], str]] = {
    "lu": (lambda x, pivot=True, get_infos=False: get_infos, "failures are NaN, and no numbers"),
    "atleast_1d": (lambda x: isinstance(x, list | tuple), "one tensor at a time"),
    "atleast_2d": (lambda x: isinstance(x, list | tuple), "one tensor at a time"),
    "atleast_3d": (lambda x: isinstance(x, list | tuple), "one tensor at a time"),
    "bincount": (
        lambda x, weights=None, minlength=0: (
            bool((x >= minlength).any())
            or (weights is not None and not weights.dtype.is_floating_point)
        ),
        "the length is given here; sums of whole numbers are whole",
    ),
    "cat": (lambda xs, *_, **__: len({x.ndim for x in xs}) > 1, "another number of axes"),
    "clamp": (_is_clamp_left_out, "dtypes and shapes that are not those of the tensor"),
    **{
        name: (
            lambda _, *others, value=1: (
                value is False or any(str(y.dtype) == "torch.bfloat16" for y in others)
            ),
            "a factor that is no number; NumPy has no bf16",
        )
        for name in ("addcdiv", "addcmul")
    },
    "arange": (
        lambda *bounds, dtype=None, end=0, **_: (
            dtype is not None
            and not dtype.is_floating_point
            and any(isinstance(one, float) and one % 1 for one in (*bounds, end))
        ),
        "PyTorch rounds the bounds first, where the dtype is one of whole numbers",
    ),
    "cov": (
        lambda x, aweights=None, **_: (x.ndim == 2 and len(x) == 1) or aweights is not None,
        "a matrix of one variable gives a matrix; weights may cancel but for rounding",
    ),
    "einsum": (
        lambda tensors, equation: (
            "->" in equation and "..." in equation and "..." not in equation.split("->")[1]
        ),
        "axes that are not named are in the result",
    ),
    "linalg.svd": (
        lambda x, **_: x.shape[-1] != x.shape[-2],
        "vectors have either sign; a completed basis has no slope",
    ),
    "nn.functional.pad.circular": (
        lambda x, widths, mode: min(widths) < 0,
        "PyTorch cuts before it goes round",
    ),
    **{
        f"special.hermite_polynomial_{kind}": (
            lambda x, n: bool((np.abs(np.asarray(n)) > 1e6).any()),
            "degrees that nothing has",
        )
        for kind in ("h", "he")
    },
    "svd": (
        lambda x, **_: x.shape[-1] != x.shape[-2],
        "vectors have either sign; a completed basis has no slope",
    ),
    "where": (_has_no_common_dtype, "dtypes that have none in common"),
    "gather": (lambda x, dim, index, **_: x.ndim != index.ndim, "another number of axes"),
    "masked_scatter": (lambda x, mask, *_: mask.ndim > x.ndim, "the result has the tensor's shape"),
    "narrow": (lambda x, dim, start, size: hasattr(start, "ndim"), "see `dynamic_slice`"),
    "nn.functional.avg_pool2d": (
        lambda x, size, stride=1, *_, **__: stride == (),
        "the stride is given or left away",
    ),
    "nn.functional.batch_norm": (lambda x, *_, **__: x.ndim < 2, "there are no channels"),
    "nn.functional.embedding": (
        lambda weight, ids, **given: not _CHANGING.isdisjoint(given),
        "PyTorch changes the weight, or the gradient",
    ),
    "nn.functional.embedding_bag": (
        lambda weight, ids, **given: (
            (ids.ndim > 1 and "padding_idx" in given) or not _CHANGING.isdisjoint(given)
        ),
        "bags of one size without padding; PyTorch changes the weight, or the gradient",
    ),
    "nn.functional.ctc_loss": (
        lambda x, targets, lengths, *_, **__: isinstance(lengths, list | tuple),
        "lengths are a tensor",
    ),
    "linalg.solve": (
        lambda a, b, **_: 1 < b.ndim < a.ndim,
        "one vector, or as many axes as the matrices have",
    ),
    "linalg.vander": (_is_number, "there is no row"),
    "linalg.vecdot": (lambda x, y, dim=-1: dim >= 0, "axes are counted from the end"),
    "nn.functional.multi_head_attention_forward": (
        lambda *given, static_k=None, dropout_p=0.0, **_: static_k is not None or given[10] > 0,
        "keys that are projected already, and random numbers",
    ),
    "nn.functional.multilabel_margin_loss": (_is_number, "there is no axis of classes"),
    "nn.functional.one_hot": (
        lambda x, num_classes=-1: num_classes < 0,
        "the number of classes is given here",
    ),
    "nn.functional.scaled_dot_product_attention": (
        lambda *_, dropout_p=0.0, **__: dropout_p > 0,
        "random numbers",
    ),
    "nonzero_static": (lambda x, *_, **__: x.ndim == 0, "a single number has no axes"),
    "polygamma": (
        lambda x, n: n >= 2 and bool((x <= 0).any()),
        "from order 2 on of positive numbers",
    ),
    "special.polygamma": (
        lambda x, n: n >= 2 and bool((x <= 0).any()),
        "from order 2 on of positive numbers",
    ),
    "repeat_interleave": (
        lambda x, repeats=None, output_size=None, **_: (
            hasattr(repeats, "ndim") and output_size is None
        ),
        "the size is given here",
    ),
    "sign": (_has_nan, "of NaN PyTorch's is 0"),
    "squeeze": (
        lambda x, dim=None: dim is not None and x.ndim > 0 and x.shape[dim] != 1,
        "an axis that is squeezed has size 1",
    ),
    "squeeze.multiple": (
        lambda x, dims=(): any(x.ndim and x.shape[dim] != 1 for dim in dims),
        "an axis that is squeezed has size 1",
    ),
    "tensor_split": (lambda x, parts, *_, **__: hasattr(parts, "ndim"), "sizes are known here"),
    "tensordot": (
        lambda x, y, dims=2: (
            isinstance(dims, tuple | list)
            and any(x.shape[i] != y.shape[j] for i, j in zip(*dims, strict=True))
        ),
        "axes of size 1 are not repeated",
    ),
}
"""Samples of an operator that are left out, told by their arguments; and why."""

SLOPES_LEFT_OUT: Mapping[str, tuple[Callable[..., bool], str]] = {
    "clamp": (_is_crossed, "between bounds that cross there is no slope, or that of the tensor"),
    "clamp_max": (_is_at_bound, "elements at a bound share the slope"),
    "clamp_min": (_is_at_bound, "elements at a bound share the slope"),
    **dict.fromkeys(
        (
            "abs",
            "nn.functional.celu",
            "nn.functional.elu",
            "nn.functional.hardshrink",
            "nn.functional.hardsigmoid",
            "nn.functional.hardtanh",
            "nn.functional.relu",
            "nn.functional.relu6",
            "nn.functional.selu",
            "nn.functional.softshrink",
        ),
        (_has_nan, "NaN has no slope, or one of 0"),
    ),
    "index_copy": (
        lambda x, dim, index, source: _meets(index),
        _OVERWRITTEN,
    ),
    "nn.functional.linear_cross_entropy.chunked_none": (
        lambda *_, weight=None, **__: weight is not None,
        "PyTorch has no slope of the weights",
    ),
    "polar": (
        lambda size, angle: bool((size <= 0).any()),
        "PyTorch's slope is 0 at 0, and of another sign below",
    ),
    "scatter": (lambda *_, reduce=None: reduce is not None, "PyTorch has no derivative"),
    "linalg.pinv": (
        lambda *_, rtol=None, **__: hasattr(rtol, "ndim"),
        "PyTorch has no slope of a tolerance",
    ),
    **{
        f"nn.functional.max_unpool{axes}d": (_meets_in_a_channel(axes), _OVERWRITTEN)
        for axes in (1, 2, 3)
    },
}
"""Samples of which the values alone are compared, and not the gradient, told as those above."""
