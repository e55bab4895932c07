"""docs/formats.md, "Merkle tree": the root of all rows, from the frontier alone, so that a log of any size takes the same memory."""

from __future__ import annotations

from encoding import sha256


class Frontier:
    """The roots of the perfect subtrees that `size` is the sum of, largest first."""

    def __init__(self, size: int, roots: list[bytes]):
        self.size = size
        self.roots = list(roots)

    def append(self, leaf_data: bytes) -> None:
        root, size = sha256(b"\x00" + leaf_data), self.size
        # Each trailing one in the old size is a perfect subtree as large as the one just completed.
        while size & 1:
            root = node(self.roots.pop(), root)
            size >>= 1
        self.roots.append(root)
        self.size += 1

    def root(self) -> bytes:
        if not self.roots:
            return sha256(b"")
        result = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            result = node(left, result)
        return result


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def roots_in(size: int) -> int:
    return bin(size).count("1")
