"""Attention of several heads with its projections, as `torch.nn.functional` calls it."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dims
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.attention import attended

__all__: list[str] = []

F = functions


@surface("multi_head_attention_forward")
def multi_head_attention_forward(
    query: Node,
    key: Node,
    value: Node,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Node | None,
    in_proj_bias: Node | None,
    bias_k: Node | None,
    bias_v: Node | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Node,
    out_proj_bias: Node | None,
    training: bool = True,
    key_padding_mask: Node | None = None,
    need_weights: bool = True,
    attn_mask: Node | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Node | None = None,
    k_proj_weight: Node | None = None,
    v_proj_weight: Node | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    seed: Node | None = None,
    stream: int = 0,
) -> tuple[Node, Node | None]:
    """What queries [L, N, E] attend to among keys and values [S, N, E], and how much to each.

    Axis N may be left away. The heads are `num_heads` parts of the features. Masks leave out what
    they are True for (other than those of `attention`), or are added to the scores; with
    `is_causal` a query attends to its own place and those before alone. A query that sees nothing
    mixes 0, with shares and gradients of 0, as in `attention`; PyTorch's shares are NaN there.

    Args:
        query, key, value: what is projected.
        embed_dim_to_check: E.
        num_heads: E is a multiple of it.
        in_proj_weight, in_proj_bias: those of query, key and value, one below the other [3 E, E].
        bias_k, bias_v: one more key and value [1, 1, E] for all, or None.
        add_zero_attn: whether one more key and value are zeros.
        dropout_p: the probability with which a place is left out in training; see `attention`.
        out_proj_weight, out_proj_bias: of the result.
        training: whether places are left out.
        key_padding_mask: [N, S].
        need_weights: whether the shares are a result: [N, L, S], else None.
        attn_mask: [L, S], or [N * num_heads, L, S].
        use_separate_proj_weight: whether the projections are the next three, not one matrix.
        q_proj_weight, k_proj_weight, v_proj_weight: [E, features] each.
        average_attn_weights: whether the shares are means over heads, not [N, num_heads, L, S].
        is_causal: see above.
        seed, stream: see `attention`.

    Raises:
        ShapeError: operands that do not fit; UsageError: weights that are missing.
    """
    is_single = len(query.shape) == 2
    if is_single:
        query, key, value = (F["unsqueeze"](one, 1) for one in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else F["unsqueeze"](key_padding_mask, 0)
    if len(query.shape) != 3 or query.shape[-1] != embed_dim_to_check:
        raise ShapeError(
            f"attention: the query is {query.type}, expected [L, N, E]",
            hint="E is embed_dim_to_check, a number",
        )
    if num_heads < 1 or embed_dim_to_check % num_heads:
        raise ShapeError(f"attention: {embed_dim_to_check} features in {num_heads} heads")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    weights = separate if use_separate_proj_weight else _thirds(in_proj_weight)
    rows = _projected((query, key, value), weights, _thirds(in_proj_bias), (None, bias_k, bias_v))
    q, k, v = (_in_heads(one, num_heads) for one in rows)
    if add_zero_attn:
        k, v = (F["pad"](one, ((0, 0), (0, 0), (0, 1), (0, 0))) for one in (k, v))
    mixed, shares = attended(
        q,
        k,
        v,
        _shown(attn_mask, key_padding_mask, q, k),
        dropout_p if training else 0.0,
        is_causal and attn_mask is None,
        seed=seed,
        stream=stream,
    )
    joined = F["reshape"](F["permute_dims"](mixed, (2, 0, 1, 3)), *query.shape)
    result = F["linear"](joined, out_proj_weight, out_proj_bias)
    if average_attn_weights:
        shares = F["mean"](shares, axis=1)
    if is_single:
        result, shares = F["squeeze"](result, 1), F["squeeze"](shares, 0)
    return result, shares if need_weights else None


def _projected(
    operands: Sequence[Node],
    weights: Sequence[Node | None],
    biases: Sequence[Node | None],
    more: Sequence[Node | None],
) -> list[Node]:
    """Query, key and value times their projections, with one more row where there is one."""
    rows = []
    for x, weight, bias, row in zip(operands, weights, biases, more, strict=True):
        if weight is None:
            raise UsageError("attention: weights of a projection are missing")
        projected: Node = F["linear"](x, weight, bias)
        if row is not None:
            wide = F["broadcast_to"](row, (1, *projected.shape[1:]))
            projected = F["concat"]((projected, wide), 0)
        rows.append(projected)
    return rows


def _thirds(x: Node | None) -> tuple[Node | None, ...]:
    """The parts of a matrix, or of a vector, for query, key and value."""
    if x is None:
        return (None, None, None)
    if not x.shape or not dims.divides(x.shape[0], 3):
        raise ShapeError(
            f"attention: {x.type} does not split in three",
            hint="it holds the weights of query, key and value, 3 * embed_dim of them",
        )
    return F["split"](x, (x.shape[0] // 3,) * 3)  # type: ignore[no-any-return]


def _in_heads(x: Node, heads: int) -> Node:
    """[L, N, E] as [N, heads, L, E / heads]."""
    length, batch, features = x.shape
    split = F["reshape"](x, length, batch, heads, features // heads)
    return F["permute_dims"](split, (1, 2, 0, 3))  # type: ignore[no-any-return]


def _shown(mask: Node | None, padding: Node | None, q: Node, k: Node) -> list[Node]:
    """The masks as `attention` reads them, for all heads. Keys that were added are seen."""
    batch, heads, length, _ = q.shape
    if mask is not None and len(mask.shape) == 3:
        sizes = (1, 1) if mask.shape[0] == 1 else (batch, heads)
        mask = F["reshape"](mask, *sizes, length, mask.shape[-1])
    if padding is not None:
        padding = F["reshape"](padding, batch, 1, 1, padding.shape[-1])
    shown = []
    for given in (mask, padding):
        if given is not None:
            more = k.shape[-2] - given.shape[-1]
            wide = F["pad"](given, (*((0, 0) for _ in given.shape[1:]), (0, more)))
            shown.append(F["logical_not"](wide) if wide.dtype is dtypes.bool_ else wide)
    return shown
