"""Where a run is shown besides its own directory."""

from __future__ import annotations

from pydantic import Field, field_validator

from cape_fed.errors import InputError
from cape_fed.section import Section


class TrackingConfig(Section):
    """Options for TensorBoard and MLflow; both are off unless asked for."""

    tensorboard: bool = Field(default=False, description="write event files for TensorBoard to tensorboard/ in out=")
    mlflow: str | None = Field(default=None, description="MLflow server (http://...) or a local directory")
    experiment: str = Field(default="cape-fed", min_length=1, description="name of MLflow's experiment")

    @property
    def on(self) -> bool:
        """Whether a run is shown anywhere else."""
        return self.tensorboard or self.mlflow is not None

    @field_validator("mlflow")
    @classmethod
    def _without_password(cls, address: str | None) -> str | None:
        if address is not None and "@" in address.partition("://")[2].partition("/")[0]:
            raise InputError(
                "tracking.mlflow holds a password: give it by MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return address or None
