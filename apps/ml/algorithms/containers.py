"""Files of models: plain arrays and JSON in an uncompressed npz, read without trust.

Nothing in such a file is ever run: arrays of numbers in their one shape, a header of bounded size.
Sizes are judged by the list of contents, before any array is made, and members are stored as they
are, so that no small file grows.
"""

import hashlib
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from apps.ml.errors import BadModelFile

FORMAT: Final = 1
HEADER_NAME: Final = "header.json"
NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
DTYPES: Final = ("<f8", "<f4", "<i8", "<i4", "<i2", "|i1", "|u1")
MOST_FILE_BYTES: Final = 64 * 1024 * 1024
MOST_HEADER_BYTES: Final = 256 * 1024
MOST_MEMBERS: Final = 64
MOST_DIMENSIONS: Final = 3
# An npy header of ours takes 128 bytes.
MOST_ARRAY_HEADER_BYTES: Final = 1024
# The same model gives the same bytes, whenever it is written.
WRITTEN_AT: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model as its file holds it: arrays by name, and what is said of them."""

    arrays: Mapping[str, NDArray[Any]]
    header: Mapping[str, Any]

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(self.header["features"])

    @property
    def calibration(self) -> Mapping[str, Any]:
        calibration: Mapping[str, Any] = self.header["calibration"]
        return calibration


def pack(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> bytes:
    """The file of these arrays and that header, which may be read by `unpack`.

    Raises: BadModelFile for what no file may hold, such as an array of objects, or too much of it.
    """
    text = encode_header(header)
    if len(arrays) >= MOST_MEMBERS:
        raise BadModelFile(f"it holds {len(arrays)} arrays; at most {MOST_MEMBERS - 1} are allowed")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER_NAME, WRITTEN_AT), text)
        for name in sorted(arrays):
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", WRITTEN_AT), encode(name, arrays[name]))
    content = buffer.getvalue()
    if len(content) > MOST_FILE_BYTES:
        raise BadModelFile(f"it has {len(content)} bytes; at most {MOST_FILE_BYTES} are allowed")
    return content


def encode_header(header: Mapping[str, Any]) -> bytes:
    try:
        document = {**header, "format": FORMAT}
        text = json.dumps(document, allow_nan=False, sort_keys=True).encode()
    except (TypeError, ValueError) as error:
        raise BadModelFile(f"its header is no JSON: {error}") from error
    if len(text) > MOST_HEADER_BYTES:
        raise BadModelFile(f"its header has {len(text)} bytes; at most {MOST_HEADER_BYTES} may be")
    return text


def encode(name: str, array: NDArray[Any]) -> bytes:
    if NAME_PATTERN.fullmatch(name) is None:
        raise BadModelFile(f"{name!r} is no name of an array")
    if array.dtype.str not in DTYPES or array.ndim > MOST_DIMENSIONS:
        raise BadModelFile(f"{name} has {array.ndim} dimensions of type {array.dtype}")
    buffer = io.BytesIO()
    npy.write_array(buffer, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """The SHA-256 of a file by which its row knows it."""
    return hashlib.sha256(content).hexdigest()


def hash_features(features: tuple[str, ...]) -> str:
    """A short name of a feature schema: of which features there are, and in which order."""
    return hashlib.sha256("\n".join(features).encode()).hexdigest()[:16]


def unpack(content: bytes) -> Artifact:
    """The model in that file.

    Raises: BadModelFile for anything but what `pack` writes.
    """
    if len(content) > MOST_FILE_BYTES:
        raise BadModelFile(f"it has {len(content)} bytes; at most {MOST_FILE_BYTES} are allowed")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = check_members(archive.infolist(), len(content))
            texts = {name: archive.read(member) for name, member in members.items()}
    # RuntimeError is what zipfile says of a member that claims to be encrypted.
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError) as error:
        raise BadModelFile(f"it cannot be read: {error}") from error
    header = decode_header(texts.pop(HEADER_NAME))
    arrays = {name.removesuffix(".npy"): decode(name, text) for name, text in texts.items()}
    return Artifact(arrays, header)


def check_members(members: list[zipfile.ZipInfo], file_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """The members by name, all of which are stored as they are and fit into the file."""
    if len(members) > MOST_MEMBERS:
        raise BadModelFile(f"it holds {len(members)} members; at most {MOST_MEMBERS} are allowed")
    by_name = {member.filename: member for member in members}
    if len(by_name) != len(members) or HEADER_NAME not in by_name:
        raise BadModelFile("it holds a name twice, or no header")
    for name, member in by_name.items():
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise BadModelFile(f"{name!r} is compressed")
        is_array = name.endswith(".npy") and NAME_PATTERN.fullmatch(name.removesuffix(".npy"))
        if name != HEADER_NAME and not is_array:
            raise BadModelFile(f"{name!r} is no name of an array")
    if sum(member.file_size for member in members) > file_bytes:
        raise BadModelFile("its members claim more than the file holds")
    if by_name[HEADER_NAME].file_size > MOST_HEADER_BYTES:
        raise BadModelFile(f"its header has more than {MOST_HEADER_BYTES} bytes")
    return by_name


def decode_header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadModelFile(f"its header is no JSON: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise BadModelFile(f"its header is not of format {FORMAT}")
    features, calibration = header.get("features"), header.get("calibration")
    is_named = isinstance(features, list) and all(isinstance(one, str) for one in features)
    if not is_named or not isinstance(calibration, dict):
        raise BadModelFile("its header names no features, or no calibration")
    return header


def decode(name: str, text: bytes) -> NDArray[Any]:
    """The array of an npy member, whose bytes are exactly those of its shape."""
    buffer = io.BytesIO(text)
    try:
        version = npy.read_magic(buffer)
        if version != (1, 0):
            raise BadModelFile(f"{name} is of npy version {version}")
        shape, is_fortran, dtype = npy.read_array_header_1_0(
            buffer, max_header_size=MOST_ARRAY_HEADER_BYTES
        )
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise BadModelFile(f"{name} is no array: {error}") from error
    if dtype.str not in DTYPES or dtype.hasobject or is_fortran or len(shape) > MOST_DIMENSIONS:
        raise BadModelFile(f"{name} is an array of type {dtype} and shape {shape}")
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(text) - (
        buffer.tell()
    ):
        raise BadModelFile(f"{name} does not have the {shape} values that it claims")
    array = np.frombuffer(text, dtype, offset=buffer.tell()).reshape(shape)
    array.flags.writeable = False
    return array
