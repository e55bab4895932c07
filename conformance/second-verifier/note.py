"""docs/formats.md, "Checkpoint" and "Keys of the log": a signed note, and the key that it is opened with."""

from __future__ import annotations

import re
from dataclasses import dataclass

import ed25519
from encoding import Failed, base64_bytes, characters, sha256

MAX_NOTE_CHARACTERS = 65_536
MAX_SIGNATURES = 100
MAX_NAME_CHARACTERS = 255
ALGORITHM_ED25519 = b"\x01"
DASH = "\u2014"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class TrustedKey:
    name: str
    key_id: bytes
    public_key: bytes


@dataclass(frozen=True)
class Signature:
    name: str
    key_id: bytes
    signature: bytes


def parse_vkey(text: str) -> TrustedKey | None:
    """A name holds no `+`, base64 may: so the first two split."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        return None
    name, key_id, encoded = parts
    key = base64_bytes(encoded)
    if not is_key_name(name) or key is None or len(key) != 33 or key[:1] != ALGORITHM_ED25519:
        return None
    expected = sha256(name.encode("utf-8") + b"\n" + key)[:4]
    return TrustedKey(name, expected, key[1:]) if key_id == expected.hex() else None


def is_key_name(name: str) -> bool:
    """Holds for an origin as a whole too."""
    if not 1 <= characters(name) <= MAX_NAME_CHARACTERS:
        return False
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not any(c == "+" or c == "\ufeff" or c.isspace() or c < " " or "\x7f" <= c <= "\x9f" for c in name)


def open_note(note: str, trusted: TrustedKey | None) -> str:
    """The note's text. Without a trusted key, its signatures are read and not judged."""
    text, signatures = split_note(note)
    if trusted is None:
        return text
    ours = [s for s in signatures if s.name == trusted.name and s.key_id == trusted.key_id]
    if not ours:
        raise Failed("signature_missing")
    if not all(ed25519.verify(trusted.public_key, text.encode("utf-8"), s.signature) for s in ours):
        raise Failed("signature_invalid")
    return text


def split_note(note: str) -> tuple[str, list[Signature]]:
    if characters(note) > MAX_NOTE_CHARACTERS or CONTROL.search(note) or not note.endswith("\n"):
        raise Failed("note_malformed")
    try:
        note.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell and UTF-8 cannot
        raise Failed("note_malformed") from None
    blank = note.rfind("\n\n")
    lines = note[blank + 2 : -1].split("\n")
    if blank < 0 or blank + 2 == len(note) or len(lines) > MAX_SIGNATURES:
        raise Failed("note_malformed")
    return note[: blank + 1], [parse_signature(line) for line in lines]


def parse_signature(line: str) -> Signature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != DASH or not is_key_name(parts[1]):
        raise Failed("note_malformed")
    blob = base64_bytes(parts[2])
    if blob is None or len(blob) < 5:
        raise Failed("note_malformed")
    return Signature(parts[1], blob[:4], blob[4:])
