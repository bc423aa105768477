"""What is deployed: the Compose file, the image, the documented settings."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from market.feeds.storage.writer import QUEUE_BYTES

BASE_DIR = Path(__file__).resolve().parents[3]
SERVICES = {
    "proxy", "web", "engine", "projector", "worker", "beat", "bots", "demo", "feed", "migrate",
    "postgres", "redis",
}  # fmt: skip
OUR_SERVICES = SERVICES - {"proxy", "postgres", "redis"}
ONE_SHOT = {"migrate", "demo"}
SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD")
SETTINGS_READ = re.compile(
    r"""(?:env|Env\(\))\.(?:str|int|bool|float|json|list|db_url|email_url)\(\s*"([A-Z_]+)"
      | os\.environ(?:\.get\(|\[)\s*"([A-Z_]+)" """,
    re.VERBOSE,
)
NOT_FOR_OPERATORS = {
    "DJANGO_SETTINGS_MODULE",
    "NO_COLOR",
    "PATH",
    "PROMETHEUS_MULTIPROC_DIR",
    "TEST_DATABASE_URL",
}


@functools.cache
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())
    return parsed


def services() -> dict[str, dict[str, Any]]:
    parsed: dict[str, dict[str, Any]] = compose()["services"]
    return parsed


def compose_client() -> list[str] | None:
    """The Compose client's command where there is one; no engine is needed for ``config``."""
    if shutil.which("docker"):
        command = ["docker", "compose"]
        if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            return command
    return ["docker-compose"] if shutil.which("docker-compose") else None


def compose_config(
    secrets: dict[str, str], no_settings: Path
) -> "subprocess.CompletedProcess[str]":
    client = compose_client()
    if client is None:
        pytest.skip("no Compose client is installed (docker compose or docker-compose)")
    no_settings.touch()
    clean = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return subprocess.run(
        [*client, "--env-file", str(no_settings), "-f", "docker-compose.yml", "config"],
        cwd=BASE_DIR,
        env={**clean, **secrets},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_compose_client_accepts_the_file(tmp_path: Path) -> None:
    result = compose_config(dict.fromkeys(SECRETS, "x"), tmp_path / "env")
    assert result.returncode == 0, result.stderr
    assert set(yaml.safe_load(result.stdout)["services"]) >= SERVICES - {"bots", "demo", "feed"}


@pytest.mark.parametrize("left_out", SECRETS)
def test_the_compose_client_refuses_to_start_without_a_secret(
    tmp_path: Path, left_out: str
) -> None:
    others = {name: "x" for name in SECRETS if name != left_out}
    result = compose_config(others, tmp_path / "env")
    assert result.returncode != 0
    assert left_out in result.stderr


def test_every_service_of_the_venue_is_there() -> None:
    assert set(services()) == SERVICES


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_limits_a_health_check_and_no_new_privileges(name: str) -> None:
    service = services()[name]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    check = service["healthcheck"]
    assert check.get("disable") is True if name in ONE_SHOT else check["test"]


@pytest.mark.parametrize("name", sorted(OUR_SERVICES))
def test_our_processes_write_nowhere_and_have_no_capabilities(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service


def test_only_the_proxy_is_open_to_the_outside() -> None:
    assert [name for name, service in services().items() if "ports" in service] == ["proxy"]
    assert compose()["networks"]["inner"] == {"internal": True}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_dependencies_exist_and_wait_for_a_condition_they_can_meet(name: str) -> None:
    for other, terms in services()[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert terms["condition"] == wanted
        assert other in services()


def test_every_command_of_the_venue_exists() -> None:
    from django.core.management import get_commands

    known = get_commands()
    for name in OUR_SERVICES:
        command = services()[name]["command"]
        if command[:2] == ["python", "manage.py"]:
            assert command[2] in known, name


def test_a_composed_feed_is_published_to_the_inner_network_and_keeps_compiled_code() -> None:
    feed = services()["feed"]
    host, _, port = feed["command"][feed["command"].index("--publish") + 1].rpartition(":")
    assert feed["networks"]["inner"]["aliases"] == [host]
    assert port.isdecimal()
    assert "inner" in services()["web"]["networks"]
    assert feed["environment"]["NUMBA_CACHE_DIR"].startswith("/tmp/")  # the one writable folder
    assert int(feed["shm_size"].removesuffix("m")) << 20 > QUEUE_BYTES


def test_no_secret_has_a_default() -> None:
    text = (BASE_DIR / "docker-compose.yml").read_text()
    for name in SECRETS:
        uses = re.findall(rf"\$\{{{name}[^}}]*\}}", text)
        assert uses
        assert all(use.startswith(f"${{{name}:?") for use in uses)
    example = (BASE_DIR / ".env.example").read_text()
    for name in (*SECRETS, "METRICS_TOKEN"):
        assert re.search(rf"^{name}=$", example, re.MULTILINE)


def test_the_image_runs_as_an_ordinary_user_with_a_health_check_and_locked_packages() -> None:
    build, final = re.split(r"^FROM ", (BASE_DIR / "Dockerfile").read_text(), flags=re.M)[1:]
    assert "--require-hashes" in build
    assert re.search(r"^USER rialto$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", final, re.MULTILINE)
    assert "pip install" not in final
    assert "apt-get" not in final


def test_every_setting_that_is_read_is_documented() -> None:
    documented = set(
        re.findall(r"^#?([A-Z_]+)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE)
    )
    read: set[str] = set()
    for folder in ("config", "orderbook", "accounts", "market", "trading"):
        for path in (BASE_DIR / folder).rglob("*.py"):
            for first, second in SETTINGS_READ.findall(path.read_text()):
                read.add(first or second)
    assert read - documented - NOT_FOR_OPERATORS == set()


def test_every_setting_of_the_compose_file_is_documented() -> None:
    text = (BASE_DIR / "docker-compose.yml").read_text()
    example = (BASE_DIR / ".env.example").read_text()
    for name in set(re.findall(r"\$\{([A-Z_]+)", text)) - {"RIALTO_IMAGE"}:
        assert re.search(rf"^#?{name}=", example, re.MULTILINE), name
