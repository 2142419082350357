"""The stage of a customer's life, told from tags and from the stage of the night before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from transforms.errors import DefinitionError
from transforms.expressions import at, compile_expression
from transforms.sql import types
from transforms.tags.tag import Tag

if TYPE_CHECKING:  # `portrait validate` compiles stages and must not pay for importing Spark
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame


_LAST = ("_stage", "_days", "_previous")


@dataclass(frozen=True)
class CompiledStage:
    """A stage, its conditions as Spark SQL over the tags. `until`: None where any other stage ends it."""

    value: str
    after: tuple[str, ...]
    when: str
    until: str | None


def stages_of(tag: Tag, *, timezone: str, columns: Mapping[str, str]) -> tuple[CompiledStage, ...]:
    """The stages of a life-cycle tag; `columns`: tag columns -> Spark type. Raises DefinitionError."""
    problems: list[str] = []

    def condition(text: str, key: str) -> str:
        place = f"{tag.place}: stages{key}"
        try:
            found = compile_expression(text, place=place, columns=columns, timezone=timezone, noun="tag")
        except DefinitionError as error:
            problems.extend(error.lines)
            return ""
        if found.type not in ("boolean", types.VOID):
            problems.append(f"{place}: is {types.describe(found.type)}, not a condition")
        return found.sql

    stages = tuple(
        CompiledStage(
            stage.value,
            stage.after,
            condition(stage.when, f"[{position}].when"),
            condition(stage.until, f"[{position}].until") if stage.until is not None else None,
        )
        for position, stage in enumerate(tag.stages)
    )
    if problems:
        raise DefinitionError(*problems)
    return stages


def last_stages(known: "DataFrame", tag: Tag) -> "DataFrame | None":
    """What the night before computed: customer_id, _stage, _days, _previous; None where it knew no stages.

    `known`: its tag/customer. What was set by hand ends with the override, so that it is no stage to go on from; an
    older release has the outputs alone.
    """
    for columns in (tag.internal, tag.outputs):
        names = [column.name for column in columns]
        if {*names} <= {*known.columns}:
            own = (known[name].alias(alias) for name, alias in zip(names, _LAST, strict=True))
            return known.select("customer_id", *own)
    return None


def stages_before(last: "DataFrame") -> "DataFrame":
    """`last`, of a state of the same day, as it was before that day: for `with_lifecycle`, 0 days ago.

    Who entered a stage that day comes from the one before it; what went before that one is not told.
    """
    from pyspark.sql import functions as F

    entered = F.col("_days") == 0
    return last.withColumns(
        {
            "_stage": F.when(entered, F.col("_previous")).otherwise(F.col("_stage")),
            "_previous": F.when(~entered, F.col("_previous")),
        }
    )


def with_lifecycle(
    frame: "DataFrame", tag: Tag, *, stages: Sequence[CompiledStage], last: "DataFrame | None", elapsed: int,
    day: date, as_of: datetime,
) -> "DataFrame":  # fmt: skip
    """`frame` (the tags so far, one row a customer) with the stage, the days in it and the stage before it.

    `last`: `last_stages`, of `elapsed` days ago. A customer stays in a stage until its `until` holds. Else the first
    stage counts whose `when` holds and whose `after` names the customer's stage (or names none, or it is that very
    stage and has no `until`); where there is none the customer stays. Who has no stage yet enters the first
    that is after nothing, or failing that the first that holds: their story before was not seen. A stage that the tag
    no longer has is none. The outputs stand there twice, as `tag.internal` once more.
    """
    from pyspark.sql import functions as F

    if last:
        still = F.when(F.col("_stage").isin(*(stage.value for stage in stages)), F.col("_stage"))
        joined = frame.join(last.withColumn("_stage", still), "customer_id", "left")
    else:
        joined = frame.withColumns(_nothing())
    known = F.col("_stage")
    # said wherever it is asked for, and worked out once all the same: a step that names it would copy every column
    stage = _next(stages, known, lambda sql: F.expr(at(sql, day=day, as_of=as_of)))
    stays = stage == known
    days = F.when(stays, F.coalesce("_days", F.lit(0)) + elapsed).when(stage.isNotNull(), 0)
    values = (stage, days, F.when(stays, F.col("_previous")).otherwise(known))
    typed = {
        column.name: value.cast(column.type)
        for columns in (tag.outputs, tag.internal)
        for column, value in zip(columns, values, strict=True)
    }
    return joined.withColumns(typed).drop(*_LAST)


def _nothing() -> "dict[str, SparkColumn]":
    from pyspark.sql import functions as F

    return dict(zip(_LAST, (F.lit(None).cast(ddl) for ddl in ("string", "bigint", "string")), strict=True))


def _may_enter(stage: CompiledStage, known: "SparkColumn") -> "SparkColumn":
    """Does the stage follow on `known`? One's own does, but for one with an `until`: that has just ended it."""
    from pyspark.sql import functions as F

    if not stage.after:
        return F.lit(True) if stage.until is None else ~known.eqNullSafe(stage.value)
    return known.isin(*stage.after, *([stage.value] if stage.until is None else []))


def _next(stages: Sequence[CompiledStage], known: "SparkColumn", sql: "Callable[[str], SparkColumn]") -> "SparkColumn":
    """The stage of tonight. NULL conditions do not hold, so that what is not known moves nobody."""
    from pyspark.sql import functions as F

    cases: list[tuple[SparkColumn, SparkColumn]] = []
    for stage in stages:
        if stage.until is not None:
            cases.append(((known == stage.value) & ~F.coalesce(sql(stage.until), F.lit(False)), F.lit(stage.value)))
    for stage in stages:
        cases.append((_may_enter(stage, known) & sql(stage.when), F.lit(stage.value)))
    cases.append((known.isNotNull(), known))
    cases += [(sql(stage.when), F.lit(stage.value)) for stage in stages]
    chosen = F.when(*cases[0])
    for condition, value in cases[1:]:
        chosen = chosen.when(condition, value)
    return chosen
