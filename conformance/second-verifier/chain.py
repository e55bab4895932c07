"""docs/formats.md, "Audit row": the hash of a row, and the checks of a chain in the order in which the document has them."""

from __future__ import annotations

from dataclasses import dataclass

from encoding import Failed, lp, sha256, u32, u64

DAY_MS = 86_400_000
LAST_TIME_WITH_MONTH = 8_640_000_000_000_000


@dataclass(frozen=True)
class Row:
    """Numbers within their fields, bytes of the right length: a line that is not so is no row."""

    seq: int
    epoch: int
    row_id: bytes
    at: int
    key_version: int
    previous_hash: bytes
    tags: bytes
    sealed: bytes
    hash: bytes


def genesis(tenant: bytes) -> bytes:
    return sha256(lp(b"flarewatch/audit-genesis/v1") + tenant)


class Chain:
    def __init__(self, tenant: bytes, last_seq: int, last_hash: bytes):
        self.tenant = tenant
        self.last_seq = last_seq
        self.last_hash = last_hash
        self.last_at: int | None = None

    def append(self, row: Row) -> None:
        """Raises the code of the first check that fails, and then has not moved. No row of an export names a tenant."""
        if row.seq != self.last_seq + 1:
            raise Failed("sequence_gap")
        if row.previous_hash != self.last_hash:
            raise Failed("previous_hash_mismatch")
        if row_hash(self.tenant, row) != row.hash:
            raise Failed("hash_mismatch")
        if month_of(row.at) != row.epoch:
            raise Failed("epoch_mismatch")
        if self.last_at is not None and row.at < self.last_at:
            raise Failed("time_reversed")
        self.last_seq, self.last_hash, self.last_at = self.last_seq + 1, row.hash, row.at


def row_hash(tenant: bytes, row: Row) -> bytes:
    place = tenant + u32(row.epoch) + u64(row.seq) + row.row_id + u64(row.at) + u32(row.key_version)
    return sha256(lp(b"flarewatch/audit-row/v1") + place + row.previous_hash + row.tags + lp(row.sealed))


def month_of(at: int) -> int | None:
    """year * 100 + month in the proleptic Gregorian calendar, without the year 9999 at which Python's own dates end."""
    if at > LAST_TIME_WITH_MONTH:
        return None
    # Years are counted from March, which puts the leap day last; 719,468 days lie between 0000-03-01 and 1970-01-01.
    days = at // DAY_MS + 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    months_from_march = (5 * day_of_year + 2) // 153
    month = (months_from_march + 2) % 12 + 1
    year = era * 400 + year_of_era + (1 if month <= 2 else 0)
    return year * 100 + month
