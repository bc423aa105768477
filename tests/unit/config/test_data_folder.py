import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.data_folder import kept_port, kept_secret, port_is_free


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"
    secret = kept_secret(path)
    assert len(secret) >= 64
    assert kept_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret"]


def test_starts_at_the_same_moment_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: kept_secret(tmp_path / "secret"), range(32)))
    assert len(secrets) == 1


def test_a_port_is_kept_while_it_is_free_and_replaced_when_it_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "port"
    port = kept_port(path)
    assert kept_port(path) == port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert not port_is_free(port)
        assert kept_port(path) != port


def test_a_damaged_port_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_text("not a number")
    assert path.read_text() != str(kept_port(path))
    assert int(path.read_text()) > 0
