"""docs/formats.md, "Checkpoint": the signature is Ed25519. This is RFC 8032 section 5.1.7, by hand, since Python's library has none.

Verification only, of public data: nothing here needs constant time, and nothing here may ever touch a private key.
"""

from __future__ import annotations

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)

# Extended homogeneous coordinates (X, Y, Z, T), section 5.1.4: x = X/Z, y = Y/Z, x * y = T/Z.
Point = tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = decode(public_key), decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    # A scalar of the order or more would be a second signature of the same message.
    if key is None or commitment is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    return same(multiply(scalar, BASE), add(commitment, multiply(challenge, key)))


def add(a: Point, b: Point) -> Point:
    left = (a[1] - a[0]) * (b[1] - b[0]) % P
    right = (a[1] + a[0]) * (b[1] + b[0]) % P
    cross = 2 * a[3] * b[3] * D % P
    scale = 2 * a[2] * b[2] % P
    e, f, g, h = right - left, scale - cross, scale + cross, right + left
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar: int, point: Point) -> Point:
    result = NEUTRAL
    while scalar > 0:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def same(a: Point, b: Point) -> bool:
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decode(encoded: bytes) -> Point | None:
    """Section 5.1.3. None for what is not the one encoding of a point on the curve."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    x = recover_x(y, sign) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


def recover_x(y: int, sign: int) -> int | None:
    x_squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x_squared, (P + 3) // 8, P)
    if (x * x - x_squared) % P != 0:
        x = x * SQRT_MINUS_ONE % P
    if (x * x - x_squared) % P != 0 or (x == 0 and sign == 1):
        return None
    return P - x if x & 1 != sign else x


def base_point() -> Point:
    y = 4 * pow(5, P - 2, P) % P
    x = recover_x(y, 0)
    assert x is not None
    return (x, y, 1, x * y % P)


BASE = base_point()
