"""FedAvg: the mean of the sites' encoders, weighted by patients (McMahan et al. 2017)."""

from __future__ import annotations

from cape_fed.methods.base import Method, NoOptions


class FedAvg(Method[NoOptions]):
    """Federated averaging."""

    name = "fedavg"
