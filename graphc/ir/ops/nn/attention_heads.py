"""Attention of several heads with its projections, as `torch.nn.functional` calls it."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import ShapeError, UsageError
from graphc.ir import dtype as dtypes
from graphc.ir.node import Node
from graphc.ir.op import functions, surface
from graphc.ir.ops.conversion import cast_to
from graphc.ir.ops.nn.attention import attended, shared_heads

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
    num_kv_heads: int | None = None,
    batch_first: bool = False,
    seed: Node | None = None,
    stream: int = 0,
) -> tuple[Node, Node | None]:
    """What queries [L, N, E] attend to among keys and values [S, N, E], and how much to each.

    Axis N may be left away. The heads are `num_heads` parts of the features. As in PyTorch, a mask
    of bools leaves out what it is True for, which is the contrary of
    `scaled_dot_product_attention`; one of numbers is added to the scores. A query that sees nothing
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
        is_causal: whether a query attends to its own place and those before alone; an `attn_mask`
            counts in its place.
        num_kv_heads: heads of keys and values, each for several of the queries (J. Ainslie et al.,
            "GQA", 2023), where there are fewer; their projections have fewer rows.
        batch_first: whether operands and results are [N, L, E].
        seed, stream: see `attention`.

    Raises:
        ShapeError: operands that do not fit; UsageError: weights that are missing.
    """
    is_single = len(query.shape) == 2
    if is_single:
        batch_first = True
        query, key, value = (F["unsqueeze"](one, 0) for one in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else F["unsqueeze"](key_padding_mask, 0)
    shared = num_heads if num_kv_heads is None else num_kv_heads
    _require(query, embed_dim_to_check, num_heads, shared)
    rows = (embed_dim_to_check, *(embed_dim_to_check // num_heads * shared,) * 2)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    weights = separate if use_separate_proj_weight else _parts(in_proj_weight, rows)
    projected = _projected((query, key, value), weights, _parts(in_proj_bias, rows))
    q, k, v = (
        _in_heads(one, heads, batch_first)
        for one, heads in zip(projected, (num_heads, shared, shared), strict=True)
    )
    k, v = (_extended(k, bias_k, add_zero_attn), _extended(v, bias_v, add_zero_attn))
    mixed, shares = attended(
        q,
        shared_heads(q, k, "key"),
        shared_heads(q, v, "value"),
        _shown(attn_mask, key_padding_mask, q, k),
        dropout_p if training else 0.0,
        is_causal and attn_mask is None,
        seed=seed,
        stream=stream,
    )
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    joined = F["reshape"](F["permute_dims"](mixed, order), *query.shape)
    result = F["linear"](joined, out_proj_weight, out_proj_bias)
    if average_attn_weights:
        shares = F["mean"](shares, axis=1)
    shares = cast_to(shares, mixed.dtype)
    if is_single:
        result, shares = F["squeeze"](result, 0), F["squeeze"](shares, 0)
    return result, shares if need_weights else None


def _require(query: Node, features: int, heads: int, shared: int) -> None:
    if len(query.shape) != 3 or query.shape[-1] != features:
        raise ShapeError(
            f"attention: the query is {query.type}, expected [L, N, E] or [L, E]",
            hint=f"E, the embed_dim, is {features}",
        )
    if heads < 1 or shared < 1 or features % heads or heads % shared:
        raise ShapeError(
            f"attention: {features} features in {heads} heads, {shared} of keys",
            hint="make the features a multiple of the heads, and these one of the heads of keys",
        )


def _parts(x: Node | None, rows: Sequence[int]) -> Sequence[Node | None]:
    """The parts of a matrix, or of a vector, for query, key and value."""
    if x is None:
        return (None, None, None)
    if not x.shape or x.shape[0] != sum(rows):
        raise ShapeError(
            f"attention: {x.type} does not split in {', '.join(map(str, rows))}",
            hint="it holds the weights of query, key and value, one below the other",
        )
    return F["split"](x, rows)  # type: ignore[no-any-return]


def _projected(
    operands: Sequence[Node], weights: Sequence[Node | None], biases: Sequence[Node | None]
) -> list[Node]:
    """Query, key and value times their projections."""
    if any(weight is None for weight in weights):
        raise UsageError("attention: weights of a projection are missing")
    return [F["linear"](*one) for one in zip(operands, weights, biases, strict=True)]


def _in_heads(x: Node, heads: int, batch_first: bool) -> Node:
    """[L, N, features], or [N, L, features], as [N, heads, L, features of a head]."""
    split = F["reshape"](x, *x.shape[:2], heads, x.shape[-1] // heads)
    order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
    return F["permute_dims"](split, order)  # type: ignore[no-any-return]


def _extended(x: Node, row: Node | None, has_zeros: bool) -> Node:
    """Keys or values [N, heads, S, E / heads] with one more where there is one, and with zeros."""
    if row is not None:
        batch, heads, _, width = x.shape
        wide = F["broadcast_to"](F["reshape"](row, 1, heads, 1, width), (batch, heads, 1, width))
        x = F["concat"]((x, wide), 2)
    return F["pad"](x, ((0, 0), (0, 0), (0, 1), (0, 0))) if has_zeros else x


def _shown(mask: Node | None, padding: Node | None, q: Node, k: Node) -> list[Node]:
    """The masks as `attention` reads them, for all heads. Keys that were added are seen."""
    batch, heads, length, _ = q.shape
    for given in (mask, padding):
        if given is not None and not given.shape:
            raise ShapeError(f"a mask is {given.type}, expected an axis of keys", code="rank")
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
