"""A suite that nobody here wrote: ``tracebook-conformance`` against the engine.

It compares every outcome, trade and queue with its own reference engine, event by event.
"""

import sys
from dataclasses import replace
from pathlib import Path

from tracebook.conformance.external import ExternalProcessAdapterFactory
from tracebook.conformance.qualification import run_qualification
from tracebook.conformance.suite import copy_bundled_conformance_suite, run_conformance_suite

ROOT = Path(__file__).parents[2]
ADAPTER = ExternalProcessAdapterFactory(
    [sys.executable, "-m", "tests.conformance.adapter"], timeout_seconds=60, cwd=ROOT
)
CLAIMED_CASES = {
    "fifo-lifecycle",
    "order-instructions",
    "stp-cancel-resting",
    "stp-cancel-resting-deep",
    "stp-cancel-incoming",
    "multi-symbol",
    "tick-grid",
    "deep-cancellation",
}
"""All of the suite but pro-rata allocation, which is not how this engine matches."""


def test_the_engine_qualifies_for_the_full_fifo_profile() -> None:
    result = run_qualification(ADAPTER, "fifo-full-v1", seed=42, traces=25, events_per_trace=200)
    assert result.campaign.failure is None
    assert result.coverage_complete
    assert result.qualified
    assert len(result.campaign.traces) == 25


def test_the_engine_passes_every_fixture_that_it_claims(tmp_path: Path) -> None:
    suite = copy_bundled_conformance_suite(tmp_path / "v2", suite_version="v2")
    cases = tuple(case for case in suite.cases if case.name in CLAIMED_CASES)
    assert {case.name for case in suite.cases} - CLAIMED_CASES == {"pro-rata-allocation"}
    assert len(cases) == len(CLAIMED_CASES)
    report = run_conformance_suite(replace(suite, cases=cases), ADAPTER)
    divergences = {case["name"]: case["report"]["divergence"] for case in report["cases"]}
    assert divergences == dict.fromkeys(CLAIMED_CASES)
    assert report["conformant"]
