"""Certificates for one test: an authority, and what it signs."""

import datetime
import ipaddress
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Pair(NamedTuple):
    """Files in PEM."""

    cert_path: object
    key_path: object

    @property
    def cert(self):
        return self.cert_path.read_bytes()

    @property
    def key(self):
        return self.key_path.read_bytes()


class Authority:
    """Signs certificates into a folder; its own lies in `ca.cert_path`."""

    def __init__(self, folder, name="authority"):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._n_signed = 1
        cert = self._sign(self._name, self._key, is_authority=True)
        self.ca = self._write(name, cert, self._key)

    def issue(self, name):
        """Makes certificate and key for `name`, valid for localhost."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert = self._sign(_name(name), key, is_authority=False)
        return self._write(name, cert, key)

    def _sign(self, subject, key, *, is_authority):
        self._n_signed += 1
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("::1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(self._n_signed)
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name, cert, key):
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")
        pair.cert_path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        pair.key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair


def _name(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
