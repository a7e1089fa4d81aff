"""The blocks of an offline file of Weights & Biases."""

import struct

import pytest

from vae_jax.system.trackers.wandb_files import BLOCK, FIRST, LAST, WHOLE, payloads

MIDDLE = 3


def written(contents: list[bytes]) -> bytes:
    """Return a file as LevelDB's log writes it: a piece never crosses a block, and a rest below 7 bytes is zeros."""
    data = bytearray(b":W&B\x00\x00\x00")
    for content in contents:
        left, first = content, True
        while left or first:
            if BLOCK - len(data) % BLOCK < 7:
                data += bytes(BLOCK - len(data) % BLOCK)
            room = BLOCK - len(data) % BLOCK - 7
            piece, left = left[:room], left[room:]
            place = {(True, True): WHOLE, (True, False): FIRST, (False, False): MIDDLE, (False, True): LAST}[
                first, not left
            ]
            data += struct.pack("<IHB", 0, len(piece), place) + piece
            first = False
    return bytes(data)


@pytest.mark.parametrize("size", [1, 100, BLOCK - 20, BLOCK - 15, BLOCK - 14, BLOCK - 13, BLOCK, 3 * BLOCK])
def test_records_are_read_over_the_ends_of_blocks_and_up_to_one_that_is_cut_off(size):
    contents = [bytes([i + 1]) * size for i in range(5)]
    data = written(contents)
    assert list(payloads(data)) == contents
    for cut in (1, 8, size + 6):
        assert list(payloads(data[:-cut])) == contents[:4]
    assert list(payloads(data + bytes(7))) == contents
    assert list(payloads(data[:7])) == list(payloads(b"")) == []
