"""docs/formats.md, "Notation": how bytes and numbers are written, and the one canonical text of each."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import uuid

MAX_NUMBER = 2**53 - 1
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
UUIDS_WITHOUT_VERSION = (str(uuid.UUID(int=0)), str(uuid.UUID(int=2**128 - 1)))


class Failed(Exception):
    """What was read does not hold. The code is one of those in docs/formats.md."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


def sha256(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


def u32(number: int) -> bytes:
    return struct.pack(">I", number)


def u64(number: int) -> bytes:
    return struct.pack(">Q", number)


def lp(field: bytes) -> bytes:
    return u32(len(field)) + field


def uuid_bytes(text: object) -> bytes | None:
    """`uuid(id)`, or None for whatever is not a UUID in lower case with hyphens."""
    if not isinstance(text, str):
        return None
    well_formed = UUID_TEXT.fullmatch(text) is not None or text in UUIDS_WITHOUT_VERSION
    return uuid.UUID(text).bytes if well_formed else None


def characters(text: str) -> int:
    """UTF-16 code units, where Python counts code points."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def base64_bytes(text: object) -> bytes | None:
    """None for any text but the canonical one: Python's decoder alone lets unused bits pass."""
    if not isinstance(text, str):
        return None
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    return decoded if to_base64(decoded) == text else None


def to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def hash_bytes(text: object) -> bytes | None:
    decoded = base64_bytes(text)
    return decoded if decoded is not None and len(decoded) == 32 else None
