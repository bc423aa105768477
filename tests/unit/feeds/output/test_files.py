from pathlib import Path

import pytest

from market.feeds.output.files import CannotWrite, WholeFile


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    file = WholeFile(str(path))
    file.write(b"new")
    assert path.read_bytes() == b"old"
    file.finish()
    file.abandon()
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_an_abandoned_file_leaves_nothing(tmp_path: Path) -> None:
    file = WholeFile(str(tmp_path / "out"))
    file.write(b"new")
    file.abandon()
    assert list(tmp_path.iterdir()) == []


def test_standard_output_gets_all_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    abandoned, finished = WholeFile("-"), WholeFile("-")
    abandoned.write(b"never")
    abandoned.abandon()
    finished.write(b"all ")
    finished.write(b"of it")
    assert capsys.readouterr().out == ""
    finished.finish()
    assert capsys.readouterr().out == "all of it"


@pytest.mark.parametrize("name", [".", "missing/out"])
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotWrite, match="cannot be written"):
        WholeFile(str(tmp_path / name))
