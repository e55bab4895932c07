"""docs/formats.md, "Epoch certificate": what stays of rows that were pruned. Its text begins as a checkpoint's does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional, TypeVar

from chain import month_of
from checkpoint import parse_checkpoint
from encoding import MAX_NUMBER, Failed, hash_bytes
from merkle import Frontier, roots_in

CHECKPOINT_LINES = 5
ORIGIN_END = re.compile(r"/epoch/([0-9]{4}(?:0[1-9]|1[0-2]))")
NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
Known = TypeVar("Known")
NAMES = ("first-seq", "rows", "last-at", "frontier", "receipts", "previous")


@dataclass(frozen=True)
class Certificate:
    origin: str
    epoch: int
    last_seq: int
    last_hash: bytes
    frontier: list[bytes]


def parse_certificate(text: str) -> Certificate:
    try:
        checkpoint = parse_checkpoint(text)
    except Failed:
        raise Failed("certificate_malformed") from None
    values = values_of(text[:-1].split("\n")[CHECKPOINT_LINES:])
    first_seq, rows, last_at = (number(values[name]) for name in NAMES[:3])
    frontier = [known(hash_bytes(item)) for item in values["frontier"].split(" ")]
    count, previous = receipts(values["receipts"]), values["previous"]
    # A name's own "/epoch/" does not count: only the end of the origin says which epoch it is.
    end = ORIGIN_END.fullmatch(checkpoint.origin[-len("/epoch/YYYYMM") :])
    epoch = int(known(end).group(1))
    if previous != "none":
        known(hash_bytes(previous))
    coherent = (
        1 <= first_seq <= checkpoint.size
        and rows == checkpoint.size - first_seq + 1
        and count <= rows
        and (previous == "none") == (first_seq == 1)
        and month_of(last_at) == epoch
        and len(frontier) == roots_in(checkpoint.size)
        and Frontier(checkpoint.size, frontier).root() == checkpoint.root
    )
    if not coherent:
        raise Failed("certificate_malformed")
    return Certificate(checkpoint.origin, epoch, checkpoint.size, checkpoint.chain_head, frontier)


def values_of(lines: list[str]) -> dict[str, str]:
    if len(lines) < len(NAMES):
        raise Failed("certificate_malformed")
    pairs = [line.partition(" ") for line in lines[: len(NAMES)]]
    if [name for name, _, _ in pairs] != list(NAMES):
        raise Failed("certificate_malformed")
    return {name: value for name, _, value in pairs}


def receipts(text: str) -> int:
    count, separator, digest = text.partition(" ")
    if separator == "" or hash_bytes(digest) is None:
        raise Failed("certificate_malformed")
    return number(count)


def number(text: str) -> int:
    if NUMBER.fullmatch(text) is None or int(text) > MAX_NUMBER:
        raise Failed("certificate_malformed")
    return int(text)


def known(value: Optional[Known]) -> Known:
    if value is None:
        raise Failed("certificate_malformed")
    return value
