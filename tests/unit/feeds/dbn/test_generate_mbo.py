import json
from io import StringIO

import databento
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.synthetic import SyntheticPlan, generate


def test_the_file_holds_what_the_plan_gives(tmp_path):
    path, out = tmp_path / "day.dbn.zst", StringIO()
    options = {"instruments": 2, "publishers": 2, "ladder": "wide", "resting_orders": 100}
    call_command("generate_mbo", str(path), records=5_000, seed=3, json=True, stdout=out, **options)
    answer = json.loads(out.getvalue().splitlines()[-1])
    assert (answer["records"], answer["books"]) == (5_000, 4)
    assert answer["bytes"] == path.stat().st_size
    expected = np.concatenate(list(generate(SyntheticPlan(5_000, seed=3, **options))))
    with open_dbn(path) as file:
        assert np.array_equal(np.concatenate(list(file.batches())), expected)
        assert dict(file.symbols) == {1001: "SYN1", 1002: "SYN2"}
    assert databento.DBNStore.from_file(path).to_ndarray().tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "options",
    [{"records": -1}, {"records": 5, "trade_share": 3.0}, {"records": 5, "publishers": 0}],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, options):
    with pytest.raises(CommandError) as caught:
        call_command("generate_mbo", str(tmp_path / "day.dbn"), **options)
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        call_command("generate_mbo", str(tmp_path / "nowhere" / "day.dbn"), records=5)
