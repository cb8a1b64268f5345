"""Create the certificate with which the parts of one server authenticate to each other."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.local.private_file import write_private

# A server that runs for years keeps the certificate that it started with.
_VALID_FOR = timedelta(days=3650)
_CLOCK_SKEW = timedelta(days=1)


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a key and a self-signed certificate as `NAME.key` and `NAME.crt`, replacing earlier ones. Return both paths.

    The certificate is its own authority, so trusting it means trusting only the holder of this key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_text = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    write_private(key_file, key_text)
    write_private(certificate_file, certificate.public_bytes(pem).decode())
    return certificate_file, key_file
