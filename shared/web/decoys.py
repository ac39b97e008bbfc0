"""Keys of nobody: a token that names no key of ours is held against one, so that the time of a refusal does not tell
which keys there are."""

from functools import cache

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

_CURVES = {"ES384": "P-384", "ES512": "P-521"}
RSA_BITS = 2048


@cache
def decoy_key(algorithm: str) -> Key:
    """A key that an algorithm of JWS (RFC 7518, RFC 9864) takes; an RSA key takes a moment to make."""
    if algorithm.startswith("Ed"):
        return OKPKey.generate_key("Ed448" if algorithm == "Ed448" else "Ed25519")
    if algorithm.startswith("ES"):
        return ECKey.generate_key(_CURVES.get(algorithm, "P-256"))
    return RSAKey.generate_key(RSA_BITS)
