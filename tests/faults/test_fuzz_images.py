"""Damaged image files in a folder: each is decoded or listed as broken by name, and none takes much memory."""

import io
import resource
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image
from support.fuzzing import for_all

from vae_jax import config as config_lib
from vae_jax import data
from vae_jax.errors import InputError
from vae_jax.types import Config

FORMATS = ("png", "jpeg", "gif", "bmp", "webp", "tiff")
SIDE = 16
FILES = 16
"""The number of damaged images in a folder, and of intact ones. With HUGE, a message lists no more than these."""
MOST_BYTES = 2 * 2**30
"""The allowed growth of this process: an image of 89 million pixels, PIL's limit, is 357 MB, and may be copied."""


def whole_image(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


WHOLE = {kind: whole_image(kind) for kind in FORMATS}


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def huge_png(width: int, height: int) -> bytes:
    """Return a PNG whose header claims the size, with a body of 10 kB that decompresses to 10 MB."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def huge(kind: str, width: int, height: int) -> bytes:
    """Return an intact image whose header claims another size."""
    if kind == "png":
        return huge_png(width, height)
    image = bytearray(WHOLE[kind])
    width, height = min(width, 65535), min(height, 65535)
    if kind == "gif":
        image[6:10] = struct.pack("<HH", width, height)
        place = image.index(b",", 13 + 3 * 256 if image[10] & 128 else 13)
        image[place + 5 : place + 9] = struct.pack("<HH", width, height)
    elif kind == "bmp":
        image[18:26] = struct.pack("<ii", width, height)
    elif kind == "jpeg":
        place = image.index(b"\xff\xc0")
        image[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(image)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return (extension, content) of an image that is truncated, corrupted, of another type, or claims a huge size."""
    kind, how = draw(st.sampled_from(FORMATS)), draw(st.integers(0, 9))
    image = bytearray(WHOLE[kind])
    near = st.integers(0, min(60, len(image) - 1))  # the header
    place = draw(near | st.integers(0, len(image) - 1))
    if how == 0:
        del image[place:]
    elif how <= 3:
        for at in draw(st.lists(near | st.integers(0, len(image) - 1), min_size=1, max_size=8)):
            image[at] ^= 1 << draw(st.integers(0, 7))
    elif how == 4:
        image[place : place + 4] = draw(
            st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"])
        )
    elif how == 5:
        image[place:place] = draw(st.binary(min_size=1, max_size=16))
    elif how == 6:
        here, there = (slice(at, at + 12) for at in (place, draw(st.integers(0, len(image) - 1))))
        image[here], image[there] = image[there], image[here]
    elif how == 7:
        sizes = st.sampled_from([0, 1, SIDE, 10_000, 65_535, 2**31 - 1, 2**32 - 1])
        return kind, huge(kind, draw(sizes), draw(sizes))
    elif how == 8:
        image += WHOLE[draw(st.sampled_from(FORMATS))]
    else:
        return kind, WHOLE[draw(st.sampled_from(FORMATS))][place:] + bytes(image)
    return draw(st.sampled_from((kind, "png"))), bytes(image)


HUGE = {f"huge.{kind}": huge(kind, 10_000, 10_000) for kind in ("png", "jpeg", "gif", "bmp")}
"""Images between PIL's limit, above which it warns, and twice the limit, above which it refuses."""


def broken_of(config: Config) -> list[str]:
    """Return the names of the files that loading the folder refuses, each in a line with a reason."""
    try:
        data.load(config)
    except InputError as error:
        head, *lines = str(error).split("\n")
    else:
        return []
    assert head.startswith(f"dataset=folder: {len(lines)} of {2 * FILES + len(HUGE)} files cannot be used"), head
    assert all(line.isprintable() and line.partition(": ")[2] for line in lines), lines
    return [line.partition(": ")[0] for line in lines]


@pytest.mark.fault("image files damaged")
@pytest.mark.parametrize("count", [80, pytest.param(500, marks=pytest.mark.slow)])
def test_a_damaged_image_is_decoded_or_listed(count, tmp_path, capsys, record_property):
    config = config_lib.defaults()
    config.update(
        {"dataset": "folder", "cache_dir": str(tmp_path / "cache"), "split": (0.5, 0.25, 0.25), "image_size": (8, 8)}
    )
    found = {"decoded": 0, "broken": 0}

    def check(images: list[tuple[str, bytes]]) -> None:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        config.train_dir = str(folder)
        for i, (kind, content) in enumerate(images):
            (folder / f"{i}.{kind}").write_bytes(content)
            (folder / f"whole{i}.png").write_bytes(WHOLE["png"])
        for name, content in HUGE.items():
            (folder / name).write_bytes(content)
        broken = broken_of(config)
        assert {str(folder / name) for name in HUGE} <= set(broken)
        assert not [name for name in broken if "whole" in name]
        config.skip_broken = True
        dataset = data.load(config)
        config.skip_broken = False
        assert sum(len(split.images) for split in dataset[:3]) == 2 * FILES + len(HUGE) - len(broken)
        assert {split.images.shape[1:3] for split in dataset[:3]} == {(8, 8)}
        found["broken"] += len(broken)
        found["decoded"] += FILES + len(HUGE) - len(broken)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for_all(st.lists(damaged(), min_size=FILES, max_size=FILES), -(-count // FILES), check)
    assert not warned, warned[0]
    assert all(line.startswith("dataset=folder: files left out: ") for line in capsys.readouterr().err.splitlines())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST_BYTES
    assert min(found.values()) > count // 10
    record_property("tried", count)
