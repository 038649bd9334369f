"""Files of models: what is written comes back, anything else is refused in words."""

import io
import json
import pickle
import struct
import zipfile
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from apps.ml.algorithms import containers
from apps.ml.algorithms.containers import DTYPES, digest, hash_features, pack, unpack
from apps.ml.errors import BadModelFile

HEADER = {"features": ["a", "b"], "calibration": {"q": 0.5}}
ARRAYS = {"weights": np.arange(6.0).reshape(2, 3), "roots": np.array([0, 3], np.int32)}


def build(members, compression=zipfile.ZIP_STORED):
    """A file with these members, whatever they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def encode_npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def head(**changes):
    return ("header.json", json.dumps({**HEADER, "format": 1, **changes}))


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True),
        st.sampled_from(DTYPES).flatmap(
            lambda dtype: numpy_strategies.arrays(
                np.dtype(dtype), numpy_strategies.array_shapes(min_dims=0, max_dims=3, min_side=0)
            )
        ),
        max_size=4,
    ),
    st.lists(st.text(max_size=20), max_size=5),
)
def test_what_is_packed_comes_back_the_same(arrays, features):
    artifact = unpack(pack(arrays, {"features": features, "calibration": {}}))
    assert artifact.features == tuple(features)
    assert artifact.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        found = artifact.arrays[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
        assert not found.flags.writeable


def test_the_same_model_gives_the_same_file_and_numpy_reads_it():
    content = pack(ARRAYS, HEADER)
    assert digest(content) == digest(pack(dict(reversed(ARRAYS.items())), HEADER))
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        assert np.array_equal(loaded["weights"], ARRAYS["weights"])


def test_feature_schemas_differ_by_name_and_by_order():
    hashes = {hash_features(features) for features in [("a", "b"), ("b", "a"), ("ab",), ("a",)]}
    assert len(hashes) == 4


class Opener:
    def __reduce__(self):
        return (print, ("code of the file was run",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"PK\x03\x04 not really", "cannot be read"),
        (pickle.dumps(Opener()), "cannot be read"),
        (build([]), "no header"),
        (build([head(), ("../../evil.npy", b"")]), "no name"),
        (build([head(), ("code.py", b"import os")]), "no name"),
        (build([head(), ("a.npy", pickle.dumps(Opener()))]), "no array"),
        (build([head(), ("a.npy", encode_npy(np.array([Opener()], object)))]), "type object"),
        (build([head(), ("a.npy", encode_npy(np.array(["text"])))]), "type <U4"),
        (build([head(), ("a.npy", encode_npy(np.zeros(3, ">f8")))]), "type >f8"),
        (build([head(), ("a.npy", encode_npy(np.zeros((1, 1, 1, 1))))]), "shape"),
        (build([head(), ("a.npy", encode_npy(np.asfortranarray(np.zeros((2, 3)))))]), "shape"),
        (build([head(), ("a.npy", encode_npy(np.zeros(3), version=(2, 0)))]), "version"),
        (build([head(), ("a.npy", encode_npy(np.zeros(3))[:-8])]), "claims"),
        (build([head(), ("a.npy", encode_npy(np.zeros(3)) + b"tail")]), "claims"),
        (build([head(format=2)]), "format 1"),
        (build([head(features="ab")]), "features"),
        (build([head(features=[1])]), "features"),
        (build([head(calibration=None)]), "calibration"),
        (build([("header.json", b"{")]), "no JSON"),
        (build([("header.json", b"[" * 100_000)]), "no JSON"),
        (build([("header.json", b"[]")]), "format 1"),
        (build([("header.json", b" " * (containers.MOST_HEADER_BYTES + 1))]), "more than"),
        (build([head(), *((f"a{n}.npy", b"") for n in range(64))]), "65 members"),
        (build([head(), ("a.npy", bytes(9_000_000))], zipfile.ZIP_DEFLATED), "compressed"),
        (build([head()], zipfile.ZIP_LZMA), "compressed"),
    ],
)
def test_a_foreign_or_malicious_file_is_refused_with_its_reason(content, reason):
    with pytest.raises(BadModelFile, match=reason):
        unpack(content)


def test_a_shape_that_claims_terabytes_takes_no_memory():
    array = encode_npy(np.zeros(3))
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9999), }"
    content = build(
        [head(), ("a.npy", array[:8] + struct.pack("<H", len(text) + 1) + text + b"\n")]
    )
    with pytest.raises(BadModelFile, match="claims"):
        unpack(content)


def test_members_that_claim_more_than_the_file_are_refused():
    content = bytearray(pack(ARRAYS, HEADER))
    place = content.rindex(b"PK\x01\x02")
    struct.pack_into("<II", content, place + 20, 2**31, 2**31)
    with pytest.raises(BadModelFile, match=r"claim more|cannot be read"):
        unpack(bytes(content))


def test_a_name_twice_is_refused():
    with pytest.warns(UserWarning, match="Duplicate"):
        content = build([head(), ("a.npy", b""), ("a.npy", b"")])
    with pytest.raises(BadModelFile, match="twice"):
        unpack(content)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(monkeypatch):
    content = pack(ARRAYS, HEADER)
    monkeypatch.setattr(containers, "MOST_FILE_BYTES", len(content) - 1)
    for refused in (lambda: unpack(content), lambda: pack(ARRAYS, HEADER)):
        with pytest.raises(BadModelFile, match="bytes"):
            refused()


def test_flipped_bits_are_refused_or_change_figures_alone():
    content = pack(ARRAYS, HEADER)
    for place, bit in product(range(len(content)), range(8)):
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        try:
            artifact = unpack(bytes(changed))
        except BadModelFile:
            continue
        assert {array.dtype.str for array in artifact.arrays.values()} <= set(DTYPES)


@pytest.mark.parametrize("length", [0, 1, 100, -1, -30])
def test_a_truncated_file_is_refused(length):
    with pytest.raises(BadModelFile):
        unpack(pack(ARRAYS, HEADER)[:length])


@pytest.mark.parametrize(
    ("arrays", "header", "reason"),
    [
        ({"a": np.array([object()])}, HEADER, "type object"),
        ({"../a": np.zeros(1)}, HEADER, "no name"),
        ({}, {**HEADER, "x": float("nan")}, "no JSON"),
        ({}, {**HEADER, "x": {1, 2}}, "no JSON"),
        ({}, {**HEADER, "x": "y" * 300_000}, "header has"),
        ({f"a{n}": np.zeros(1) for n in range(64)}, HEADER, "64 arrays"),
    ],
)
def test_what_no_file_may_hold_is_not_packed(arrays, header, reason):
    with pytest.raises(BadModelFile, match=reason):
        pack(arrays, header)
