"""A C2PA manifest in a sound file: a signed statement of how it was made (c2pa.org, version 2).

It is signed with a key of this machine, made on first use. Nobody vouches for that key: a reader
says that the file is whole since it was signed, and that the signer isn't known.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from milonga._version import __version__
from milonga.errors import MilongaError, needs_extra
from milonga.runtime.files import atomic_path, atomic_paths
from milonga.runtime.places import data_folder

SUFFIXES = (".wav", ".mp3", ".flac")
_SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_YEARS = 10


def sign(
    source: Path,
    target: Path,
    *,
    title: str,
    trained: bool,
    facts: Mapping[str, Any],
    keys: Path | None = None,
) -> None:
    """Write a copy of a sound file with a manifest; its samples stay as they are.

    Args:
        source: WAV, MP3 or FLAC.
        target: of the same suffix.
        title: of the sound.
        trained: a trained model took part, not only rules.
        facts: of ours, in an assertion called ``org.milonga.receipt``.
        keys: folder of the key; by default that of the user's own data.

    Raises:
        MissingExtraError: the extra 'c2pa' isn't installed.
        MilongaError: it can't be signed.
        OutputError: the target can't be written.
    """
    with needs_extra("Signing a manifest", "c2pa"):
        import c2pa
    folder = keys or data_folder() / "c2pa"
    chain, key = _keys(folder)
    kind = "trainedAlgorithmicMedia" if trained else "algorithmicMedia"
    actions = [{"action": "c2pa.created", "digitalSourceType": _SOURCES + kind}]
    manifest = {
        "claim_generator_info": [{"name": "milonga", "version": __version__}],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": actions}},
            {"label": "org.milonga.receipt", "data": dict(facts)},
        ],
    }
    try:
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None))
        with atomic_path(target) as part:
            # The library makes the file itself.
            part.unlink()
            c2pa.Builder(json.dumps(manifest)).sign_file(str(source), str(part), signer)
    except c2pa.C2paError as error:
        raise MilongaError(
            f"The manifest can't be signed: {str(error).splitlines()[0].rstrip('.')}.",
            where=folder,
            step="Delete that folder to have a new key made.",
        ) from error


def manifest_of(path: Path) -> dict[str, Any]:
    """Read a manifest: ``state`` (Valid, Invalid, Trusted), ``faults`` and what it says.

    Raises:
        MissingExtraError: the extra 'c2pa' isn't installed.
        MilongaError: the file has none.
    """
    with needs_extra("Reading a manifest", "c2pa"):
        import c2pa
    try:
        with c2pa.Reader(str(path)) as reader:
            found: dict[str, Any] = json.loads(reader.json())
    except c2pa.C2paError as error:
        raise MilongaError("It has no C2PA manifest.", where=path) from error
    return {
        "state": found.get("validation_state"),
        "faults": [each["code"] for each in found.get("validation_status", ())],
        "manifest": found["manifests"][found["active_manifest"]],
    }


def _keys(folder: Path) -> tuple[bytes, bytes]:
    """The certificates and the key of this machine, made where there are none."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    if not (chain.exists() and key.exists()):
        certificates, private = _new_keys()
        with atomic_paths(chain, key) as (chain_part, key_part):
            key_part.chmod(0o600)
            key_part.write_bytes(private)
            chain_part.write_bytes(certificates)
    try:
        return chain.read_bytes(), key.read_bytes()
    except OSError as error:
        raise MilongaError(
            f"The key of this machine can't be read ({error.strerror}).", where=folder,
            step="Make it readable, or delete that folder to have a new key made.",
        ) from error  # fmt: skip


def _new_keys() -> tuple[bytes, bytes]:
    """A certificate that an authority of this machine signed, that authority's, and the key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        parts = ((NameOID.ORGANIZATION_NAME, "milonga"), (NameOID.COMMON_NAME, text))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])

    def usage(signs: bool) -> x509.KeyUsage:
        names = (
            "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "encipher_only", "decipher_only",
        )  # fmt: skip
        return x509.KeyUsage(
            digital_signature=not signs, key_cert_sign=signs, crl_sign=signs,
            **dict.fromkeys(names, False),
        )  # fmt: skip

    authority, own = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issuer = name("authority of this machine")
    certificates: Sequence[tuple[str, ec.EllipticCurvePrivateKey, bool]] = (
        ("this machine", own, False), ("authority of this machine", authority, True),
    )  # fmt: skip
    chain = b""
    for text, key, signs in certificates:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(text))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
            .add_extension(x509.BasicConstraints(ca=signs, path_length=None), critical=True)
            .add_extension(usage(signs), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
                critical=False,
            )
        )
        if not signs:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, critical=False)
        made = builder.sign(authority, hashes.SHA256())
        chain += made.public_bytes(serialization.Encoding.PEM)
    private = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return chain, private
