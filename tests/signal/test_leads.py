from __future__ import annotations

import pytest

from cape_fed.signal.leads import canonical_lead


@pytest.mark.parametrize(
    ("spelling", "lead"),
    [
        *(("DI", "I"), ("DII", "II"), ("DIII", "III"), ("D1", "I"), ("d2", "II"), ("Lead D3", "III")),
        *(("AVR", "aVR"), ("Lead II", "II"), ("ECG_V1", "V1"), ("MDC_ECG_LEAD_AVF", "aVF")),
        *(("D4", None), ("V7", None), ("", None), ("DV1", None)),
    ],
)
def test_spellings(spelling: str, lead: str | None) -> None:
    assert canonical_lead(spelling) == lead
