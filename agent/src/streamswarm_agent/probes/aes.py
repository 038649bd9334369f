"""AES-128 of single blocks, encryption only; never for secrets: it takes no care of timing.

Source: FIPS 197. The one use is the generator of sending times that RFC 4656 prescribes.
"""

import struct
from collections.abc import Sequence

Block = tuple[int, int, int, int]

ROUNDS = 10
KEY_BYTES = 16
BLOCK = struct.Struct(">4I")
BYTE_MASK = 0xFF
WORD_MASK = 0xFFFFFFFF
REDUCTION = 0x11B
"""The polynomial x^8 + x^4 + x^3 + x + 1 of the field."""


def double(byte: int) -> int:
    """Twice the byte in the field of 256 elements."""
    doubled = byte << 1
    return doubled ^ REDUCTION if doubled > BYTE_MASK else doubled


def build_substitution() -> bytes:
    """The S-box of FIPS 197 section 5.1.1: the inverse in the field, then an affine map."""
    powers = [1]
    while len(powers) < BYTE_MASK:
        # Three generates the field: its powers are all elements but zero.
        powers.append(powers[-1] ^ double(powers[-1]))
    inverses = {power: powers[-place % BYTE_MASK] for place, power in enumerate(powers)}
    return bytes(_map_affinely(inverses.get(byte, 0)) for byte in range(256))


def _map_affinely(byte: int) -> int:
    result = 0x63
    for turn in range(5):
        result ^= (byte << turn | byte >> (8 - turn)) & BYTE_MASK
    return result


SUBSTITUTION = build_substitution()


def _build_tables() -> tuple[tuple[int, ...], ...]:
    columns = []
    for byte in SUBSTITUTION:
        twice = double(byte)
        columns.append(twice << 24 | byte << 16 | byte << 8 | twice ^ byte)
    return tuple(
        tuple((word >> turn | word << (32 - turn)) & WORD_MASK for word in columns)
        for turn in (0, 8, 16, 24)
    )


TABLES = _build_tables()


def expand_key(key: bytes) -> Sequence[int]:
    """The 44 round keys, FIPS 197 section 5.2. Raises: ValueError for another length than 16."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    words = list(BLOCK.unpack(key))
    constant = 1
    for place in range(4, 4 * (ROUNDS + 1)):
        word = words[-1]
        if place % 4 == 0:
            turned = (word << 8 | word >> 24) & WORD_MASK
            word = _substitute(turned) ^ constant << 24
            constant = double(constant)
        words.append(words[-4] ^ word)
    return words


def _substitute(word: int) -> int:
    return int.from_bytes(SUBSTITUTION[byte] for byte in word.to_bytes(4))


def encrypt_block(round_keys: Sequence[int], block: Block) -> Block:
    """The block's four big-endian words, encrypted."""
    one, two, three, four = TABLES
    a, b, c, d = (word ^ key for word, key in zip(block, round_keys[:4], strict=True))
    for at in range(4, 4 * ROUNDS, 4):
        a, b, c, d = (
            one[a >> 24] ^ two[b >> 16 & 255] ^ three[c >> 8 & 255] ^ four[d & 255],
            one[b >> 24] ^ two[c >> 16 & 255] ^ three[d >> 8 & 255] ^ four[a & 255],
            one[c >> 24] ^ two[d >> 16 & 255] ^ three[a >> 8 & 255] ^ four[b & 255],
            one[d >> 24] ^ two[a >> 16 & 255] ^ three[b >> 8 & 255] ^ four[c & 255],
        )
        e, f, g, h = round_keys[at : at + 4]
        a, b, c, d = a ^ e, b ^ f, c ^ g, d ^ h
    words = ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c))
    last = round_keys[4 * ROUNDS :]
    a, b, c, d = (_finish(word) ^ key for word, key in zip(words, last, strict=True))
    return a, b, c, d


def _finish(column: Block) -> int:
    a, b, c, d = column
    box = SUBSTITUTION
    return box[a >> 24] << 24 | box[b >> 16 & 255] << 16 | box[c >> 8 & 255] << 8 | box[d & 255]
