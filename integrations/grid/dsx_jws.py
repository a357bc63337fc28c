"""JSON Web Signatures (RFC 7515, compact) for the data of DSX Flex events: ES256 and RS256."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from orchestrator.domain.errors import ConfigurationError, InvalidSignal

ALGORITHMS = ("ES256", "RS256")
EC_CURVE = "P-256"
MIN_RSA_BITS = 2048
COMPACT = re.compile(r"\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """Our private key and the name that receivers know it by."""

    kid: str
    key: ECKey | RSAKey


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and the only publisher whose events it may sign."""

    identifier: str
    key: ECKey | RSAKey


def new_signing_key(kid: str) -> SigningKey:
    """A fresh ES256 key."""
    return SigningKey(kid, ECKey.generate_key(EC_CURVE))


def load_signing_key(kid: str, private_pem: bytes) -> SigningKey:
    """A signing key from PEM text. Raises ConfigurationError."""
    key = _load(private_pem, kid)
    if not key.is_private:
        raise ConfigurationError(f"key {kid}: signing needs a private key, this one is public")
    return SigningKey(kid, key)


def load_trusted_key(kid: str, public_pem: bytes, identifier: str) -> TrustedKey:
    """A publisher's key from PEM text. Raises ConfigurationError."""
    return TrustedKey(identifier, _load(public_pem, kid))


def private_pem(key: SigningKey) -> bytes:
    """PEM text of the private key; keep it secret."""
    return key.key.as_pem(private=True)


def public_pem(key: SigningKey) -> bytes:
    """PEM text that a receiver can trust."""
    return key.key.as_pem(private=False)


def sign(payload: bytes, key: SigningKey) -> str:
    """The payload as a signed compact serialization."""
    algorithm = "ES256" if isinstance(key.key, ECKey) else "RS256"
    header = {"alg": algorithm, "kid": key.kid}
    return jws.serialize_compact(header, payload, key.key, algorithms=[algorithm])


def verify(token: str, trusted: Mapping[str, TrustedKey], identifier: str) -> bytes:
    """The payload of a token that a trusted key of this publisher signed.

    Raises InvalidSignal for another shape, an unknown key, another publisher's key or a wrong
    signature.
    """
    if not COMPACT.match(token):
        raise InvalidSignal("data: not a JWS compact serialization (header.payload.signature)")
    try:
        kid = jws.extract_compact(token.encode()).headers().get("kid")
        key = _trusted(kid, trusted, identifier)
        return jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS)).payload
    except (JoseError, ValueError) as error:
        raise InvalidSignal(f"data: the signature does not hold: {error}") from error


def _trusted(kid: object, trusted: Mapping[str, TrustedKey], identifier: str) -> ECKey | RSAKey:
    found = trusted.get(kid) if isinstance(kid, str) else None
    if found is None:
        raise InvalidSignal(
            f"data: key {str(kid)[:64]!r} is not trusted; add it to the configured keys"
        )
    if found.identifier != identifier:
        raise InvalidSignal(f"data: key {kid!r} may not sign for {identifier!r}")
    return found.key


def _load(pem: bytes, kid: str) -> ECKey | RSAKey:
    for kind in (ECKey, RSAKey):
        try:
            key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        _check_strength(key, kid)
        return key
    raise ConfigurationError(f"key {kid}: expected PEM text of an EC P-256 or RSA key")


def _check_strength(key: ECKey | RSAKey, kid: str) -> None:
    if isinstance(key, ECKey) and key.curve_name != EC_CURVE:
        raise ConfigurationError(f"key {kid}: ES256 needs curve P-256, not {key.curve_name}")
    if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
        raise ConfigurationError(f"key {kid}: an RSA key needs at least {MIN_RSA_BITS} bits")
