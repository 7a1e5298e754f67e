"""No proxy comes between the processes of a site."""

from __future__ import annotations

import pytest

from cape_fed.site.proxy import without_proxy_on_loopback


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "127.0.0.1,localhost,::1"),
        ("hospital.org", "hospital.org,127.0.0.1,localhost,::1"),
        ("localhost, a.b", "localhost,a.b,127.0.0.1,::1"),
    ],
)
def test_loopback_is_added_to_what_goes_directly(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", given)
    assert without_proxy_on_loopback() == {"NO_PROXY": expected, "no_proxy": expected}


def test_where_nothing_goes_through_a_proxy_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    assert without_proxy_on_loopback() == {}
