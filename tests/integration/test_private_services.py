"""Private servers: durable, closed to others, unprivileged, and back after an unclean stop."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config.private_services import PrivatePostgres, PrivateRedis, PrivateServiceError
from tests.conftest import missing, open_folder, running

pytestmark = pytest.mark.services


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with open_folder("rialto-private-") as folder:
        yield folder


def new_postgres(data_dir: Path) -> PrivatePostgres:
    try:
        server = PrivatePostgres(data_dir)
    except PrivateServiceError as error:
        missing(str(error))
    server.prepare()
    return server


def new_redis(data_dir: Path) -> PrivateRedis:
    try:
        server = PrivateRedis(data_dir)
    except PrivateServiceError as error:
        missing(str(error))
    server.prepare()
    return server


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def test_postgres_commits_durably_and_listens_on_loopback_only(
    postgres_server: PrivatePostgres,
) -> None:
    with psycopg.connect(postgres_server.url) as connection:

        def setting(name: str) -> str:
            row = connection.execute(f"SHOW {name}").fetchone()
            assert row is not None
            return str(row[0])

        assert setting("fsync") == "on"
        assert setting("synchronous_commit") == "on"
        assert setting("full_page_writes") == "on"
        assert setting("data_checksums") == "on"
        assert setting("listen_addresses") == "127.0.0.1"
        assert setting("unix_socket_directories") == ""


def test_postgres_refuses_a_wrong_password(postgres_server: PrivatePostgres) -> None:
    url = postgres_server.url.replace(postgres_server.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url, connect_timeout=60)


def test_postgres_keeps_its_data_and_port_over_a_kill(data_dir: Path) -> None:
    first = new_postgres(data_dir)
    with running(first.spec(), data_dir / "log") as process:
        first.create_database()
        with psycopg.connect(first.url) as connection:
            connection.execute("CREATE TABLE kept (number int)")
            connection.execute("INSERT INTO kept VALUES (42)")
        process.kill()
        process.wait()
    assert (first.folder / "data" / "postmaster.pid").exists()

    second = new_postgres(data_dir)
    with running(second.spec(), data_dir / "log"):
        with psycopg.connect(second.url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (42,)
        assert second.password == first.password


def test_postgres_ends_a_server_that_an_earlier_start_left_running(data_dir: Path) -> None:
    first = new_postgres(data_dir)
    with running(first.spec(), data_dir / "log") as leftover:
        # As after a restart: the leftover is a stranger's child, which init would reap.
        signal.signal(signal.SIGCHLD, lambda *_: leftover.poll())
        try:
            second = new_postgres(data_dir)
        finally:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        assert leftover.poll() is not None
        with running(second.spec(), data_dir / "log"):
            assert second.is_ready()


def test_a_pid_file_that_names_somebody_elses_process_is_no_obstacle(data_dir: Path) -> None:
    first = new_postgres(data_dir)
    (first.folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    second = new_postgres(data_dir)
    with running(second.spec(), data_dir / "log"):
        assert second.is_ready()


def test_a_start_that_was_cut_off_leaves_nothing_that_stops_the_next(data_dir: Path) -> None:
    PrivatePostgres(data_dir)
    draft = data_dir / "postgres" / "data.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("15\n")
    server = new_postgres(data_dir)
    with running(server.spec(), data_dir / "log"):
        assert server.is_ready()


def test_redis_needs_its_password_and_evicts_and_stores_nothing(redis_server: PrivateRedis) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=redis_server.port).ping()
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        settings = client.config_get("*")
        assert settings["maxmemory-policy"] == "noeviction"
        assert settings["save"] == ""
        assert settings["appendonly"] == "no"
        assert settings["bind"] == "127.0.0.1"


def test_redis_comes_back_on_the_same_port_after_a_kill(data_dir: Path) -> None:
    first = new_redis(data_dir)
    with running(first.spec(), data_dir / "log") as process:
        process.kill()
        process.wait()
    second = new_redis(data_dir)
    with running(second.spec(), data_dir / "log"):
        assert (second.port, second.password) == (first.port, first.password)
        assert second.is_ready()


def test_redis_ends_a_server_that_an_earlier_start_left_running(data_dir: Path) -> None:
    first = new_redis(data_dir)
    with running(first.spec(), data_dir / "log") as leftover:
        new_redis(data_dir)
        assert leftover.wait(60) == 0


def test_passwords_are_readable_by_their_owner_alone(data_dir: Path) -> None:
    new_redis(data_dir)
    mode = stat.S_IMODE((data_dir / "redis-password").stat().st_mode)
    assert mode == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user run its servers")
def test_started_by_root_the_servers_run_as_an_unprivileged_user(
    data_dir: Path,
) -> None:
    for server in (new_postgres(data_dir), new_redis(data_dir)):
        with running(server.spec(), data_dir / "log") as process:
            assert owner_of(process.pid) != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has another user run its servers")
def test_a_data_folder_that_the_user_cannot_reach_is_left_alone(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    server = PrivateRedis(closed / "venue")
    try:
        assert not server.folder.is_relative_to(closed)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        closed.chmod(0o755)
        assert PrivateRedis(closed / "venue").folder == server.folder, "data must not change place"
    finally:
        server.folder.rmdir()
        server.folder.parent.rmdir()
