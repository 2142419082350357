"""identity/edge: everything that ties two records, or a record and its identifier, as the table tells it."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.identity.graph import Graph, Ints
from transforms.identity.manual import RECORD
from transforms.identity.pairs import RULES, Pairs

GIVES = "gives"
# Of a tie between two identifiers, which no source gives.
BY_HAND = "manual"
_TEXT = pa.large_string()


def edge_table(graph: Graph, pairs: Pairs) -> pa.Table:
    """identity/edge of tonight: the ties whose identifier can link at all, by node and identifier; then the pairs."""
    names = _Names(graph)
    fit = np.flatnonzero(graph.unfit.is_null().to_numpy(zero_copy_only=False)[graph.tie_value])
    node, value = graph.tie_node[fit], graph.tie_value[fit]
    weight = 1.0 / graph.priority[graph.value_type[value]]
    gives = pa.repeat(pa.scalar(GIVES, _TEXT), len(fit))
    rule = pa.array(RULES, _TEXT).take(pa.array(pairs.rule))
    return pa.concat_tables(
        [
            names.edges(node, len(graph.nodes) + value, gives, weight, graph.first[fit], graph.last[fit]),
            # a record, where there is one, stands on the left: nodes are the first vertices
            names.edges(pairs.left, pairs.right, rule, pairs.weight, pairs.first, pairs.last),
        ]
    )


class _Names:
    """What the vertices of a graph are called in the table."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = len(graph.nodes)
        self.types = pa.array([*graph.types, RECORD], _TEXT)
        self.of_value = graph.value_type
        self.texts = pa.chunked_array([graph.nodes, graph.values], type=_TEXT)
        source = pc.struct_field(pc.extract_regex(graph.nodes, "^(?P<source>[^:]*)"), "source")
        self.sources = pa.concat_arrays([source.cast(_TEXT), pa.array([BY_HAND], _TEXT)])

    def edges(
        self, left: Ints, right: Ints, rule: pa.Array, weight: npt.NDArray[np.float64], first: Ints, last: Ints
    ) -> pa.Table:
        return pa.table(
            {
                "left_type": self._types(left),
                "left_value": self.texts.take(pa.array(left)),
                "right_type": self._types(right),
                "right_value": self.texts.take(pa.array(right)),
                "rule": rule,
                "weight": pa.array(weight, pa.float64()),
                "source": self.sources.take(pa.array(np.minimum(left, self.nodes))),
                "first_seen": pa.array(first, pa.int32()).cast(pa.date32()),
                "last_seen": pa.array(last, pa.int32()).cast(pa.date32()),
            }
        )

    def _types(self, vertex: Ints) -> pa.Array:
        place = np.full(len(vertex), len(self.types) - 1, dtype=np.int64)
        of_value = vertex >= self.nodes
        place[of_value] = self.of_value[vertex[of_value] - self.nodes]
        return self.types.take(pa.array(place))
