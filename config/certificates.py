"""A self-signed certificate for trying the venue out over TLS on this machine (HTTPS=1).

A browser warns of it, once. A venue for others has a real certificate at its proxy
(docs/operations.md).
"""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
_ALLOWED_CLOCK_ERROR = timedelta(hours=1)
_NAMES: list[x509.GeneralName] = [
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
]


def self_signed_certificate(data_dir: Path) -> tuple[Path, Path]:
    """Paths of certificate and key (PEM), kept in the data folder and renewed before they expire.

    The key is readable by its owner alone.
    """
    folder = data_dir / "tls"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not _is_usable(certificate, key):
        folder.mkdir(parents=True, exist_ok=True)
        _make(certificate, key)
    return certificate, key


def _is_usable(certificate: Path, key: Path) -> bool:
    """The pair belongs together and stays valid for a while."""
    try:
        parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return False
    now = datetime.now(UTC)
    return (
        parsed.public_key() == private.public_key()
        and parsed.not_valid_before_utc <= now
        and now + RENEW_BEFORE < parsed.not_valid_after_utc
    )


def _make(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Rialto on this machine")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _ALLOWED_CLOCK_ERROR)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
