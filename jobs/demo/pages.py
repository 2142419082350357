"""The shop's pages, and which of them a visit goes through."""

from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jobs.demo.agents import SEARCHES
from jobs.demo.chance import Ints
from jobs.demo.purchases import Purchases

# What a hit that is neither a visit's first nor its last is, by shares up to which each goes.
_KINDS = ("product", "category", "search", "cart", "asset", "home")
_UP_TO = np.cumsum([0.52, 0.2, 0.09, 0.07, 0.07])
_SUFFIXES = ("", "", "", "?ref=list", "?ref=search", "?color=&size=2", "?utm_source=newsletter&utm_medium=email")
_ASSETS = ("/static/app.css", "/static/app.js", "/favicon.ico", "/static/logo.png")


class Pages:
    """Paths by kind. A visitor's taste is a category, of which most of the products looked at are."""

    def __init__(self, purchases: Purchases) -> None:
        bought = np.unique(purchases.product[purchases.product >= 0])
        named = (
            purchases.products.take(pa.array(bought))
            .drop_null()
            .sort_by([("product_category", "ascending"), ("product_id", "ascending")])
        )
        self.product = named["product_id"].combine_chunks().cast(pa.string())
        names, starts = np.unique(
            named["product_category"].to_numpy(zero_copy_only=False).astype(str), return_index=True
        )
        self.category = pa.array([quote(name.lower().replace("/", "-").replace(" ", "-"), safe="-") for name in names])
        self.starts = starts
        self.sizes = np.diff([*starts, len(self.product)])

    def visited(
        self, taste: Ints, position: Ints, length: Ints, at_login: NDArray[np.bool_], rng: np.random.Generator
    ) -> pa.Array:
        """The URL of each hit. A visit of some length may end in the cart and at the checkout."""
        many = len(taste)
        kind = np.searchsorted(_UP_TO, rng.random(many))
        kind = np.where((position == 0) & (rng.random(many) < 0.5), _KINDS.index("home"), kind)
        ending = (length >= 8) & (taste % 3 == 0)
        kind = np.where(ending & (position == length - 2), _KINDS.index("cart"), kind)
        own = taste % len(self.sizes)
        category = np.where(rng.random(many) < 0.6, own, rng.integers(0, len(self.sizes), many))
        product = self.starts[category] + (rng.random(many) ** 2 * self.sizes[category]).astype(np.int64)
        url = pc.choose(
            pa.array(kind),
            pc.binary_join_element_wise(
                "/product/", self.product.take(pa.array(product)), _any(_SUFFIXES, many, rng), ""
            ),
            pc.binary_join_element_wise("/category/", self.category.take(pa.array(category)), ""),
            pc.binary_join_element_wise("/search?q=", _any(SEARCHES, many, rng), ""),
            "/cart",
            _any(_ASSETS, many, rng),
            "/",
        )
        url = pc.if_else(pa.array(ending & (position == length - 1)), "/checkout", url)
        return pc.if_else(pa.array(at_login), "/login", url)


def _any(values: tuple[str, ...], many: int, rng: np.random.Generator) -> pa.Array:
    return pa.array(values).take(pa.array(rng.integers(0, len(values), many)))
