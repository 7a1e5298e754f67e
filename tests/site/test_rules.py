"""What a site lets itself be asked, one rule at a time; a new rule needs its registration and nothing else."""

from __future__ import annotations

import pytest

from cape_fed.federation.failures import SiteFailure
from cape_fed.site import policy, rules
from cape_fed.site.config import SiteConfig
from cape_fed.site.errors import PolicyError
from cape_fed.site.policy import Policy
from tests.site.conftest import request


def test_a_site_for_evaluation_does_not_train(site: SiteConfig) -> None:
    evaluates = site.model_copy(update={"role": "evaluate"})
    Policy(site).admit("train", request())
    Policy(evaluates).admit("evaluate", request())
    Policy(evaluates).admit("join", None)
    with pytest.raises(PolicyError, match="evaluation only"):
        Policy(evaluates).admit("train", request())


def test_steps_are_bounded(site: SiteConfig) -> None:
    Policy(site).admit("train", request(local_steps=5))
    with pytest.raises(PolicyError, match=r"6 steps .* limits.local_steps allows 5"):
        Policy(site).admit("train", request(local_steps=6))


def test_a_rule_is_one_function_and_its_registration(site: SiteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_on_the_first_round(asked: rules.Asked, where: SiteConfig) -> str | None:
        return "too early" if asked.request is not None and asked.request.round == 0 else None

    monkeypatch.setattr(rules, "RULES", [*rules.RULES, (SiteFailure.POLICY, not_on_the_first_round)])
    monkeypatch.setattr(policy, "RULES", rules.RULES)
    Policy(site).admit("train", request(round=1))
    with pytest.raises(PolicyError, match="too early"):
        Policy(site).admit("train", request(round=0))
