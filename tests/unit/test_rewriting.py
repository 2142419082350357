"""Files written anew hold nothing of the rows that were taken out of them, and all of the others."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from jobs.runtime.rewriting import take_out
from jobs.runtime.tables import Lakehouse

CARDS = ["card-of-ann", "card-of-bob", None, "card-of-cid"]


def test_lists_of_distinct_texts_lose_what_only_those_rows_had(tmp_path: Path) -> None:
    lakehouse, place = Lakehouse(str(tmp_path)), tmp_path / "gold" / "x"
    rows = {"card": CARDS * 500, "note": [f"note {number}" for number in range(2000)], "n": range(2000)}
    ids = pa.array([[("phone", [card])] for card in rows["card"]], pa.map_(pa.string(), pa.list_(pa.string())))
    data = pa.table({**rows, "ids": ids})
    write_deltalake(str(place), data)
    (file,) = DeltaTable(str(place)).file_uris()
    pq.write_table(data, file, row_group_size=600, compression="NONE")  # several lists, and bytes that can be read
    before = pd.read_parquet(file)
    gone = [number for number, card in enumerate(rows["card"]) if card == "card-of-ann"]
    take_out(lakehouse, "gold/x", 0, {file: [*gone, 1999]})
    (anew,) = DeltaTable(str(place)).file_uris()
    kept = before[(before["card"] != "card-of-ann") & (before["n"] < 1999)].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(anew), kept)
    content = Path(anew).read_bytes()
    assert b"card-of-bob" in content and b"card-of-ann" not in content
    assert pq.read_schema(anew).field("card").type == pa.string()
