"""The page docs/reference/storage.md: which folder of a lakehouse holds what of people, and who is to read it."""

from jobs.gold import RESTRICTED
from jobs.lookups.known_members import NIGHTS
from jobs.pages.writing import grid
from transforms.privacy import NO_ROLE
from transforms.profile import PROFILE
from transforms.schemas import FIXED_TABLES, OPS_ERASURE, OPS_RELEASE, QUARANTINE, Table

PIPELINE, PEOPLE = "the pipeline alone", "the pipeline, and who must see names and addresses"
ALL_TAGS, ANALYSTS, ENGINEERS = "analysts who may see every tag", "analysts", "engineers"
_LAYERS = {"silver": PIPELINE, "identity": PIPELINE, "tag": PIPELINE, "gold": ANALYSTS, "ops": ENGINEERS}
# What was sealed is opened by the erasure key; without the newest release nobody knows which version to read.
_OF_THEIR_OWN = {OPS_ERASURE.name: PIPELINE, OPS_RELEASE.name: "engineers, and whoever reads gold"}
# Tables whose columns no schema here names: path, what is in them, who reads them.
_OF_YAML = (
    ("bronze/<source>", "every column, as it landed", PIPELINE),
    ("tag/<entity>", "by its tags", PIPELINE),
    (PROFILE, "by its tags", ALL_TAGS),
)
_RAW = {QUARANTINE.name: "`raw`, as it landed"}
_ELSEWHERE = (
    ("`_landing/`", "rows on their way, in clear", PIPELINE),
    ("`ops/reports/`", "nothing of persons", ENGINEERS),
    ("`logs/`, beside the lakehouse", "nothing of persons", ENGINEERS),
    ("the MLflow store and its artefacts", "nothing of persons", "engineers, analysts"),
    ("each export's folder", "what its role may hold", "its receiver"),
    ("`conf/`, `.env`", "the keys, and persons that decisions by hand name", "who runs the pipeline"),
)

_MADE = "<!-- Made by `python -m jobs.project.reference`; edit the code instead. -->"
_BEFORE = """\
Portrait writes files; only the store can keep anybody from reading them. Grant by folder, below `<lakehouse>/`; a
table's log lies in its folder and needs the same grant. Grant nothing by default: what is not named for a reader is
not theirs. `portrait query` and notebooks show whoever reads the tables that are granted to them."""
_AFTER = """\
Who may not see every tag is granted neither `gold/customer_profile` and `gold/tag_change` nor members of audiences (who
is in one tells what it is cut by), but the folder of an export with `columns: all` and their `role`: see the guides on
privacy and on exports."""


def storage() -> str:
    """Every table's folder with what is personal or sensitive in it and who reads it, by the schemas."""
    rows = [(name, kept_back(table), reader(table)) for name, table in FIXED_TABLES.items()]
    rows = [*((f"`{name}`", told, who) for name, told, who in sorted([*rows, *_OF_YAML])), *_ELSEWHERE]
    table = grid(["folder", "personal or sensitive in it", "who reads it"], [list(row) for row in rows])
    return "\n\n".join(["# Storage: what to grant to whom", _MADE, _BEFORE, table, _AFTER]) + "\n"


def kept_back(table: Table) -> str:
    """The table's columns that whoever has no role does not see."""
    names = [f"`{c.name}`" for c in table.columns if NO_ROLE.shows(c.name, c.sensitivity) != "allow"]
    return _RAW.get(table.name) or ", ".join(names) or "nothing"


def reader(table: Table) -> str:
    """Who is to read a table with a fixed schema."""
    if table.name in RESTRICTED:
        return PEOPLE
    if table.name in _OF_THEIR_OWN:
        return _OF_THEIR_OWN[table.name]
    who = _LAYERS[table.name.partition("/")[0]]
    tells = table.name in NIGHTS or kept_back(table) != "nothing"  # who is in an audience tells what it is cut by
    return ALL_TAGS if who == ANALYSTS and tells else who
