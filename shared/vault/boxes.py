"""Boxes: bytes that only their key opens, in the place that they were sealed for."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shared.values.randomness import random_bytes

_NONCE = 12
_TAG = 16


class Unreadable(Exception):
    """A box that its key does not open: another key, other associated data, or changed bytes."""


def seal_bytes(key: bytes, clear: bytes, associated: bytes) -> bytes:
    """SM4-GCM (GB/T 32907, RFC 8998): nonce, ciphertext and tag in one box."""
    nonce = random_bytes(_NONCE)
    encryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated)
    return nonce + encryptor.update(clear) + encryptor.finalize() + encryptor.tag


def open_bytes(key: bytes, box: bytes, associated: bytes) -> bytes:
    """The inverse of `seal_bytes`. Raises `Unreadable`."""
    nonce, body, tag = box[:_NONCE], box[_NONCE:-_TAG], box[-_TAG:]
    try:
        decryptor = Cipher(algorithms.SM4(key), modes.GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(associated)
        return decryptor.update(body) + decryptor.finalize()
    except (InvalidTag, ValueError) as error:
        raise Unreadable from error
