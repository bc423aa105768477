import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from config import certificates
from config.certificates import self_signed_certificate


def parsed(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_server_can_use_it_and_it_names_this_machine(tmp_path: Path) -> None:
    certificate, key = self_signed_certificate(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    names = parsed(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    addresses = names.value.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["127.0.0.1", "::1"]


def test_only_the_owner_reads_the_key(tmp_path: Path) -> None:
    _, key = self_signed_certificate(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_next_start_keeps_it(tmp_path: Path) -> None:
    certificate, _ = self_signed_certificate(tmp_path)
    serial = parsed(certificate).serial_number
    self_signed_certificate(tmp_path)
    assert parsed(certificate).serial_number == serial


def test_it_is_renewed_before_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "VALID_FOR", timedelta(days=29))
    certificate, _ = self_signed_certificate(tmp_path)
    monkeypatch.undo()
    self_signed_certificate(tmp_path)
    assert parsed(certificate).not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
def test_a_damaged_or_missing_half_is_replaced(tmp_path: Path, name: str) -> None:
    self_signed_certificate(tmp_path)
    (tmp_path / "tls" / name).write_text("not a certificate")
    certificate, key = self_signed_certificate(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
