"""Great Expectations in a process of its own: it judges a night's figures, and then writes them as its Data Docs.

To import it takes seconds, so `jobs.engines.gate` starts this while Spark is busy with other things. Requests come as
lines of JSON on standard input; each is answered by two lines: what passed, and then where the pages are. Nothing of
the project is imported here, so that the process has nothing else to load.
"""

import html
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"

_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h5,h6{font-size:1rem;margin:0;overflow-wrap:anywhere}
.ge-section{border-top:1px solid var(--line);padding:.4rem 0}.ge-section th{font-weight:400}
.ge-section td,.ge-section th{border:0}.ge-section .table>thead{display:none}
@media (min-width:44rem){.ge-section>.row{display:grid;grid-template-columns:15rem 1fr;gap:1rem}}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th:first-child,td:first-child{width:5rem}td:last-child:nth-child(3){width:7rem}.n{text-align:right!important}
.text-success{color:#2a8}.text-danger{color:#d33}.text-warning{color:#c80}
i[class*=fa-check]::before{content:"\\2713 met"}i[class*=fa-times]::before{content:"\\2717 failed"}
i[class*=fa-exclamation]::before{content:"! failed"}i{font-style:normal;font-weight:600;white-space:nowrap}
p{color:color-mix(in srgb,currentColor 75%,transparent)}
"""
# Great Expectations' own templates for what is in a page, in a frame that loads nothing from a network.
_FRAME = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{{ page_title | e }}</title><style>" + _STYLE + "</style></head><body>"
)
_PAGE = (
    _FRAME + "<p><a href='index.html'>all checks of the night</a></p><h1>{{ page_title | e }}</h1>"
    "<p>{{ subtitle | e }}</p>{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}"
    "{% endfor %}</body></html>"
)
_INDEX = (
    _FRAME
    + "<p><a href='{{ report }}'>the night's report</a></p><h1>{{ page_title | e }}</h1><p>{{ subtitle | e }}</p>"
    "<table><tr><th>Status</th><th>Checks of</th><th>Owner</th><th class=n>checks</th><th class=n>failed</th></tr>"
    "{% for suite in suites %}<tr><td><i class='{{ suite.icon }}'></i></td>"
    "<td><a href='{{ suite.file }}'>{{ suite.name }}</a></td><td>{{ suite.owner | e }}</td>"
    "<td class=n>{{ suite.checks }}</td><td class=n>{{ suite.failed }}</td></tr>{% endfor %}</table></body></html>"
)
_MET, _FAILED = "fas fa-check-circle text-success", "fas fa-times text-danger"
_SEVERITY = {"stop": "critical", "warn": "warning", "quarantine": "info"}


class Judge:
    """Great Expectations, imported and ready."""

    def __init__(self) -> None:
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig
        from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
        from great_expectations.render.view.view import DefaultJinjaPageView
        from jinja2 import ChoiceLoader, DictLoader

        self._gx = gx
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        self._source = context.data_sources.add_pandas("night")
        self._asked = 0
        self._renderer = ValidationResultsPageRenderer()
        self._view: Any = DefaultJinjaPageView()
        ours = DictLoader({"page.j2": _PAGE, "index.j2": _INDEX})
        theirs: Any = self._view.env.loader
        self._view.env.loader = ChoiceLoader([ours, theirs])

    def judge(self, suites: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The validation result of each suite, in their order."""
        return [self._validated(suite) for suite in suites]

    def _validated(self, suite: Mapping[str, Any]) -> Any:
        import pandas as pd

        self._asked += 1
        asset = self._source.add_dataframe_asset(f"{suite['name']} {self._asked}")
        batch = asset.add_batch_definition_whole_dataframe("night").get_batch(
            {"dataframe": pd.DataFrame(suite["frame"])}
        )
        expectations = [self._expectation(item) for item in suite["expectations"]]
        result = batch.validate(self._gx.ExpectationSuite(name=suite["name"], expectations=expectations))
        for one in result.results:
            observed: Any = one.result.get("observed_value")
            if hasattr(observed, "item"):
                one.result["observed_value"] = round(observed.item(), 6)  # its pages cannot show numpy's numbers
        return result

    def _expectation(self, item: Mapping[str, Any]) -> Any:
        told = {
            "description": html.escape(item["text"]),
            "severity": _SEVERITY[item["gate"]],
            "meta": {"id": item["id"], "dimension": item["dimension"], "gate": item["gate"]},
        }
        expect = self._gx.expectations
        if item["expect"] == "equal":
            left, right = item["columns"]
            return expect.ExpectColumnPairValuesToBeEqual(
                column_A=left, column_B=right, ignore_row_if="neither", **told
            )
        return expect.ExpectColumnMaxToBeBetween(
            column=item["column"], min_value=item["at_least"], max_value=item["at_most"], **told
        )

    def write(self, request: Mapping[str, Any], results: Sequence[Any]) -> str:
        """The results as pages in the request's folder, all new. Gives the first page's path."""
        folder = Path(request["folder"])
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        suites = []
        for suite, result in zip(request["suites"], results, strict=True):
            file = f"{suite['name'].replace('/', '_')}.html"
            subtitle = f"{suite['subtitle']} {request['title']}."
            document = self._renderer.render(result)
            document.page_title, document.sections = suite["name"], document.sections[1:]  # its overview tells nothing
            page = self._view.render(document, subtitle=subtitle)
            (draft / file).write_text(page, encoding="utf-8")
            failed = sum(not one.success for one in result.results)
            suites.append(
                {
                    "name": suite["name"], "owner": suite["owner"], "file": file, "checks": len(result.results),
                    "failed": failed, "icon": _FAILED if failed else _MET,
                }
            )  # fmt: skip
        index = self._view.env.get_template("index.j2").render(
            page_title="Checks of the night", subtitle=request["title"], report=request["report"], suites=suites
        )
        (draft / "index.html").write_text(index, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        return str(folder / "index.html")


def passed(results: Sequence[Any]) -> dict[str, bool]:
    """Id of an expectation -> whether it is met. Raises RuntimeError where one could not be judged."""
    found: dict[str, bool] = {}
    for one in (one for result in results for one in result.results):
        told = one.exception_info or {}
        for raised in (told, *(part for part in told.values() if isinstance(part, dict))):  # one, or one a metric
            if raised.get("raised_exception"):
                raise RuntimeError(f"{one.expectation_config.meta['id']}: {raised.get('exception_message')}")
        found[one.expectation_config.meta["id"]] = bool(one.success)
    return found


def main() -> None:
    """Answer requests until there are no more."""
    os.nice(10)  # the night itself goes first
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    judge = Judge()
    for line in sys.stdin:
        request = json.loads(line)
        for answer in _answers(judge, request):
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


def _answers(judge: Judge, request: Mapping[str, Any]) -> Any:
    try:
        results = judge.judge(request["suites"])
        yield {"passed": passed(results)}
    except Exception as error:
        yield {"error": f"{type(error).__name__}: {error}"}
        yield {"error": "nothing was judged"}
        return
    try:
        yield {"docs": judge.write(request, results) if request["folder"] else None}
    except Exception as error:
        yield {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
