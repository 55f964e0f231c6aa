"""Functions and optimizers of other libraries that are none here, and why.

`docs/left_out.md` tells it to people; of layers `graphc/nn/left_out.py` does.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LEFT_OUT"]

_REASONS: Mapping[str, str] = {
    ("the size of the result depends on data; a graph has sizes before it runs"): ("trim_zeros"),
    ("`asarray`; files, text and settings are Python's"): (
        "frombuffer from_numpy fromfile loadtxt save set_printoptions"
    ),
    (
        "facts of a type, known while a program is built: `x.ndim`, `x.shape`, `isdtype`, "
        "`result_type`"
    ): ("ndim shape size numel is_complex is_floating_point iscomplexobj promote_types"),
    (
        "rarely used in models: `nextafter(x, inf) - x`, `lexsort` of both parts; a graph "
        "multiplies from left to right; `topk` is exact"
    ): ("spacing sort_complex einsum_path approx_max_k approx_min_k reduce_xor"),
    ("names that are indexed: `meshgrid`, `concat`, slices"): ("mgrid ogrid r_ c_ s_ index_exp"),
    (
        "loops and layers: their steps are `gru_cell`, ..., and `scan`, `nn.GRU`, `nn.LSTM`, "
        "`nn.RNN`"
    ): ("gru lstm rnn_tanh rnn_relu"),
    ("take functions: write them out, or use `vmap`, `scan`, `while_loop` and `cond`"): (
        "triplet_margin_with_distance_loss vectorize apply_along_axis apply_over_axes "
        "piecewise fromfunction mask_indices reduce_window associative_scan fori_loop switch"
    ),
    ("`return_indices=True`, `argwhere(x, size)`, `layer_norm`"): (
        "max_pool2d_with_indices nonzero_static native_layer_norm"
    ),
    (
        "one order of axes: `conv1d`, `conv2d`, `conv3d` and their transposes between "
        "`permute_dims`"
    ): ("conv_general_dilated conv_tbc conv_with_general_padding"),
    ("bits of floats, and random bits of other generators"): (
        "bitcast_convert_type reduce_precision mulhi clz rng_bit_generator"
    ),
    ("random numbers whose count depends on random numbers, and rarely used ones"): (
        "fractional_max_pool2d fractional_max_pool3d binomial poisson"
    ),
    ("rarely used, or they change the weight that is read"): ("scale_grad_by_freq"),
    ("parts of other factorizations, or random numbers"): (
        "lobpcg geqrf ldl_factor ldl_solve svd_lowrank pca_lowrank"
    ),
    ("need `schur`; small ones are `solve` of sums of `kron`"): (
        "solve_sylvester solve_continuous_lyapunov solve_discrete_lyapunov "
        "solve_continuous_are solve_discrete_are"
    ),
    (
        "ways to store and solve what `toeplitz` and `diagonal_matrix` write out for `solve`, "
        "`eigh` and `matmul`"
    ): (
        "cho_solve_banded cholesky_banded eig_banded eigh_tridiagonal solve_banded "
        "solveh_banded solve_toeplitz matmul_toeplitz solve_circulant"
    ),
    ("sizes, or facts, that depend on data"): ("null_space orth bandwidth issymmetric ishermitian"),
    (
        "rarely used in models: tables of numbers are arrays of SciPy, which a graph takes as "
        "they are; the others are lines of `svd`, `fft` and `eigh`"
    ): (
        "dft pascal invpascal invhilbert helmert fiedler_companion diagsvd subspace_angles "
        "orthogonal_procrustes pinvh clarkson_woodruff_transform dct dst"
    ),
    ("what fails is NaN in the result, and no number beside it"): (
        "cholesky_ex inv_ex solve_ex lu_factor_ex"
    ),
    ("one device runs a module"): ("psum all_gather all_to_all ppermute"),
    (
        "other names: `arange`, `bitwise_left_shift`, `bitwise_right_shift` (logical of "
        "unsigned numbers), `bitwise_count`, `at_max`, `at_min`, `at_multiply`"
    ): (
        "iota shift_left shift_right_arithmetic shift_right_logical scatter_max scatter_min "
        "scatter_mul population_count"
    ),
    (
        "lines of others: `jvp(grad(f), (x,), (v,))[1]`, `jvp` for each tangent, and "
        "`custom_gradient` with `solve`"
    ): ("hvp linearize custom_root custom_linear_solve"),
    (
        "groups whose sizes are data, and scales of 8-bit floats: `matmul` of what is cast "
        "and scaled, or of each group"
    ): ("ragged_dot grouped_mm scaled_mm"),
    (
        "nothing is moved that could change a bit; what a gradient computes again is in "
        "`checkpoint`"
    ): ("optimization_barrier"),
    (
        "optimizers are `sgd`, `adam` and `adamw`; another one is a loop over gradients that "
        "updates state"
    ): ("RMSprop Adagrad Adadelta Adamax NAdam RAdam ASGD Rprop LBFGS SparseAdam Adafactor Muon"),
}

LEFT_OUT: Mapping[str, str] = {
    name: reason for reason, names in _REASONS.items() for name in names.split()
}
"""The reason for each name, as it stands in `docs/left_out.md`."""
