"""TensorBoard and MLflow, each through its own package of the extra ``tracking``."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cape_fed.errors import InputError
from cape_fed.extras import require
from cape_fed.files import atomic_file
from cape_fed.rundir import MLFLOW_FILE, TENSORBOARD_FOLDER

_SERVER = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_NOT_IN_NAMES = re.compile(r"[^\w\-. /:]")
"""What MLflow allows in no name of a metric."""
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""MLflow by itself waits for minutes."""


class TensorBoardSink:
    """Event files in ``tensorboard/`` of the run's directory, written anew where a run goes on from an earlier step."""

    name = "TensorBoard"

    def __init__(self, out: Path) -> None:
        require("tracking", "tensorboard", "tracking.tensorboard")
        self._folder = out / TENSORBOARD_FOLDER
        self._writer: Any = None

    def begin(self) -> None:
        """See ``Sink``."""
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is not None:
            self._writer.close()
        for old in self._folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = SummaryWriter(str(self._folder))  # type: ignore[no-untyped-call,unused-ignore]

    def write(self, step: int, numbers: Mapping[str, float], time: str) -> None:
        """See ``Sink``."""
        seconds = datetime.fromisoformat(time).timestamp()
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step, walltime=seconds)
        self._writer.flush()

    def close(self, *, failed: bool) -> None:
        """See ``Sink``."""
        if self._writer is not None:
            self._writer.close()


class MlflowSink:
    """A run of an MLflow experiment; one that goes on is the same run there, with no step twice."""

    name = "MLflow"

    def __init__(self, out: Path, address: str, experiment: str) -> None:
        require("tracking", "mlflow", "tracking.mlflow")
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        if not _SERVER.match(address):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # whoever names a directory wants one
            address = Path(address).resolve().as_uri()
        from mlflow import MlflowClient

        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._file, self._run_name = out / MLFLOW_FILE, out.name
        self._run = ""
        self._last: dict[str, int] = {}
        try:
            self._client = MlflowClient(address)
            known = self._client.get_experiment_by_name(experiment)
            self._experiment = known.experiment_id if known else self._client.create_experiment(experiment)
        except Exception as error:
            what = f"{address} cannot be used ({type(error).__name__})"
            raise InputError(f"tracking.mlflow: {what}: is it there?") from None

    def begin(self) -> None:
        """See ``Sink``; what MLflow has already is not sent again: a run that goes on repeats the same numbers."""
        if not self._run:
            self._run = self._former() or self._created()
        held = self._client.get_run(self._run).data.metrics
        self._last = {name: max(one.step for one in self._history(name)) for name in held}

    def write(self, step: int, numbers: Mapping[str, float], time: str) -> None:
        """See ``Sink``."""
        from mlflow.entities import Metric

        stamp = round(datetime.fromisoformat(time).timestamp() * 1000)
        named = {_NOT_IN_NAMES.sub("_", name): value for name, value in numbers.items()}
        new = {name: value for name, value in named.items() if step > self._last.get(name, -1)}
        metrics = [Metric(name, value, stamp, step) for name, value in new.items()]
        for start in range(0, len(metrics), 1000):  # MLflow takes no more at once
            self._client.log_batch(self._run, metrics[start : start + 1000])
        self._last.update(dict.fromkeys(new, step))

    def close(self, *, failed: bool) -> None:
        """See ``Sink``."""
        if self._run:
            self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")

    def _history(self, name: str) -> Any:
        return self._client.get_metric_history(self._run, name)

    def _former(self) -> str | None:
        """The run that this directory was shown as before, if MLflow still has it."""
        try:
            run: str = json.loads(self._file.read_text())["run"]
            self._client.update_run(run, status="RUNNING")
        except Exception:
            return None
        return run

    def _created(self) -> str:
        run: str = self._client.create_run(self._experiment, run_name=self._run_name).info.run_id
        with atomic_file(self._file) as partial:
            partial.write_text(json.dumps({"run": run}) + "\n")
        return run
