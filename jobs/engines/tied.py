"""Who is tied to whom in one release, and by what: DuckDB over the identity tables, without Spark."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from jobs.runtime.duck import connect
from jobs.runtime.reader import Reader
from jobs.runtime.tables import arrow_schema
from transforms.identity.definition import Identifier
from transforms.schemas import CONTACT, IDENTITY_CONFLICT, IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, Table

# What of silver is asked for: whom a source describes, and by which values.
FIELDS = tuple(column.name for column in CONTACT.columns if column.name not in (*CONTACT.key, CONTACT.changed))
# A source registers people when it does: that two do so at other times is no difference between them.
COMPARED = tuple(name for name in FIELDS if name != "registered_at")
_PERSON = pa.schema([("record_id", pa.string()), ("source", pa.string()), *((name, pa.string()) for name in FIELDS)])
_VIEWS = """
create table owner as select record_id, customer_id from record;
create table held as
    select id_type, id_value, customer_id, known from ledger where valid_to is null;
-- a tie that begins more than max_age days after all before it had ended begins another life of the identifier
create table given as
    select * exclude (begins), coalesce(sum(begins) over (partition by right_type, right_value
        order by first_seen, last_seen rows between unbounded preceding and current row), 0)::int as life
    from (select edge.*, coalesce((first_seen - max(last_seen) over (partition by right_type, right_value
            order by first_seen, last_seen rows between unbounded preceding and 1 preceding)) > max_age, false)::int
            as begins
        from edge left join aging on right_type = id_type where rule = 'gives');
create table newest as select right_type, right_value, max(life) as life from given group by all;
create table tie as
    with every as (
        select given.*, newest.life as newest, 0 as left_life from given join newest using (right_type, right_value)
        -- what is said by hand is said of the identifier as it is now
        union all by name
        select edge.*, coalesce(r.life, 0) as life, coalesce(r.life, 0) as newest, coalesce(l.life, 0) as left_life
        from edge left join newest r using (right_type, right_value)
        left join newest l on (l.right_type, l.right_value) = (left_type, left_value) where rule <> 'gives')
    select if(left_type = 'record', left_value, null) as record_id, left_type, left_value,
        coalesce(r.customer_id, l.customer_id) as customer_id, right_type as id_type, right_value as id_value,
        if(rule = 'gives', right_type, rule) as rule, weight, source, first_seen, last_seen, e.life,
        if(left_type = 'record', left_value, concat(chr(9), left_type, chr(10), left_value, chr(10), left_life))
            as one_end,
        if(right_type = 'record', right_value, concat(chr(9), right_type, chr(10), right_value, chr(10), e.life))
            as other_end,
        coalesce(h.customer_id, p.customer_id) as holder,
        coalesce(holder = coalesce(r.customer_id, l.customer_id) or (e.life < newest and h.customer_id is not null),
            false) as holds
    from every e
    left join owner r on left_type = 'record' and r.record_id = left_value
    left join held l on left_type <> 'record' and (l.id_type, l.id_value) = (left_type, left_value)
    left join held h on right_type <> 'record' and (h.id_type, h.id_value) = (right_type, right_value)
    left join owner p on right_type = 'record' and p.record_id = right_value
    where coalesce(r.customer_id, l.customer_id) is not null;
-- of what was not believed the newest word, where it still is so
create table refused as
    select kind, id_type, id_value, arg_max(members, date) as members, arg_max(detail, date) as detail,
        max(date) as date
    from conflict
    where case kind
        when 'cap' then date = $day
        when 'unheard' then date = $day
        when 'cut' then (id_type, id_value) in (select (id_type, id_value) from tie where not holds)
            or (id_type = 'record' and date = $day)
        else (id_type, id_value) not in (select (id_type, id_value) from held) end
    group by all
"""


@contextmanager
def tied(reader: Reader, identifiers: Mapping[str, Identifier]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that knows the release's identity.

    `owner`: record_id, customer_id. `held`: an identifier's owner now, and whether the owner is known.
    `tie`: record_id (NULL where left_type and left_value are an identifier, said to be of one person with another),
    customer_id, id_type, id_value (or 'record' and another record), rule (the identifier's type, else match or same),
    weight, source, first_seen, last_seen, life, one_end and other_end (the vertices; an identifier's begins with a
    tab), holder (whose the other end is), and holds: does it tie to the customer?
    `refused`: kind, id_type, id_value, members, detail, date.
    `person`: record_id, source and the fields, as text, of each record that describes one person.
    """
    tables: list[tuple[str, Table]] = [
        ("edge", IDENTITY_EDGE), ("record", IDENTITY_RECORD), ("ledger", LEDGER), ("conflict", IDENTITY_CONFLICT),
    ]  # fmt: skip
    ages = [(name, identifier.max_age) for name, identifier in identifiers.items() if identifier.max_age is not None]
    with connect() as connection:
        for name, table in tables:
            found = reader.dataset(table)
            connection.register(name, found if found is not None else arrow_schema(table).empty_table())
        aging = {"id_type": pa.array([name for name, _ in ages], pa.string()),
                 "max_age": pa.array([age for _, age in ages], pa.int32())}  # fmt: skip
        connection.register("aging", pa.table(aging))
        connection.register("person", _persons(reader))
        for statement in _VIEWS.split(";"):
            connection.execute(statement, {"day": reader.release.date} if "$day" in statement else None)
        yield connection


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame as dicts, by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _persons(reader: Reader) -> pa.Table:
    """What the sources say of people tonight. Grain: record."""
    found = reader.dataset(CONTACT.table)
    if found is None:
        return _PERSON.empty_table()
    return found.to_table(columns=_PERSON.names, filter=reader.current).cast(_PERSON)
