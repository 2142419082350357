"""XML: an element a record. Its attributes (with `_` before their names) and child elements are the columns."""

from typing import TYPE_CHECKING
from xml.parsers import expat

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.runtime.files import ExtractFile
from jobs.runtime.formats.landing import Landing, exactly, file_column, named
from jobs.runtime.formats.unpacked import check_packed, plain, readable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_CORRUPT = "\uffffcorrupt"


def read_xml(landing: Landing) -> "DataFrame":
    """A record for each element `rowTag`, nested elements as JSON.

    Raises DataError naming file and line where a document is not well-formed to its end: past that point Spark would
    leave out all that follows. Likewise where it declares entities of its own: of those Spark makes nothing.
    """
    check_packed(landing)
    for file in landing.files:
        _check_whole(landing, file)
    paths = readable(landing, decoded=False)
    session = landing.spark.newSession()
    session.conf.set("spark.sql.caseSensitive", "true")
    rows = session.read.format("xml").options(
        rowTag=str(landing.options["rowTag"]), inferSchema="false", mode="FAILFAST",
        ignoreSurroundingSpaces="false", columnNameOfCorruptRecord=_CORRUPT, attributePrefix="_",
    ).load(exactly(paths))  # fmt: skip
    landed = landing.names(rows.columns)
    texts = [_text(field).alias(landed[field.name]) for field in rows.schema.fields]
    corrupt = F.lit(None).cast("string").alias("_corrupt")
    return named(rows.select(*texts, corrupt, file_column(paths).alias("_file")), landed)


def _text(field: T.StructField) -> SparkColumn:
    """The element's own text, or JSON of what is in it; alike whether or not other records hold more of it."""
    value = F.col(f"`{field.name.replace('`', '``')}`")
    match field.dataType:
        case T.StringType():
            return value
        case T.ArrayType():
            one = _plain(value[0], field.dataType.elementType)
            return F.when(F.size(value) == 1, one).otherwise(F.to_json(value))
        case _:
            return _plain(value, field.dataType)


def _plain(value: SparkColumn, kind: T.DataType) -> SparkColumn:
    """Text where there is nothing but text."""
    if isinstance(kind, T.StringType):
        return value
    if isinstance(kind, T.StructType) and "_VALUE" in kind.names:
        others = [value[name].isNull() for name in kind.names if name != "_VALUE"]
        alone = F.lit(True)
        for empty in others:
            alone = alone & empty
        return F.when(alone, value["_VALUE"]).otherwise(F.to_json(value))
    return F.to_json(value)


def _check_whole(landing: Landing, file: ExtractFile) -> None:
    parser = expat.ParserCreate()

    def refuse(name: str, *_: object) -> None:
        raise landing.refused(file.path, f"declares an entity of its own ('{name}'), and none is resolved")

    parser.EntityDeclHandler = refuse
    with plain(landing, file) as pieces:
        try:
            for piece in pieces:
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError) as error:  # the latter of encodings that it does not know
            raise landing.refused(file.path, f"is not well-formed XML ({error})") from None
