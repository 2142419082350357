"""The layout of the store, and what an earlier one called otherwise.

A column that is new needs no word here: where a table lacks it, it is read as NULL, and the next write adds it.
"""

# Counted up when tables change in a way that an older Portrait would read wrongly, or when MOVED grows.
LAYOUT = 2
# Table -> a column of an earlier layout -> its name now; None: it is gone. A name given up is never used again.
MOVED: dict[str, dict[str, str | None]] = {
    # what a tag costs is told by the stage, so that equal nights leave equal catalogues (layout 1)
    "gold/tag_catalog": {"seconds": None},
}
