"""docs/formats.md, "Export file": its lines, one at a time and each of bounded length, and the three kinds of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import BinaryIO, Iterator

from chain import Row
from encoding import MAX_NUMBER, Failed, base64_bytes, hash_bytes, uuid_bytes

FORMAT = "flarewatch-audit-export/v1"
MAX_LINE_CHARACTERS = 131_072
# UTF-8 needs at most four bytes for a character.
MAX_LINE_BYTES = 4 * MAX_LINE_CHARACTERS
MAX_SEALED_BYTES = 65_536
# Longer than any number here may be; Python would refuse to read one of some thousand digits at all.
MAX_DIGITS = 20


@dataclass(frozen=True)
class Header:
    tenant_id: str
    first_seq: int
    previous_hash: bytes
    frontier: list[bytes]


def read_lines(file: BinaryIO) -> Iterator[dict[str, object]]:
    while True:
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        if not line.endswith(b"\n"):
            raise Failed("line_malformed")
        yield parse_object(line[:-1])


def parse_object(line: bytes) -> dict[str, object]:
    try:
        text = line.decode("utf-8")
        value = json.loads(text, parse_int=parse_int, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        raise Failed("line_malformed") from None
    if len(text) > MAX_LINE_CHARACTERS or not isinstance(value, dict):
        raise Failed("line_malformed")
    return value


def parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def parse_header(line: dict[str, object]) -> Header:
    tenant_id, previous_hash = line.get("tenant_id"), hash_bytes(line.get("previous_hash"))
    first_seq, frontier = whole(line.get("first_seq")), hashes(line.get("frontier"))
    well_formed = line["format"] == FORMAT and isinstance(tenant_id, str) and uuid_bytes(tenant_id) is not None
    if not well_formed or not first_seq or previous_hash is None or frontier is None:
        raise Failed("line_malformed")
    return Header(tenant_id, first_seq, previous_hash, frontier)


def parse_row(line: dict[str, object]) -> Row:
    numbers = {name: number(line.get(name)) for name in ("seq", "epoch", "at", "key_version")}
    row_id, sealed = uuid_bytes(line.get("row_id")), base64_bytes(line.get("sealed"))
    tags = [hash_bytes(line.get(name)) for name in ("actor_tag", "action_tag", "target_tag")]
    previous_hash, row_hash = hash_bytes(line.get("previous_hash")), hash_bytes(line.get("hash"))
    if None in (*numbers.values(), row_id, sealed, *tags, previous_hash, row_hash) or len(sealed) > MAX_SEALED_BYTES:
        raise Failed("line_malformed")
    return Row(row_id=row_id, previous_hash=previous_hash, tags=b"".join(tags), sealed=sealed, hash=row_hash, **numbers)


def parse_checkpoint_line(line: dict[str, object]) -> str:
    note = line["checkpoint"]
    if not isinstance(note, str):
        raise Failed("line_malformed")
    return note


def number(value: object) -> int | float | None:
    """JSON has one kind of number, so 1.0 is 1. In Python, true is a number too; here it is not."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole(value: object) -> int | None:
    read = number(value)
    return int(read) if read is not None and 0 <= read <= MAX_NUMBER and read == int(read) else None


def hashes(value: object) -> list[bytes] | None:
    if not isinstance(value, list):
        return None
    decoded = [hash_bytes(item) for item in value]
    return None if None in decoded else decoded
