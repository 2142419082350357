"""`portrait demo`: one company's extracts, three nights over them, and what came out."""

import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

import pandas as pd

from jobs.demo.extracts import DEMO_NIGHTS, arrive, write_extracts
from jobs.lookups.customer import show_customer
from jobs.lookups.reading import night_figures, show_figures
from jobs.pipeline import run_night
from jobs.runtime.configuration import Configuration, load_configuration
from jobs.runtime.console import Screen
from jobs.runtime.night import Night
from jobs.runtime.releases import newest
from jobs.runtime.tables import Lakehouse
from transforms.errors import DefinitionError
from transforms.identity.evaluate import PairScores, pairwise

FOLDER = "demo"


def run_demo(conf: Path, env: str | None, *, scale: int, seed: int, screen: Screen) -> None:
    """Write the extracts, run the nights, and show the way around. Replaces an earlier demo, and nothing else."""
    root = conf.absolute().parent
    folder = root / FOLDER
    write_keys(root / ".env")
    # the demo reads and writes its own folder, whatever the environment says
    os.environ.update({name.upper(): str(folder / name) for name in ("extracts", "lakehouse", "exports")})
    loaded = load_configuration(conf, env)
    for name in ("lakehouse", "exports"):
        shutil.rmtree(folder / name, ignore_errors=True)
    began = time.monotonic()
    with screen.working("writing the extracts"):
        write_extracts(folder, scale=scale, seed=seed)
    screen.progress(f"extracts   {time.monotonic() - began:>7.1f} s")
    nights, session = [], None
    for day in DEMO_NIGHTS:
        screen.progress(f"night of {day}")
        arrive(folder, day)
        night = run_night(loaded, day, screen=screen, session=session)
        session = night.spark
        nights.append(night)
    _show(loaded, nights, folder, screen)


def write_keys(file: Path) -> None:
    """Make the project's keys, once: they name customers, so another key would name everybody anew.

    The file is there with both or not at all, or whoever runs this again would be left without.
    """
    if file.exists():
        return
    names, draft = ("PORTRAIT_CUSTOMER_KEY", "PORTRAIT_ERASURE_KEY"), file.with_name(f"{file.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{name}={secrets.token_hex(32)}\n" for name in names), encoding="utf-8")
    draft.replace(file)


def _show(conf: Configuration, nights: list[Night], folder: Path, screen: Screen) -> None:
    lakehouse = Lakehouse(conf.lakehouse)
    scores = [_scores(lakehouse, night, folder) for night in nights]
    for night in nights:
        screen.say(f"\nNIGHT OF {night.day}\n")
        show_figures(night_figures(night), screen)
    rows = [[night.day, s.precision, s.recall, s.f1] for night, s in zip(nights, scores, strict=True)]
    screen.table("Customers found against the truth (pairs of records)", ["night", "precision", "recall", "F1"],
                 [[day, f"{p:.4f}", f"{r:.4f}", f"{f:.4f}"] for day, p, r, f in rows])  # fmt: skip
    if not screen.as_json:
        screen.say("ONE CUSTOMER\n")
        show_customer(conf, _someone(lakehouse, nights[-1]), screen)
        _ways_on(conf, nights[-1], folder, screen)
    screen.result(
        {
            "nights": [{"date": night.day, "run_id": night.run_id, **night_figures(night)} for night in nights],
            "identity": [{"date": day, "precision": p, "recall": r, "f1": f} for day, p, r, f in rows],
            "lakehouse": conf.lakehouse,
        }
    )  # fmt: skip


def _scores(lakehouse: Lakehouse, night: Night, folder: Path) -> PairScores:
    """How right the identities of a night are, over the records that it knew of."""
    record = lakehouse.dataset("identity/record", night.release.versions["identity/record"]) if night.release else None
    if record is None:
        raise DefinitionError(f"{lakehouse.uri}: the night of {night.day} is not released; run the demo again")
    owners = record.to_table().to_pandas()
    parts = owners["record_id"].str.split(":", n=1, expand=True)
    assigned = pd.DataFrame({"source": parts[0], "key": parts[1], "customer_id": owners["customer_id"]})
    truth = pd.read_csv(folder / "truth" / "truth.csv", dtype=str)
    return pairwise(assigned, truth)


def _someone(lakehouse: Lakehouse, night: Night) -> str:
    """A customer worth a look: the one with most identifier types, then the smallest id."""
    opened = lakehouse.dataset("identity/customer_id", night.versions["identity/customer_id"])
    if opened is None:
        raise DefinitionError(f"{lakehouse.uri}: no identifiers; run the demo again")
    ledger = opened.to_table().to_pandas()
    types = ledger[ledger["valid_to"].isna() & ledger["known"]].groupby("customer_id")["id_type"].nunique()
    return str(min(types[types == types.max()].index))


def _ways_on(conf: Configuration, night: Night, folder: Path, screen: Screen) -> None:
    release = newest(Lakehouse(conf.lakehouse))
    places: list[list[Any]] = [
        ["extracts", str(folder / "extracts")],
        ["lakehouse", conf.lakehouse],
        ["profile", f"{conf.lakehouse}/gold/customer_profile"],
        ["report", str(night.figures_of("report").get("path"))],
        ["Spark's log", str(night.log)],
    ]
    screen.table(f"Where everything lies (release {release.release if release else '-'})", ["what", "where"], places)
    tries = [
        ["portrait status", "how the nights went"],
        ["portrait show email:…", "any customer by any identifier"],
        ["portrait identity audit", "who is worth a look, and why"],
        [f"portrait identity evaluate --truth {FOLDER}/truth/truth.csv", "where the identities are wrong"],
        ["portrait plan", "what the next night would do"],
        ["portrait run --date 2017-12-30 --again", "the newest night once more: the same tables"],
        [f"portrait restore --to {night.base.run_id if night.base else ''}", "the day before yesterday's state again"],
        ["edit a file in tag_definitions/, then portrait validate", "your first tag"],
    ]
    screen.table("What to try next (in .venv/bin)", ["command", "for"], tries)
