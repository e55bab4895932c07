"""docs/formats.md, "Export file": a whole file, verified line by line, and the report of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from certificate import parse_certificate
from chain import Chain, Row, genesis
from checkpoint import parse_checkpoint
from encoding import Failed, to_base64, uuid_bytes
from lines import Header, read_lines
from merkle import Frontier, roots_in
from note import TrustedKey, open_note


@dataclass
class Report:
    """`seq` is where a failure would be: the row to come, or the last row when it is the checkpoint's turn."""

    rows: int = 0
    first_seq: int | None = None
    last_seq: int | None = None
    head: bytes | None = None
    anchored: bool = False
    certificate: dict[str, int] | None = None
    failure: dict[str, object] | None = None
    seq: int = 1

    def document(self) -> dict[str, object]:
        return {
            "ok": self.failure is None,
            "rows": self.rows,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "head": None if self.head is None else to_base64(self.head),
            "anchored": self.anchored,
            "certificate": None if self.failure is not None else self.certificate,
            "failure": self.failure,
        }


def verify_export(file: BinaryIO, trusted: TrustedKey | None) -> Report:
    report = Report()
    try:
        follow(file, trusted, report)
    except Failed as failed:
        report.failure = {"seq": report.seq, "code": failed.code}
    else:
        report.anchored = trusted is not None
    return report


def follow(file: BinaryIO, trusted: TrustedKey | None, report: Report) -> None:
    lines = read_lines(file)
    header = next(lines, None)
    if not isinstance(header, Header):
        report.seq = 0 if header is None else 1
        raise Failed("header_missing")
    chain, frontier = begin(header)
    report.seq = header.first_seq
    note = None
    for line in lines:
        if note is not None or isinstance(line, Header):
            raise Failed("line_out_of_order")
        if isinstance(line, Row):
            follow_row(line, chain, frontier, report)
        else:
            note = line.note
    report.seq = chain.last_seq
    if note is None:
        raise Failed("checkpoint_missing")
    if header.certificate is not None:
        report.seq = header.first_seq - 1
        compare_certificate(header.certificate, trusted, header, report)
        report.seq = chain.last_seq
    compare(note, trusted, header, chain, frontier)


def begin(header: Header) -> tuple[Chain, Frontier]:
    tenant, rows_before = uuid_bytes(header.tenant_id), header.first_seq - 1
    if tenant is None or len(header.frontier) != roots_in(rows_before):
        raise Failed("line_malformed")
    if rows_before == 0 and header.previous_hash != genesis(tenant):
        raise Failed("previous_hash_mismatch")
    return Chain(tenant, rows_before, header.previous_hash), Frontier(rows_before, header.frontier)


def follow_row(row: Row, chain: Chain, frontier: Frontier, report: Report) -> None:
    chain.append(row)
    frontier.append(row.hash)
    report.rows += 1
    report.first_seq = report.first_seq or chain.last_seq
    report.last_seq, report.head = chain.last_seq, chain.last_hash
    report.seq = chain.last_seq + 1


def compare_certificate(note: str, trusted: TrustedKey | None, header: Header, report: Report) -> None:
    certificate = parse_certificate(open_note(note, trusted))
    ending = f"/{header.tenant_id}/epoch/{certificate.epoch:06}"
    require_origin(certificate.origin, ending, trusted)
    stands_before = certificate.last_seq == header.first_seq - 1 and certificate.last_hash == header.previous_hash
    if not stands_before or certificate.frontier != header.frontier:
        raise Failed("certificate_mismatch")
    report.certificate = {"epoch": certificate.epoch, "last_seq": certificate.last_seq}


def require_origin(origin: str, ending: str, trusted: TrustedKey | None) -> None:
    if not origin.endswith(ending) or (trusted is not None and origin != trusted.name + ending):
        raise Failed("origin_mismatch")


def compare(note: str, trusted: TrustedKey | None, header: Header, chain: Chain, frontier: Frontier) -> None:
    checkpoint = parse_checkpoint(open_note(note, trusted))
    require_origin(checkpoint.origin, f"/{header.tenant_id}", trusted)
    if checkpoint.size != chain.last_seq:
        raise Failed("size_mismatch")
    if checkpoint.chain_head != chain.last_hash:
        raise Failed("chain_head_mismatch")
    if checkpoint.root != frontier.root():
        raise Failed("root_mismatch")
