"""Loops and branches are made smaller, or go away.

- Loops that differ only in what they stack are one loop, and branches that differ only in what
  they give one branch: one of values and one of their gradient.
- What nobody reads goes: results, carries that only lead to themselves, operands.
- A carry that never changes is a constant; what is computed from constants alone is computed
  once, before the loop.
- A scan over rows that lie the other way around runs from the other end, instead of copying them.
- A short scan of a known length is written out, so that its iterations fuse.

All of this holds for loops inside loops too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from graphc.ir import dims
from graphc.ir.graph import Graph
from graphc.ir.node import Node, build, topological
from graphc.ir.op import Branch, BranchParts, Loop, LoopParts, Source, Structural, View, functions
from graphc.ir.ops.control_flow import cond, scan, while_loop
from graphc.ir.ops.creation.constants import zeros
from graphc.ir.ops.structural import graph_input, project
from graphc.ir.ops.views.shape import flip
from graphc.ir.source_map import SourceMap
from graphc.passes.bodies import branch_graph, loop_graph
from graphc.passes.rewrite import substitute

__all__ = ["UNROLLED_AT_MOST", "tidy_control_flow"]

UNROLLED_AT_MOST = 8
"""Iterations of a scan that are written out. More of them gain little and take long to compile."""

_NODES_WRITTEN_OUT_AT_MOST = 400


def tidy_control_flow(graph: Graph, sources: SourceMap, *, unroll: int = UNROLLED_AT_MOST) -> Graph:
    """The graph with less in its loops and branches; values stay.

    Args:
        graph: any graph.
        sources: what is built inherits the spans of the loop or branch.
        unroll: write out scans of this many iterations at most.
    """
    made = _Tidying(sources, unroll).nodes(graph.roots)
    results, values = made[: len(graph.results)], made[len(graph.results) :]
    updates = tuple((old, new) for (old, _), new in zip(graph.updates, values, strict=True))
    return Graph(graph.name, graph.inputs, graph.state, results, updates)


_Choice = tuple[Node, Node]
"""What the graphs of a branch give for one result."""


@dataclass
class _Loops:
    """Loops that differ only in the rows that they stack.

    Attributes:
        node: one of them.
        carries: numbers of the carries whose last value is read.
        rows: the results of the body that are read stacked.
        made: what takes the place of the last carries, by number, and of the rows.
    """

    node: Node
    parts: LoopParts
    carries: set[int] = field(default_factory=set)
    rows: dict[Node, None] = field(default_factory=dict)
    made: dict[int | Node, Node] | None = None


class _Tidying:
    def __init__(self, sources: SourceMap, unroll: int) -> None:
        self.sources = sources
        self.unroll = unroll

    def nodes(self, roots: Sequence[Node]) -> tuple[Node, ...]:
        """The same values, of one graph."""
        order = list(topological(roots))
        loops: dict[object, _Loops] = {}
        branches: dict[object, dict[_Choice, None]] = {}
        for node in order:
            if node.op is project and isinstance(node.inputs[0].op.lowering, Loop):
                one, key = _loop_and_key(node.inputs[0])
                shared = loops.setdefault(key, one)
                if node["index"] < len(one.parts.init):
                    shared.carries.add(node["index"])
                else:
                    shared.rows[one.parts.body.results[node["index"]]] = None
            elif node.op is project and isinstance(node.inputs[0].op.lowering, Branch):
                key, choice = _branch_key_and_choice(node)
                branches.setdefault(key, {})[choice] = None
        done: dict[Node, Node] = {}
        chosen: dict[object, dict[_Choice, Node]] = {}
        for node in order:
            owner = node.inputs[0] if node.op is project else node
            match owner.op.lowering:
                case Loop() if owner is not node:
                    one, key = _loop_and_key(owner)
                    shared = loops[key]
                    if shared.made is None:
                        with self.sources.inherit(owner):
                            shared.made = self.loop(shared, done)
                    index = node["index"]
                    is_carry = index < len(one.parts.init)
                    done[node] = shared.made[index if is_carry else one.parts.body.results[index]]
                case Branch(parts) if owner is not node:
                    key, choice = _branch_key_and_choice(node)
                    if key not in chosen:
                        with self.sources.inherit(owner):
                            chosen[key] = self.branch(parts(owner), list(branches[key]), done)
                    done[node] = chosen[key][choice]
                case Loop() | Branch():
                    continue
                case _:
                    done[node] = self.rebuilt(node, done)
        return tuple(done[root] for root in roots)

    def rebuilt(self, node: Node, done: Mapping[Node, Node]) -> Node:
        inputs = tuple(done[operand] for operand in node.inputs)
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            return node
        with self.sources.inherit(node):
            return build(node.op, inputs, node.attributes)

    # -- branches ----------------------------------------------------------------------------

    def branch(
        self, parts: BranchParts, choices: Sequence[_Choice], done: Mapping[Node, Node]
    ) -> dict[_Choice, Node]:
        """The results of a branch that are used: what each graph gives for them."""
        values = [self.nodes([choice[place] for choice in choices]) for place in range(2)]
        needed = [set(topological(roots)) for roots in values]
        operands = [
            number
            for number in range(len(parts.operands))
            if any(
                graph.inputs[number] in nodes
                for graph, nodes in zip((parts.then, parts.otherwise), needed, strict=True)
            )
        ]
        then, otherwise = (
            branch_graph(graph.name, [graph.inputs[number] for number in operands], roots)
            for graph, roots in zip((parts.then, parts.otherwise), values, strict=True)
        )
        given = [done[parts.operands[number]] for number in operands]
        made = cond(done[parts.predicate], *given, then=then, otherwise=otherwise)
        return {choice: project(made, index=place) for place, choice in enumerate(choices)}

    # -- loops -------------------------------------------------------------------------------

    def loop(self, loops: _Loops, done: Mapping[Node, Node]) -> dict[int | Node, Node]:
        """What takes the place of the results that are used."""
        parts = loops.parts
        body = parts.body
        count = len(parts.init)
        operands = {
            stand: done[operand]
            for stand, operand in zip(
                body.inputs, (*parts.init, *parts.slices, *parts.constants), strict=True
            )
        }
        draft = _Draft(parts, operands)
        found: dict[int | Node, Node] = {}
        for number in range(count):
            if body.results[number] is body.inputs[number]:
                draft.hold(number)
                found[number] = operands[body.inputs[number]]
        draft.keep(loops.carries, loops.rows)
        draft.replace(self.nodes(draft.roots))
        draft.hoist()
        results = draft.written_out() if self.is_written_out(draft) else draft.built()
        return {**found, **{key: results[key] for key in results if key not in found}}

    def is_written_out(self, draft: _Draft) -> bool:
        length = draft.parts.length
        if draft.parts.condition is not None or not isinstance(length, int):
            return False
        if length > self.unroll:
            return False
        return length * sum(1 for _ in topological(draft.roots)) <= _NODES_WRITTEN_OUT_AT_MOST


def _loop_and_key(node: Node) -> tuple[_Loops, object]:
    lowering = node.op.lowering
    assert isinstance(lowering, Loop)
    parts = lowering.parts(node)
    body = parts.body
    carried = body.results[: len(parts.init)]
    attributes = tuple(pair for pair in node.attributes if pair[1] is not body)
    return _Loops(node, parts), (node.op, node.inputs, attributes, body.inputs, carried)


def _is_turned(rows: Node) -> bool:
    return rows.op is flip and bool(rows["axes"] == (0,))


def _turned(rows: Node) -> Node:
    """The rows from the last to the first."""
    return rows.inputs[0] if _is_turned(rows) else flip(rows, axes=(0,))


def _branch_key_and_choice(result: Node) -> tuple[object, _Choice]:
    """What branches have in common that are one, and which of its results this is."""
    owner, index = result.inputs[0], result["index"]
    assert isinstance(owner.op.lowering, Branch)
    parts = owner.op.lowering.parts(owner)
    graphs = (parts.then, parts.otherwise)
    key = (owner.op, owner.inputs, *(graph.inputs for graph in graphs))
    return key, (graphs[0].results[index], graphs[1].results[index])


class _Draft:
    """A loop while it is made smaller.

    Attributes:
        carries: for each carry that is left, by its number: what stands for it, and its value
            after an iteration.
        rows: what is stacked, by the result of the body that it was.
        constants, slices: what stands for them, with the operands.
        condition: the value that decides, over the same inputs as the body; or None.
    """

    def __init__(self, parts: LoopParts, operands: Mapping[Node, Node]) -> None:
        body = parts.body
        count, sliced = len(parts.init), len(parts.slices)
        self.parts = parts
        self.operands = dict(operands)
        self.carries = {n: (body.inputs[n], body.results[n]) for n in range(count)}
        self.slices = list(body.inputs[count : count + sliced])
        self.constants = list(body.inputs[count + sliced :])
        self.rows: dict[Node, Node] = {}
        self.condition: Node | None = None
        if parts.condition is not None:
            stands = (*body.inputs[:count], *body.inputs[count + sliced :])
            renamed = dict(zip(parts.condition.inputs, stands, strict=True))
            (self.condition,) = substitute(parts.condition.results, renamed)

    @property
    def roots(self) -> tuple[Node, ...]:
        """All values that an iteration computes."""
        tested = () if self.condition is None else (self.condition,)
        after = (value for _, value in self.carries.values())
        return (*after, *self.rows.values(), *tested)

    def hold(self, number: int) -> None:
        """Make a carry that never changes a constant."""
        stand, _ = self.carries.pop(number)
        self.constants.append(stand)

    def keep(self, carries: Iterable[int], rows: Iterable[Node]) -> None:
        """Leave the carries and rows that are read, and the carries that these depend on."""
        self.rows = {row: row for row in rows}
        live = set(carries) & self.carries.keys()
        while True:
            tested = () if self.condition is None else (self.condition,)
            after = [self.carries[number][1] for number in sorted(live)]
            needed = set(topological([*after, *self.rows.values(), *tested]))
            more = {n for n, (stand, _) in self.carries.items() if stand in needed}
            if more <= live:
                break
            live |= more
        self.carries = {n: pair for n, pair in self.carries.items() if n in live}

    def replace(self, roots: Sequence[Node]) -> None:
        """Put other nodes in the place of `roots`."""
        after, rest = roots[: len(self.carries)], roots[len(self.carries) :]
        self.carries = {
            number: (stand, value)
            for (number, (stand, _)), value in zip(self.carries.items(), after, strict=True)
        }
        self.rows = dict(zip(self.rows, rest[: len(self.rows)], strict=True))
        if self.condition is not None:
            self.condition = rest[-1]

    def hoist(self) -> None:
        """Compute what depends on constants alone before the loop."""
        roots = self.roots
        invariant = set(self.constants)
        changing: list[Node] = []
        for node in topological(roots):
            if node.inputs and all(one in invariant for one in node.inputs):
                invariant.add(node)
            elif node not in invariant:
                changing.append(node)
        found: dict[Node, None] = {}
        pending = [*roots, *(one for node in changing for one in node.inputs)]
        while pending:
            node = pending.pop()
            if node not in invariant or node in self.operands or node in found:
                continue
            is_cheap = isinstance(node.op.lowering, View | Source | Structural)
            if is_cheap and node.op is not project:
                pending.extend(node.inputs)
            else:
                found[node] = None
        hoisted = {
            node: graph_input(f"hoisted{number}", node.dtype, node.shape)
            for number, node in enumerate(found)
        }
        values = substitute(list(hoisted), self.operands)
        self.operands |= zip(hoisted.values(), values, strict=True)
        self.constants += hoisted.values()
        self.replace(substitute(roots, hoisted))

    def built(self) -> dict[int | Node, Node]:
        """The loop's results: last carries by number, and stacked rows."""
        used = set(topological(self.roots))
        slices = [one for one in self.slices if one in used]
        is_turned = self.parts.condition is None and self.turn(slices)
        constants = [one for one in self.constants if one in used]
        stands = [stand for stand, _ in self.carries.values()]
        results = [*(value for _, value in self.carries.values()), *self.rows.values()]
        body = loop_graph(self.parts.body.name, stands, slices, constants, results)
        given = [self.operands[one] for one in (*stands, *slices, *constants)]
        if self.condition is None:
            made = scan(
                *given,
                body=body,
                carries=len(stands),
                slices=len(slices),
                length=self.parts.length,
                reverse=self.parts.reverse != is_turned,
            )
        else:
            assert self.parts.condition is not None
            name = self.parts.condition.name
            condition = loop_graph(name, stands, (), constants, [self.condition])
            made = while_loop(
                *given,
                condition=condition,
                body=body,
                carries=len(stands),
                max_steps=self.parts.length,
            )
        keys: list[int | Node] = [*self.carries, *self.rows]
        found = {key: project(made, index=place) for place, key in enumerate(keys)}
        if is_turned:
            found |= {row: flip(found[row], axes=(0,)) for row in self.rows}
        return found

    def turn(self, slices: Sequence[Node]) -> bool:
        """Give what is run over the other way around, where that leaves less to be copied."""
        given = [self.operands[one] for one in slices]
        sizes = {rows: dims.bounds(rows.tensor.nbytes)[1] for rows in given}
        if 2 * sum(size for rows, size in sizes.items() if _is_turned(rows)) <= sum(sizes.values()):
            return False
        self.operands |= zip(slices, map(_turned, given), strict=True)
        return True

    def written_out(self) -> dict[int | Node, Node]:
        """The same, of a scan of a known length, without a loop."""
        length = self.parts.length
        assert isinstance(length, int)
        now = dict(self.operands)
        rows: dict[Node, dict[int, Node]] = {row: {} for row in self.rows}
        for place in reversed(range(length)) if self.parts.reverse else range(length):
            now |= {one: functions["index"](self.operands[one], place) for one in self.slices}
            values = substitute(self.roots, now)
            for row, value in zip(self.rows, values[len(self.carries) :], strict=False):
                rows[row][place] = value
            stands = (stand for stand, _ in self.carries.values())
            now |= zip(stands, values[: len(self.carries)], strict=True)
        found: dict[int | Node, Node] = {n: now[stand] for n, (stand, _) in self.carries.items()}
        for row, parts in rows.items():
            if parts:
                found[row] = functions["stack"]([parts[n] for n in range(length)], 0)
            else:
                found[row] = zeros((0, *row.shape), row.dtype)
        return found
