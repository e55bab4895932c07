"""A second verifier of audit exports, written from docs/formats.md alone, in Python's standard library, without network.

    python3 conformance/second-verifier/verify.py FILE [--trust VKEY] [--json]

Exit: 0 the key's holder vouches for every row; 1 it does not hold; 2 usage; 3 it holds, but no key was given to trust.
"""

from __future__ import annotations

import json
import sys

sys.dont_write_bytecode = True  # A checkout stays as it was.

from export import Report, verify_export  # noqa: E402
from note import TrustedKey, parse_vkey  # noqa: E402

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_UNANCHORED = 0, 1, 2, 3
USAGE = "usage: verify.py FILE [--trust VKEY] [--json]"


class UsageError(Exception):
    pass


def main(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        path, trusted = parse_arguments([a for a in arguments if a != "--json"])
    except UsageError as error:
        return complain(as_json, "usage", f"{error}\n{USAGE}", EXIT_USAGE)
    try:
        with open(path, "rb") as file:
            report = verify_export(file, trusted)
    except (OSError, ValueError):  # ValueError: a path that no file can have
        return complain(as_json, "file_unreadable", "The file cannot be read.", EXIT_FAILED)
    print(json.dumps(report.document()) if as_json else sentence(report))
    if report.failure is not None:
        return EXIT_FAILED
    return EXIT_OK if report.anchored else EXIT_UNANCHORED


def parse_arguments(arguments: list[str]) -> tuple[str, TrustedKey | None]:
    files: list[str] = []
    trusted = None
    rest = iter(arguments)
    for argument in rest:
        if argument == "--trust":
            trusted = parse_vkey(next(rest, ""))
            if trusted is None:
                raise UsageError("--trust takes the log's verifier key: <name>+<key id>+<key>.")
        elif argument.startswith("-"):
            raise UsageError("Unknown option.")
        else:
            files.append(argument)
    if len(files) != 1:
        raise UsageError("Give one export file.")
    return files[0], trusted


def complain(as_json: bool, code: str, message: str, status: int) -> int:
    print(message, file=sys.stderr)
    if as_json:
        print(json.dumps({"ok": False, "error": {"code": code, "message": message.split("\n")[0]}}))
    return status


def sentence(report: Report) -> str:
    if report.failure is not None:
        return f"Fails at row {report.failure['seq']}: {report.failure['code']}. {report.rows} rows before it hold."
    whose = "vouched for by the trusted key" if report.anchored else "agreeing with each other; no key was given to trust"
    pruned = "" if report.certificate is None else " Rows {last_seq} and before are vouched for by the certificate of {epoch}.".format(**report.certificate)
    return f"{report.rows} rows hold, {whose}.{pruned}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
