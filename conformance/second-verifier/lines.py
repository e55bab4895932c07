"""docs/formats.md, "Export file": its lines, one at a time and each of bounded length, and the three kinds of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import BinaryIO, Iterator, Union

from chain import Row
from encoding import MAX_NUMBER, Failed, base64_bytes, characters, hash_bytes, uuid_bytes

FORMAT = "flarewatch-audit-export/v1"
MAX_LINE_CHARACTERS = 131_072
# UTF-8 needs at most three bytes for a UTF-16 code unit.
MAX_LINE_BYTES = 3 * MAX_LINE_CHARACTERS
MAX_U32 = 2**32 - 1
MAX_SEALED_BYTES = 65_536
# Longer than any number here may be; Python would refuse to read one of some thousand digits at all.
MAX_DIGITS = 20


@dataclass(frozen=True)
class Header:
    tenant_id: str
    first_seq: int
    previous_hash: bytes
    frontier: list[bytes]
    certificate: str | None


@dataclass(frozen=True)
class CheckpointLine:
    note: str


Line = Union[Header, Row, CheckpointLine]


def read_lines(file: BinaryIO) -> Iterator[Line]:
    while True:
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        if not line.endswith(b"\n"):
            raise Failed("line_malformed")
        yield parse_line(parse_object(line[:-1]))


def parse_object(line: bytes) -> dict[str, object]:
    try:
        text = line.decode("utf-8")
        value = json.loads(text, parse_int=parse_int, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise Failed("line_malformed") from None
    if characters(text) > MAX_LINE_CHARACTERS or not isinstance(value, dict):
        raise Failed("line_malformed")
    return value


def parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def parse_line(fields: dict[str, object]) -> Line:
    line = as_header(fields) or as_row(fields) or as_checkpoint(fields)
    if line is None:
        raise Failed("line_malformed")
    return line


def as_header(fields: dict[str, object]) -> Header | None:
    if fields.get("format") != FORMAT:
        return None
    tenant_id, previous_hash = fields.get("tenant_id"), hash_bytes(fields.get("previous_hash"))
    first_seq, frontier = integer(fields.get("first_seq"), 1, MAX_NUMBER), hashes(fields.get("frontier"))
    if not isinstance(tenant_id, str) or uuid_bytes(tenant_id) is None:
        return None
    if first_seq is None or previous_hash is None or frontier is None:
        return None
    certificate = fields.get("certificate")
    if "certificate" in fields and not isinstance(certificate, str):
        return None
    return Header(tenant_id, first_seq, previous_hash, frontier, certificate)


def as_row(fields: dict[str, object]) -> Row | None:
    seq, at = integer(fields.get("seq"), 1, MAX_NUMBER), integer(fields.get("at"), 0, MAX_NUMBER)
    epoch, key_version = (integer(fields.get(name), 0, MAX_U32) for name in ("epoch", "key_version"))
    row_id, sealed = uuid_bytes(fields.get("row_id")), base64_bytes(fields.get("sealed"))
    tags = hashes([fields.get(name) for name in ("actor_tag", "action_tag", "target_tag")])
    previous_hash, row_hash = hash_bytes(fields.get("previous_hash")), hash_bytes(fields.get("hash"))
    if seq is None or at is None or epoch is None or key_version is None or row_id is None:
        return None
    if sealed is None or len(sealed) > MAX_SEALED_BYTES or tags is None or previous_hash is None or row_hash is None:
        return None
    return Row(seq, epoch, row_id, at, key_version, previous_hash, b"".join(tags), sealed, row_hash)


def as_checkpoint(fields: dict[str, object]) -> CheckpointLine | None:
    note = fields.get("checkpoint")
    return CheckpointLine(note) if isinstance(note, str) else None


def integer(value: object, least: int, most: int) -> int | None:
    """JSON has one kind of number, so 1.0 is 1. In Python, true is a number too; here it is not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if least <= value <= most and value == int(value) else None


def hashes(value: object) -> list[bytes] | None:
    if not isinstance(value, list):
        return None
    decoded = [item for item in map(hash_bytes, value) if item is not None]
    return decoded if len(decoded) == len(value) else None
