"""docs/formats.md, "Checkpoint": what the text of a receipt says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from encoding import MAX_NUMBER, Failed, hash_bytes
from note import is_key_name

SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    chain_head: bytes


def parse_checkpoint(text: str) -> Checkpoint:
    """`text` ends with a newline, as every text of a note does."""
    lines = text[:-1].split("\n")
    if len(lines) < 5 or "" in lines:
        raise Failed("checkpoint_malformed")
    root = hash_bytes(lines[2])
    chain_head = hash_bytes(value_of("chain-head", lines[3]))
    well_formed = is_key_name(lines[0]) and SIZE.fullmatch(lines[1]) and is_time(value_of("time", lines[4]))
    if not well_formed or root is None or chain_head is None or int(lines[1]) > MAX_NUMBER:
        raise Failed("checkpoint_malformed")
    return Checkpoint(lines[0], int(lines[1]), root, chain_head)


def value_of(name: str, line: str) -> str:
    if not line.startswith(f"{name} "):
        raise Failed("checkpoint_malformed")
    return line[len(name) + 1 :]


def is_time(text: str) -> bool:
    if TIME.fullmatch(text) is None:
        return False
    # Python takes a second 60 or 61 for the next minute's.
    if text[17:19] > "59":
        return False
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").year >= 1970
    except ValueError:
        return False
