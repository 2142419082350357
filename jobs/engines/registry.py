"""MLflow: what was fitted, as runs and as versions of registered models.

A night scores with the parameters in gold/model, so that it needs no registry: this is where people look and compare.
MLflow gives runs ids by chance; a run is found again by the hash of what was fitted, so that a night that was killed
and run again finds its own and leaves the same tables. MLflow is imported late: it takes seconds.
"""

import hashlib
import json
import logging
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.runtime.configuration import Configuration
from jobs.runtime.console import scrubbed
from jobs.runtime.night import Night

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from jobs.engines.released_models import Model

EXPERIMENT = "portrait"
_SQLITE = "sqlite:///"
# of the run: a hash of what was fitted
_KEY = "portrait.model"


def registered(night: Night, models: Sequence["Model"]) -> list["Model"]:
    """The models, each with the name of its run and its version in the registry.

    Logged are parameters, figures, the versions of the tables that were read and the configuration's hash; no row of
    a customer, and of a personal or sensitive tag no parameters. A registry that is not to be had is told in one line,
    and the models are returned as they came.
    """
    if night.conf.pipeline.mlflow is None or not models:
        return list(models)
    done: list[Model] = []
    try:
        client = _client(night.conf)
        experiment = _experiment(client, night.conf)
        for model in models:
            done.append(_registered(client, experiment, night, model))
    except Exception as error:  # whatever a store, its driver or a server raises
        night.warn(
            f"{_place(night)}: tonight's models are not logged ({_hidden(scrubbed(str(error)))}); they score as well"
        )
    return [*done, *models[len(done) :]]


def tell_gone(night: Night, models: Sequence["Model"]) -> None:
    """One line where models of the last release are no longer in the registry. They go on scoring."""
    named = [model for model in models if model.mlflow_version is not None]
    if night.conf.pipeline.mlflow is None or not named:
        return
    try:
        held = _held(night.conf, named)
    except Exception as error:
        night.warn(
            f"{_place(night)}: cannot be read ({_hidden(scrubbed(str(error)))}); the released models score as before"
        )
        return
    gone = [f"{model.tag} version {model.mlflow_version}" for model in named if _at(model) not in held]
    if gone:
        night.warn(
            f"{_place(night)}: gone from the registry: {', '.join(gone)}; the released models "
            "score as before from gold/model; portrait run --refit fits and registers them anew"
        )


def _place(night: Night) -> str:
    return f"mlflow: {_hidden(str(night.conf.pipeline.mlflow))}"


def _hidden(text: str) -> str:
    """An address without a name and a password in it."""
    return re.sub(r"//[^/\s]*@", "//…@", text)


def name_of(tag: str) -> str:
    """What a tag's model is called in the registry."""
    return f"{EXPERIMENT}.{re.sub(r'[^a-z0-9]+', '_', tag)}"


def _at(model: "Model") -> tuple[str, int]:
    return name_of(model.tag), int(model.mlflow_version or 0)


# -- what is there


def _store(conf: Configuration) -> str:
    """The store's URI; a file's path starts at the project's root."""
    uri = str(conf.pipeline.mlflow)
    if not uri.startswith(_SQLITE):
        return uri
    return _SQLITE + str(Path(conf.root, uri.removeprefix(_SQLITE)))


def _held(conf: Configuration, models: Sequence["Model"]) -> set[tuple[str, int]]:
    """Those of the models' versions that the registry has. A file is looked into: MLflow takes seconds to import."""
    uri = _store(conf)
    if not uri.startswith(_SQLITE):
        return set(_held_by_server(_client(conf), models))
    file = Path(uri.removeprefix(_SQLITE))
    if not file.is_file():
        return set()
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as store:
        rows = store.execute("select name, version, current_stage, source from model_versions").fetchall()
    return {(name, int(number)) for name, number, stage, source in rows if not stage.startswith("Del") and _is(source)}


def _is(source: str) -> bool:
    """Is the model's file still there? Of another place than a local folder the registry's word is taken."""
    return not source.startswith("file://") or Path(source.removeprefix("file://"), "parameters.json").is_file()


def _held_by_server(client: "MlflowClient", models: Sequence["Model"]) -> Iterator[tuple[str, int]]:
    for name in sorted({name_of(model.tag) for model in models}):
        for found in client.search_model_versions(f"name = '{name}'"):
            yield name, int(found.version)


# -- what is added


def _client(conf: Configuration) -> "MlflowClient":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # a night does not wait minutes for a server that is away
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow import MlflowClient

    for noisy in ("mlflow", "alembic", "urllib3.connectionpool"):  # importing it sets its own levels
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return MlflowClient(_store(conf), _store(conf))


def _experiment(client: "MlflowClient", conf: Configuration) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    local = Path(conf.root, "mlartifacts").as_uri() if _store(conf).startswith(_SQLITE) else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=local))


def _registered(client: "MlflowClient", experiment: str, night: Night, model: "Model") -> "Model":
    content = {"parameters": model.parameters, "quality": model.quality}
    shown = model.for_everybody(night.conf.tags)
    told = [model.tag, model.kind, model.version, model.definition, str(model.fitted_on), content]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    name = f"{model.tag} {model.version} {model.fitted_on} {key[:8]}"
    found = client.search_runs([experiment], f"tags.`{_KEY}` = '{key}'", max_results=1)
    run = found[0] if found else client.create_run(experiment, run_name=name, tags={_KEY: key})
    if run.info.status != "FINISHED":  # new, or of a night that was killed
        _log(client, run, night, shown)
    return replace(model, mlflow_run=name, mlflow_version=_version(client, run, name_of(model.tag)))


def _log(client: "MlflowClient", run: "Run", night: Night, model: "Model") -> None:
    from mlflow.entities import Metric, Param

    params = {
        "tag": model.tag, "kind": model.kind, "version": model.version, "definition": model.definition,
        "fitted_on": model.fitted_on, "configuration": night.conf.hash, "code": version("portrait"),
        **{f"data/{table}": number for table, number in sorted(night.stage.inputs.items())},
    }  # fmt: skip
    metrics = [Metric(name, value, 0, 0) for name, value in figures_of(model.quality)]
    params_ = [Param(name, str(value)) for name, value in params.items()]
    client.log_batch(run.info.run_id, params=params_, metrics=metrics)
    for part, data in (("parameters", model.parameters), ("quality", model.quality)):
        client.log_dict(run.info.run_id, data, f"{part}.json")
    client.set_terminated(run.info.run_id)


def figures_of(quality: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, float]]:
    """The figures among what is told of a model's quality, each by its path: names that MLflow takes."""
    for key, value in quality.items():
        name = f"{at}{re.sub(r'[^A-Za-z0-9_. -]+', '_', str(key))}"
        if isinstance(value, Mapping):
            yield from figures_of(value, f"{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)


def _version(client: "MlflowClient", run: "Run", name: str) -> int:
    """The version of the registered model that the run gave; a new one where it gave none yet."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    known = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    if known:
        return min(int(one.version) for one in known)
    return int(client.create_model_version(name, source=run.info.artifact_uri, run_id=run.info.run_id).version)
