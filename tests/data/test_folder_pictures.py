"""Single image files of every format and pixel type."""

import struct
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from vae_jax.data.folders import image_file
from vae_jax.data.folders.image_file import EXTENSIONS, BrokenImageError, are_grey, decode, num_pages


def gradient(height=24, width=32) -> np.ndarray:
    """Return smooth colours that differ in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / (width - 1), y * 255 / (height - 1), np.full(x.shape, 90)], -1).round().astype(np.uint8)


def pixels(file, size=(), channels=3, background="black") -> np.ndarray:
    found = decode(file, size, channels, background).pixels
    assert found.dtype == np.uint8
    return found.astype(int)


@pytest.mark.parametrize("extension", sorted(EXTENSIONS))
def test_every_format_is_read_in_colour_and_in_grey(tmp_path, extension):
    file, truth = tmp_path / f"x{extension}", gradient().astype(int)
    Image.fromarray(gradient()).save(file, lossless=True)
    tolerance = {".jpg": 12, ".jpeg": 12, ".gif": 40}.get(extension, 0)
    assert np.abs(pixels(file) - truth).max() <= tolerance
    grey = pixels(file, channels=1)
    assert grey.shape == (24, 32, 1)
    assert np.abs(grey[..., 0] - truth @ [0.299, 0.587, 0.114]).max() <= tolerance + 1
    assert not are_grey([file])


@pytest.mark.parametrize("extension", [".gif", ".webp", ".tiff", ".png"])
def test_the_first_frame_of_an_animation_is_used(tmp_path, extension):
    first, second = Image.new("RGB", (8, 6), (200, 0, 0)), Image.new("RGB", (8, 6), (0, 200, 0))
    first.save(tmp_path / f"x{extension}", save_all=True, append_images=[second])
    assert np.abs(pixels(tmp_path / f"x{extension}") - [200, 0, 0]).max() < 8


def test_pages_are_counted_and_those_after_the_first_may_be_damaged(tmp_path):
    first, second = Image.new("RGB", (8, 6), (200, 0, 0)), Image.new("RGB", (8, 6), (0, 200, 0))
    for extension in (".tiff", ".gif", ".webp"):
        file = tmp_path / f"x{extension}"
        first.save(file, save_all=True, append_images=[second, first])
        assert decode(file, (), 3, "black").several
        assert num_pages(file) == 3
        first.save(file)
        assert not decode(file, (), 3, "black").several
    # A photograph with its preview; of copies, because PIL leaves the options of a format in the images that it saves.
    first.copy().save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[second.copy()])
    assert not decode(tmp_path / "x.jpg", (), 3, "black").several
    first.save(tmp_path / "x.tiff", save_all=True, append_images=[second])
    whole = (tmp_path / "x.tiff").read_bytes()
    (tmp_path / "x.tiff").write_bytes(whole[: len(whole) - 10])
    assert np.abs(pixels(tmp_path / "x.tiff") - [200, 0, 0]).max() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", [".jpg", ".png", ".tiff", ".webp"])
def test_exif_orientation_is_applied(tmp_path, extension, orientation):
    turns = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(gradient()).save(tmp_path / f"x{extension}", exif=exif)
    assert np.abs(pixels(tmp_path / f"x{extension}") - turns[orientation](gradient().astype(int))).max() < 16


@pytest.mark.parametrize("tag", [282, 256])
def test_an_invalid_exif_entry_does_not_affect_the_orientation(tmp_path, tag):
    """A resolution and a width stored as text, as some programs write them."""
    entries = [struct.pack(">HHI4s", tag, 2, 4, b"300\0"), struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)]
    content = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 2) + b"".join(sorted(entries)) + bytes(4)
    Image.fromarray(gradient()).save(tmp_path / "x.jpg", exif=content)
    with Image.open(tmp_path / "x.jpg") as picture:
        assert picture.getexif()[tag] == "300"
    assert np.abs(pixels(tmp_path / "x.jpg") - np.rot90(gradient().astype(int), -1)).max() < 16


@pytest.mark.parametrize(("background", "value"), [("black", 0), ("white", 255)])
def test_transparent_pixels_show_the_background(tmp_path, background, value):
    colour = np.concatenate([gradient(), np.full((24, 32, 1), 255, np.uint8)], -1)
    colour[:8, :, 3], colour[8:16, :, 3] = 0, 51
    Image.fromarray(colour).save(tmp_path / "rgba.png")
    Image.fromarray(colour).save(tmp_path / "rgba.webp", lossless=True, exact=True)
    Image.fromarray(colour[..., [0, 3]]).save(tmp_path / "la.png")
    truth = np.where(np.arange(24)[:, None, None] < 8, value, 0.2 * colour[..., :3] + 0.8 * value)
    truth[16:] = colour[16:, :, :3]
    for name in ("rgba.png", "rgba.webp"):
        assert np.abs(pixels(tmp_path / name, background=background) - truth).max() <= 1
    grey = pixels(tmp_path / "la.png", channels=1, background=background)[..., 0]
    assert np.abs(grey - truth[..., 0]).max() <= 1
    assert are_grey([tmp_path / "la.png"])


@pytest.mark.parametrize(("background", "value"), [("black", 0), ("white", 255)])
def test_palettes_and_their_transparent_entry_are_decoded(tmp_path, background, value):
    picture = Image.new("P", (3, 2))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putdata([0, 1, 0, 1, 0, 1])
    picture.save(tmp_path / "plain.png")
    for name in ("x.png", "x.gif"):
        picture.save(tmp_path / name, transparency=0)
    plain = np.array([[10, 20, 30], [200, 100, 50]])[[[0, 1, 0], [1, 0, 1]]]
    np.testing.assert_array_equal(pixels(tmp_path / "plain.png", background=background), plain)
    for name in ("x.png", "x.gif"):
        expected = np.where(plain == plain[0, 0], value, plain)
        np.testing.assert_array_equal(pixels(tmp_path / name, background=background), expected)


def test_sixteen_bit_images_are_scaled_over_the_whole_range(tmp_path):
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    for name in ("x.png", "x.tiff"):
        Image.fromarray(deep).save(tmp_path / name)
        np.testing.assert_array_equal(pixels(tmp_path / name, channels=1)[..., 0], [[0, 1, 128, 255]])
        assert are_grey([tmp_path / name])
    Image.fromarray(deep.astype(np.int32)).save(tmp_path / "i.tiff")
    np.testing.assert_array_equal(pixels(tmp_path / "i.tiff")[..., 2], [[0, 1, 128, 255]])


def test_floats_in_0_to_1_are_read_and_others_are_broken(tmp_path):
    Image.fromarray(np.array([[0, 0.5, 1]], np.float32)).save(tmp_path / "f.tiff")
    np.testing.assert_array_equal(pixels(tmp_path / "f.tiff", channels=1)[..., 0], [[0, 128, 255]])
    for value in (1.5, -0.1, np.nan):
        Image.fromarray(np.array([[0, value]], np.float32)).save(tmp_path / "f.tiff")
        with pytest.raises(BrokenImageError, match="outside 0 to 1"):
            decode(tmp_path / "f.tiff", (), 1, "black")


def test_cmyk_and_one_bit_images_are_decoded(tmp_path):
    truth = gradient()
    for name in ("x.jpg", "x.tiff"):
        Image.fromarray(truth).convert("CMYK").save(tmp_path / name)
        assert np.abs(pixels(tmp_path / name) - truth).max() < 12
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).convert("1").save(tmp_path / "one.png")
    np.testing.assert_array_equal(pixels(tmp_path / "one.png", channels=1)[..., 0], np.eye(4, dtype=int) * 255)


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_shrinking_is_antialiased_and_gives_the_exact_size(tmp_path, extension):
    checkers = (np.indices((256, 320)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checkers).save(tmp_path / f"x{extension}", quality=95)
    found = pixels(tmp_path / f"x{extension}", (7, 33), 1)
    assert found.shape == (7, 33, 1)
    assert np.abs(found - 127.5).max() < 14
    Image.fromarray(gradient(999, 1501)).save(tmp_path / f"y{extension}", quality=95)
    found = pixels(tmp_path / f"y{extension}", (24, 32))
    assert np.abs(found - gradient()).max() < 8


def test_a_jpeg_keeps_the_detail_that_its_size_can_show(tmp_path):
    blocks = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(blocks).save(tmp_path / "x.jpg", quality=95)
    whole = Image.open(tmp_path / "x.jpg").resize((64, 64), Image.Resampling.BILINEAR)
    assert np.abs(pixels(tmp_path / "x.jpg", (64, 64), 1)[..., 0] - np.asarray(whole, int)).max() < 20


def test_a_rotated_photograph_is_rotated_before_it_is_resized(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient(400, 800)).save(tmp_path / "x.jpg", exif=exif)
    found = pixels(tmp_path / "x.jpg", (32, 16))
    assert np.abs(found - np.rot90(gradient(16, 32), -1)).max() < 16


def test_the_error_for_a_broken_image_gives_the_reason(tmp_path, monkeypatch):
    Image.fromarray(gradient()).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    contents = {
        "empty": (b"", "an empty file"),
        "text": (b"hello", "not an image"),
        "script": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        "half": (whole[: len(whole) // 2], ""),
        "flipped": (whole[:60] + bytes([whole[60] ^ 255]) + whole[61:], ""),
    }
    for name, (content, reason) in contents.items():
        file = tmp_path / f"{name}.png"
        file.write_bytes(content)
        with pytest.raises(BrokenImageError) as caught:
            decode(file, (8, 8), 3, "black")
        assert str(caught.value).startswith(reason)
        assert str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(BrokenImageError, match="No such file or directory"):
        decode(tmp_path / "none.png", (), 3, "black")


@pytest.mark.parametrize("limit", [767, 300])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch, limit):
    Image.fromarray(gradient()).save(tmp_path / "x.png")  # 768 pixels: PIL only warns below twice its limit
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BrokenImageError, match=f"limit of {limit}"):
            decode(tmp_path / "x.png", (8, 8), 3, "black")


def test_large_images_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    Image.fromarray(gradient()).save(tmp_path / "x.png")
    flatten, at_once, most = image_file._flatten, [], []

    def slow(*given):
        at_once.append(1)
        time.sleep(0.02)
        most.append(len(at_once))
        at_once.pop()
        return flatten(*given)

    monkeypatch.setattr(image_file, "_flatten", slow)
    monkeypatch.setattr(image_file, "_LARGE", 100)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: pixels(tmp_path / "x.png"), range(4)))
    assert max(most) == 1
