"""Python rules brought to the values of a frame."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the rules themselves take no Spark
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

# what a rule remembers of the values it has seen, so that one met again costs nothing
REMEMBERED = 1 << 16


def with_answers(
    rows: "DataFrame", column: str, rule: Callable[..., object], type_: str, *asked: "SparkColumn", repeated: bool
) -> "DataFrame":
    """`rows` with `column`, new or anew: what a Python rule says of the values `asked`, as the DDL `type_`.

    `repeated`: many rows hold few values, as lines hold card numbers: each distinct one is asked once and joined back.
    Otherwise nearly each row has a value of its own, or there are few rows: then finding the distinct ones and the
    join would cost more than they save, and the rule's own memory does for those that recur.
    """
    from pyspark.sql import functions as F

    # pickled: to load Arrow and pandas into the workers would cost a small night more than it saves
    answer = F.udf(rule, type_, useArrow=False)
    if not repeated:
        return rows.withColumn(column, answer(*asked))
    names = [f"v{number}" for number in range(len(asked))]
    # a struct with missing values in it equals itself, which the values one by one do not
    keyed = rows.withColumn("_asked", F.struct(*(value.alias(name) for name, value in zip(names, asked, strict=True))))
    known = (
        keyed.select("_asked").distinct().withColumn("_answer", answer(*(F.col(f"_asked.{name}") for name in names)))
    )
    joined = keyed.join(F.broadcast(known), "_asked", "left")
    return joined.withColumn(column, F.col("_answer")).drop("_asked", "_answer")
