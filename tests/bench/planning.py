"""How long it takes to read, check and plan many tags: of every kind, some built on others.

    python -m tests.bench.planning [TAGS]

`validate` is the whole command, a process of its own, on a project with the demo's sources.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transforms.tags.definition import parse_tags
from transforms.tags.plan import plan_tags

ROOT = Path(__file__).resolve().parents[2]
HEAD = (
    "tag: {name}\ntitle: {{en: Tag {name}, zh: 标签 {name}}}\ndescription: For a measurement.\nowner: bench\n"
    "status: online\n"
)
BOUGHT = "purposes: [marketing]\nfrom: transaction\nwhere: status = 'purchase' and amount > {n}\nwindow: {days}d\n"
# One of each, in turn; {n} tells them apart, {one} and {other} are statistics before them.
KINDS = (
    BOUGHT + "select: sum(amount)\ndefault: 0\nchecks: [{{expect: value >= 0}}]\n",
    BOUGHT + "select: count(distinct product_id)\ndefault: 0\n",
    BOUGHT + "select: sum(if(category = 'c{n}', amount, 0)) / nullif(sum(amount), 0)\n",
    BOUGHT + "first: channel\n",
    BOUGHT + "last: category\n",
    "purposes: [marketing]\nfrom: customer\nselect: if(city = 'city {n}', initcap(city), region)\n",
    BOUGHT + "preference: {{of: category, weight: amount, top: 3, half_life: 60d}}\n",
    "select: {one} / nullif({other}, 0) + {n}\n",
    "type: enum\nvalues: [high, low]\ncases: [{{value: high, when: {one} > {n} and {other} > 3}}]\ndefault: low\n",
    "purposes: [marketing]\nwindow: 30d\nsequence: [{{event: web_event, where: dwell_seconds > {n}}}, "
    "{{event: transaction, within: 2d, not: true}}]\n",
    "purposes: [marketing]\nsql: select customer_id, sum(amount) as value from {{transaction}} "
    "where quantity > {n} group by customer_id\n",
    "purposes: [marketing]\ntype: text\nimport: list.csv\n",
    BOUGHT + "model: rfm\nrecency: ordered_at\nfrequency: count(distinct order_id)\nmonetary: sum(amount)\n"
    "cases: [{{value: best, when: r >= 4}}]\ndefault: rest\n",
    "model: kmeans\nfeatures: [{one}, {other}]\n",
)  # fmt: skip


def definitions(number: int) -> dict[str, str]:
    """Place -> YAML of so many tags."""
    files = {}
    for n in range(number):
        turn, kind = divmod(n, len(KINDS))
        names = {"one": f"t{turn * len(KINDS)}", "other": f"t{turn * len(KINDS) + 1}"}
        body = KINDS[kind].format(n=n, days=30 + n % 300, **names)
        files[f"tag_definitions/bench/t{n}.yml"] = HEAD.format(name=f"t{n}") + body
    return files


def main(number: int = 500) -> None:
    """Print the seconds that reading, planning and `portrait validate` take."""
    files = definitions(number)
    began = time.perf_counter()
    tags = parse_tags(files)
    read = time.perf_counter()
    plan = plan_tags(tags, timezone="Europe/Berlin")
    planned = time.perf_counter()
    print(f"{number} tags: read and checked in {read - began:.2f} s, planned in {planned - read:.2f} s, "
          f"{sum(len(entity.scans) for entity in plan.entities)} scans")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "conf", Path(folder, "conf"))
        for kept in ("audiences", "exports"):
            shutil.rmtree(Path(folder, "conf", kept), ignore_errors=True)
        Path(folder, "list.csv").write_text("id_type,id_value,value\nemail,a@x.org,a\n")
        for place, text in files.items():
            file = Path(folder, place)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        keys = {"PORTRAIT_CUSTOMER_KEY": "c" * 40, "PORTRAIT_ERASURE_KEY": "e" * 40}
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "jobs.cli", "validate", "--conf", str(Path(folder, "conf"))],
            check=True, cwd=ROOT, env={**os.environ, **keys}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"portrait validate: {time.perf_counter() - began:.2f} s, "
            f"{used.ru_utime + used.ru_stime:.2f} s of a processor"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
