"""Image folders of the user: files, classes, splits and the cache."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_jax import config as config_room
from vae_jax import data
from vae_jax.errors import InputError, TrainingError


def make_config(tmp_path, **changes):
    config = config_room.defaults()
    config.update({"dataset": "folder", "cache_dir": str(tmp_path / "cache"), **changes})
    return config


def said(config) -> str:
    with pytest.raises(InputError) as caught:
        data.load(config)
    return str(caught.value)


MOVED = "if the data of a run have moved: python -m vae_jax.main --workdir=RUN"


def write_images(folder: Path, first: int, count: int, classes=("cat", "dog"), size=(4, 3), mode="RGB") -> None:
    """Write images whose pixels encode their number, in turn to the class folders; no classes: a flat folder."""
    for number in range(first, first + count):
        where = folder / classes[number % len(classes)] if classes else folder
        where.mkdir(parents=True, exist_ok=True)
        colour = (number // 200, number % 200, 7) if mode == "RGB" else number % 200
        Image.new(mode, size, colour).save(where / f"{number:04}.png")


def numbers(split) -> list[int]:
    return (split.images[:, 0, 0, 0].astype(int) * 200 + split.images[:, 0, 0, 1]).tolist()


@pytest.fixture
def folders(tmp_path) -> dict[str, str]:
    """Write train: 100 images numbered from 0; val: 10 from 500; test: 40 from 600; two classes each."""
    for part, first, count in [("train", 0, 100), ("val", 500, 10), ("test", 600, 40)]:
        write_images(tmp_path / "set" / part, first, count)
    return {f"{part}_dir": str(tmp_path / "set" / part) for part in ("train", "val", "test")}


TRAIN, VAL, TEST = range(100), range(500, 510), range(600, 640)
RULES = {
    "one folder": (["train"], {"split": (0.7, 0.2, 0.1)}, (70, 20, 10), [("train", "val", "test"), (), ()]),
    "target train": (["train", "test"], {"split": (0.8, 0.2)}, (80, 20, 40), [("train", "val"), (), ("test",)]),
    "target test": (
        ["train", "test"],
        {"split": (0.75, 0.25), "split_target": "test"},
        (100, 30, 10),
        [("train",), (), ("val", "test")],
    ),
    "three folders": (["train", "val", "test"], {}, (100, 10, 40), [("train",), ("val",), ("test",)]),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_uses_every_image_once_from_its_folder_in_its_proportion(tmp_path, folders, rule):
    given, changes, sizes, origins = RULES[rule]
    dirs = {f"{part}_dir": folders[f"{part}_dir"] for part in given}
    config = config_room.validate(make_config(tmp_path, **dirs, **changes), {})
    found = data.load(config)
    assert tuple(len(split.images) for split in found[:3]) == sizes
    for names, images in zip(origins, (TRAIN, VAL, TEST), strict=True):
        taken = [number for name in names for number in numbers(getattr(found, name))]
        assert sorted(taken) == (list(images) if names else [])
    assert found.class_names == ("cat", "dog")
    for split in found[:3]:
        assert (np.array(numbers(split)) % 2).tolist() == split.labels.tolist()
        assert abs(np.bincount(split.labels, minlength=2) - len(split.labels) / 2).max() <= 0.5, "not stratified"
        assert numbers(split) != sorted(numbers(split)), "not in random order"


def test_the_split_depends_on_split_seed_only(tmp_path, folders):
    a, b, c = (
        data.load(make_config(tmp_path, train_dir=folders["train_dir"], split=(0.6, 0.2, 0.2), seed=i, split_seed=j))
        for i, j in [(0, 0), (1, 0), (0, 1)]
    )
    for x, y, z in zip(a[:3], b[:3], c[:3], strict=True):
        assert numbers(x) == numbers(y)
        assert set(numbers(x)) != set(numbers(z))


def test_num_train_takes_a_random_sample_and_keeps_the_other_splits(tmp_path, folders):
    some = {"train_dir": folders["train_dir"], "split": (0.7, 0.2, 0.1)}
    whole, few = data.load(make_config(tmp_path, **some)), data.load(make_config(tmp_path, num_train=12, **some))
    assert numbers(few.train) == numbers(whole.train)[:12]
    assert max(numbers(few.train)) > 50
    assert numbers(few.val) == numbers(whole.val)
    assert said(make_config(tmp_path, num_train=71, **some)) == "num_train=71: only 70 training images"


@pytest.mark.parametrize(("names", "split"), [(["train", "test"], (0.5, 0.5)), (["train", "val", "test"], ())])
def test_subfolders_train_val_test_of_data_dir_equal_the_three_keys(tmp_path, folders, names, split):
    dirs = {f"{name}_dir": folders[f"{name}_dir"] for name in names}
    if "val" not in names:
        os.rename(folders["val_dir"], tmp_path / "elsewhere")
    a = data.load(make_config(tmp_path, data_dir=str(tmp_path / "set"), split=split))
    b = data.load(make_config(tmp_path, split=split, **dirs))
    for x, y in zip(a[:3], b[:3], strict=True):
        assert numbers(x) == numbers(y)


def test_data_dir_without_subfolders_or_with_a_wrong_split_is_reported_in_one_line(tmp_path, folders):
    whole = str(tmp_path / "set")
    assert said(make_config(tmp_path, data_dir=str(tmp_path / "no"))) == (
        f"data_dir={tmp_path / 'no'}: no such folder; {MOVED} --config.data_dir=NEW"
    )
    line = said(make_config(tmp_path, data_dir=folders["train_dir"]))
    assert line.startswith(f"data_dir={folders['train_dir']}: holds neither train/ nor test/")
    assert "split_target=test" in line
    line = said(make_config(tmp_path, data_dir=whole, split=(0.5, 0.5)))
    assert line.startswith("split=(0.5, 0.5): test and train and val given with 2 proportions in split; choices: ")
    assert said(make_config(tmp_path, train_dir=whole, split=(0.5, 0.3, 0.2))) == (
        f"train_dir={whole}: holds train/ and val/ and test/; give it as data_dir"
    )


def test_all_missing_folders_are_named_at_once_with_the_absolute_path(tmp_path, folders, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = said(make_config(tmp_path, train_dir="a", val_dir=folders["val_dir"], test_dir=str(tmp_path / "b")))
    assert line == (
        f"train_dir=a ({tmp_path}/a), test_dir={tmp_path}/b: no such folders; "
        f"{MOVED} --config.train_dir=NEW --config.test_dir=NEW"
    )


def test_proportions_that_leave_a_split_empty_are_refused(tmp_path, folders):
    dirs = {"train_dir": folders["val_dir"]}
    line = said(make_config(tmp_path, split=(0.98, 0.01, 0.01), **dirs))
    assert line == "split=(0.98, 0.01, 0.01): 10 images leave none for val and test"
    assert "for train" in said(make_config(tmp_path, split=(0.02, 0.48, 0.5), **dirs))


def test_missing_empty_and_overlapping_folders_are_reported_in_one_line_each(tmp_path, folders):
    split = {"split": (0.5, 0.5)}
    empty = tmp_path / "empty"
    (empty / "cat").mkdir(parents=True)
    (empty / "cat" / "notes.txt").write_text("no image")
    for name in ("train_dir", "test_dir"):
        both = {"train_dir": folders["train_dir"], "test_dir": folders["test_dir"]}
        assert said(make_config(tmp_path, **both | {name: str(tmp_path / "no")}, **split)) == (
            f"{name}={tmp_path / 'no'}: no such folder; {MOVED} --config.{name}=NEW"
        )
        line = said(make_config(tmp_path, **both | {name: str(empty)}, **split))
        assert line.startswith(f"{name}={empty}: no images in it (1 file: .txt 1); image files are .bmp, ")
    inside = {"train_dir": folders["train_dir"], "test_dir": folders["train_dir"] + "/dog"}
    assert said(make_config(tmp_path, **inside, **split)).startswith(
        f"test_dir={inside['test_dir']}: is inside train_dir="
    )
    file = tmp_path / "set" / "train" / "cat" / "0000.png"
    assert said(make_config(tmp_path, train_dir=str(file))) == f"train_dir={file}: not a folder"


def test_classes_are_the_union_of_names_and_a_missing_one_is_reported(tmp_path, capsys):
    write_images(tmp_path / "a", 0, 12, ("ant", "cat", "dog"))
    write_images(tmp_path / "b", 12, 4, ("bee", "cat"))
    dirs = {"train_dir": str(tmp_path / "a"), "test_dir": str(tmp_path / "b")}
    found = data.load(make_config(tmp_path, split=(0.5, 0.5), **dirs))
    assert found.class_names == ("ant", "bee", "cat", "dog")
    assert sorted(found.test.labels.tolist()) == [1, 1, 2, 2]
    assert np.bincount(found.train.labels, minlength=4).tolist() == [2, 0, 2, 2]
    assert capsys.readouterr().err.splitlines() == [
        f"dataset=folder: train_dir={tmp_path / 'a'}: no images of class bee",
        f"dataset=folder: test_dir={tmp_path / 'b'}: no images of class ant, dog",
    ]


def test_a_class_whose_name_is_in_another_encoding_can_be_printed(tmp_path):
    for name in (b"caf\xe9", b"tea"):
        folder = os.fsencode(tmp_path) + b"/photos/" + name
        os.makedirs(folder)
        for i in range(10):
            Image.fromarray(np.full((4, 4), i, np.uint8)).save(os.fsdecode(folder + b"/%d.png" % i))
    found = data.load(make_config(tmp_path, train_dir=str(tmp_path / "photos"), split=(0.6, 0.2, 0.2)))
    assert found.class_names == ("caf\N{REPLACEMENT CHARACTER}", "tea")
    assert set(found.train.labels.tolist()) == {0, 1}


def test_flat_folders_are_unlabelled_and_images_next_to_class_folders_are_refused(tmp_path, capsys):
    write_images(tmp_path / "flat", 0, 20, ())
    write_images(tmp_path / "deep", 20, 10)
    config = make_config(tmp_path, train_dir=str(tmp_path / "flat"), split=(0.5, 0.3, 0.2))
    found = data.load(config)
    assert found.class_names == ()
    assert not found.train.labels.any()
    assert capsys.readouterr().err == ""
    both = {"train_dir": str(tmp_path / "deep"), "test_dir": str(tmp_path / "flat")}
    assert data.load(make_config(tmp_path, split=(0.5, 0.5), **both)).class_names == ()
    assert "no class folders, so that no image is labelled" in capsys.readouterr().err
    write_images(tmp_path / "flat", 100, 4)
    assert said(config).startswith(
        f"train_dir={tmp_path / 'flat'}: there are images beside the class folders (20: 0000.png,"
    )


def test_nested_folders_are_read_and_hidden_or_other_files_are_skipped(tmp_path, capsys):
    write_images(tmp_path / "a" / "cat" / "x" / "y", 0, 6, ())
    write_images(tmp_path / "a" / "dog", 6, 4, ())
    for name in ("notes.txt", "Thumbs.db", ".DS_Store", "cat/photo.HEIC", "cat/.hidden.png"):
        (tmp_path / "a" / name).write_text("no image")
    write_images(tmp_path / "a" / ".git" / "z", 50, 2, ())
    os.rename(tmp_path / "a/dog/0006.png", tmp_path / "a/dog/0006.PNG")
    found = data.load(make_config(tmp_path, train_dir=str(tmp_path / "a"), split=(0.5, 0.3, 0.2)))
    assert sorted(number for split in found[:3] for number in numbers(split)) == list(range(10))
    assert found.class_names == ("cat", "dog")
    assert capsys.readouterr().err.splitlines() == [
        f"dataset=folder: train_dir={tmp_path / 'a'}: ignored files without an image extension: .heic (1), .txt (1)"
    ]


def test_a_folder_without_images_is_reported_with_the_endings_of_its_files(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    for i in range(10):
        (folder / f"IMG_{i}.HEIC").touch()
    for name in ("a.mov", "b.mov", "c.new\nline", "README"):
        (folder / name).touch()
    line = said(make_config(tmp_path, train_dir=str(folder), split=(0.5, 0.3, 0.2)))
    assert line == (
        f"train_dir={folder}: no images in it (14 files: .heic 10, .mov 2, no extension 1, .new\\nline 1); image files are "
        ".bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp"
    )
    for i in range(20):
        (folder / f"x.{i:02}").touch()
    line = said(make_config(tmp_path, train_dir=str(folder), split=(0.5, 0.3, 0.2)))
    assert (
        "(34 files: .heic 10, .mov 2, no extension 1, .new\\nline 1, .00 1, .01 1, .02 1, .03 1, and 16 more endings); "
        in line
    )


def test_files_of_several_pages_are_counted_in_one_line_from_a_warm_cache_too(tmp_path, capsys):
    write_images(tmp_path / "a", 0, 20, ())
    pages = [Image.new("RGB", (4, 3), (50 * i, 200, 7)) for i in range(5)]
    for name, count in {"m.tif": 4, "n.gif": 5, "o.webp": 3, "p.png": 2, "one.tiff": 1, "one.gif": 1}.items():
        pages[0].save(tmp_path / "a" / name, save_all=True, append_images=pages[1:count])
    config = make_config(tmp_path, train_dir=str(tmp_path / "a"), split=(0.5, 0.3, 0.2))
    for _ in range(2):
        found = data.load(config)
        assert sum(len(split.labels) for split in found[:3]) == 26
        assert capsys.readouterr().err.splitlines() == [
            f"dataset=folder: only the first page or frame is used; files with more: 4, the first is "
            f"{tmp_path / 'a' / 'm.tif'} with 4"
        ]


def test_links_to_outside_the_folder_are_not_followed(tmp_path, capsys):
    write_images(tmp_path / "a", 0, 20, ())
    write_images(tmp_path / "outside", 100, 3, ())
    os.symlink(tmp_path / "a" / "0003.png", tmp_path / "a" / "inside.png")
    os.symlink(tmp_path / "outside" / "0100.png", tmp_path / "a" / "escape.png")
    os.symlink(tmp_path / "outside", tmp_path / "a" / "folder")
    os.symlink(tmp_path / "a", tmp_path / "a" / "loop")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    config = make_config(tmp_path, train_dir=str(tmp_path / "a"), split=(0.5, 0.3, 0.2))
    line = ""
    for _ in range(2):
        found = data.load(config)
        taken = sorted(number for split in found[:3] for number in numbers(split))
        assert taken == sorted([*range(20), 3])
        first, line = capsys.readouterr().err.splitlines()
        assert first == f"dataset=folder: train_dir={tmp_path / 'a'}: linked folders are not read: folder, loop"
        assert line.startswith("dataset=folder: files left out: 4, listed with the reasons in ")
    left_out = json.loads(Path(line.split(" in ")[-1]).read_text())["content"]["left_out"]
    reasons = {Path(name).name: reason for name, reason in (text.split(": ") for text in left_out)}
    assert reasons == {
        "escape.png": "a link that leads outside the folder",
        "folder": "a link that leads outside the folder",
        "loop": "a link to a folder",
        "pipe.png": "not a regular file",
    }


@pytest.mark.parametrize("parts", [("train",), ("val",), ("train", "test"), ("train", "val", "test")])
def test_a_link_that_leads_outside_data_dir_is_refused_with_its_target_and_the_mend(tmp_path, folders, parts):
    flags = {f"--config.{part}_dir": Path(folders[f"{part}_dir"]) for part in ("train", "val", "test")}
    for part in parts:
        outside = tmp_path / f"outside {part}"
        os.rename(folders[f"{part}_dir"], outside)
        os.symlink(outside, folders[f"{part}_dir"])
        flags[f"--config.{part}_dir"] = outside
    line = said(make_config(tmp_path, data_dir=str(tmp_path / "set"), split=() if parts == ("train",) else (0.5, 0.5)))
    leads = ", ".join(f"{part} leads to {tmp_path}/outside {part}" for part in parts)
    mend = " ".join(f"{flag}={shlex.quote(str(path))}" for flag, path in flags.items())
    assert line == (
        f"data_dir={tmp_path / 'set'}: links that lead outside are not followed: {leads}; in place of data_dir, give {mend}"
    )
    dirs = {word.partition("=")[0].removeprefix("--config."): word.partition("=")[2] for word in shlex.split(mend)}
    assert len(data.load(make_config(tmp_path, **dirs)).val.labels) == 10


def test_a_part_of_data_dir_that_is_a_link_to_nothing_is_refused(tmp_path, folders):
    os.rename(folders["val_dir"], tmp_path / "elsewhere")
    os.symlink(tmp_path / "gone", folders["val_dir"])
    line = said(make_config(tmp_path, data_dir=str(tmp_path / "set"), split=(0.5, 0.5)))
    assert line == f"data_dir={tmp_path / 'set'}: a link to nothing: val leads to {tmp_path}/gone, which is missing"


def test_folders_links_and_images_in_data_dir_that_are_not_used_are_named(tmp_path, folders, capsys):
    whole = tmp_path / "set"
    os.rename(whole / "val", whole / "valid")
    config = make_config(tmp_path, data_dir=str(whole), split=(0.9, 0.1))
    mend = "give --config.train_dir, --config.val_dir and --config.test_dir for other folders"
    start = f"dataset=folder: data_dir={whole}: only train/ and test/ are used, not"
    for _ in range(2):  # decoded, then cached
        assert len(data.load(config).test.labels) == 40
        assert capsys.readouterr().err == f"{start} valid/; {mend}\n"
    write_images(whole, 700, 2, ())
    write_images(whole / ".hidden", 700, 2, ())
    (whole / "notes.txt").touch()
    os.symlink(tmp_path, whole / "more")
    os.symlink(tmp_path / "gone", whole / "lost")
    os.symlink(whole / "0700.png", whole / "same.png")
    data.load(config)
    others = f"lost (a link to nothing), more/ (a link to {tmp_path}), valid/, 3 image files (0700.png, ...)"
    assert capsys.readouterr().err == f"{start} {others}; {mend}\n"
    for number in range(30):
        (whole / f"class{number:02}").mkdir()
    data.load(config)
    assert " class17/, class18/, class19/ and 14 more; " in capsys.readouterr().err


def test_a_link_inside_data_dir_is_a_part_and_its_target_is_not_named(tmp_path, folders, capsys):
    os.rename(folders["val_dir"], tmp_path / "set" / "valid")
    os.symlink("valid", folders["val_dir"])
    found = data.load(make_config(tmp_path, data_dir=str(tmp_path / "set")))
    assert sorted(numbers(found.val)) == list(VAL)
    assert capsys.readouterr().err == ""


def test_a_data_dir_without_train_and_test_is_reported_with_the_folders_in_it(tmp_path, folders):
    os.rename(folders["train_dir"], tmp_path / "set" / "training")
    (tmp_path / "set" / "new\nline").mkdir()
    line = said(make_config(tmp_path, data_dir=str(tmp_path / "set")))
    assert line.startswith(
        f"data_dir={tmp_path / 'set'}: holds val/ and test/, not train/ and test/ (and val/); not used: "
        "new\\nline/, training/; choices: "
    )


def test_a_full_disk_is_reported_in_one_line_and_leaves_no_files(tmp_path, folders, monkeypatch):
    def full(stream, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vae_jax.data.mapped._write_header", full)
    with pytest.raises(TrainingError, match=f"^{tmp_path / 'cache'}: cannot be written, the disk is full: "):
        data.load(make_config(tmp_path, train_dir=folders["train_dir"], split=(0.7, 0.2, 0.1)))
    assert not list((tmp_path / "cache").iterdir())


def test_broken_files_are_listed_at_once_and_skip_broken_continues(tmp_path, capsys):
    write_images(tmp_path / "a", 0, 30)
    whole = (tmp_path / "a/cat/0000.png").read_bytes()
    damage = {"empty.png": b"", "text.jpg": b"hello", "half.png": whole[: len(whole) // 2]}
    for name, content in damage.items():
        (tmp_path / "a" / "cat" / name).write_bytes(content)
    os.symlink(tmp_path / "a" / "nothing.png", tmp_path / "a" / "dog" / "link.png")
    some = {"train_dir": str(tmp_path / "a"), "split": (0.5, 0.3, 0.2)}
    lines = []
    for _ in range(2):
        head, *lines = said(make_config(tmp_path, **some)).splitlines()
        assert head == "dataset=folder: 4 of 34 files cannot be used; --config.skip_broken=true leaves them out:"
        assert [line.removeprefix(str(tmp_path / "a")).split(": ")[0] for line in lines] == [
            "/cat/empty.png",
            "/cat/half.png",
            "/cat/text.jpg",
            "/dog/link.png",
        ]
        assert [lines[i].split(": ")[1] for i in (0, 2, 3)] == [
            "an empty file",
            "not an image",
            "No such file or directory",
        ]
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith("folder-")]
    capsys.readouterr()
    for _ in range(2):
        found = data.load(make_config(tmp_path, skip_broken=True, **some))
        assert sorted(number for split in found[:3] for number in numbers(split)) == list(range(30))
        for split in found[:3]:
            assert (np.array(numbers(split)) % 2).tolist() == split.labels.tolist()
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("dataset=folder: files left out: 4, listed with the reasons in ")
        assert json.loads(Path(line.split(" in ")[-1]).read_text())["content"]["left_out"] == lines
    assert said(make_config(tmp_path, **some)).splitlines()[1:] == lines, (
        "the cache of a looser run served a strict one"
    )


def test_many_broken_files_are_counted_and_a_split_with_no_other_files_is_refused(tmp_path):
    write_images(tmp_path / "a", 0, 5, ())
    for i in range(33):
        (tmp_path / "a" / f"broken{i:02}.gif").write_bytes(b"x")
    lines = said(make_config(tmp_path, train_dir=str(tmp_path / "a"), split=(0.5, 0.3, 0.2))).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "and 13 more"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_text("x")
    dirs = {"train_dir": str(tmp_path / "b"), "val_dir": str(tmp_path / "a"), "test_dir": str(tmp_path / "a" / "sub")}
    write_images(tmp_path / "c", 0, 5, ())
    line = said(make_config(tmp_path, **dirs | {"test_dir": str(tmp_path / "c")}, skip_broken=True))
    assert line.startswith("skip_broken=True: no image of the train split can be read; ")


def change_a_file(folder: Path) -> None:
    file = folder / "0000.png"
    status = file.stat()
    Image.new("RGB", (4, 3), (1, 1, 1)).save(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


CHANGES = {
    "changed": change_a_file,
    "added": lambda folder: write_images(folder, 50, 1, ()),
    "removed": lambda folder: (folder / "0001.png").unlink(),
    "renamed": lambda folder: os.rename(folder / "0001.png", folder / "z.png"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_cache_notices_files_that_changed(tmp_path, change, monkeypatch):
    folder = tmp_path / "a"
    write_images(folder, 0, 20, ())
    config = make_config(tmp_path, train_dir=str(folder), split=(0.5, 0.3, 0.2))
    before = data.load(config)
    CHANGES[change](folder)
    after = data.load(config)
    taken = sorted(number for split in after[:3] for number in numbers(split))
    expected = {
        "changed": [*range(1, 20), 201],
        "added": [*range(20), 50],
        "removed": [0, *range(2, 20)],
        "renamed": [*range(20)],
    }
    assert taken == expected[change]
    if change == "renamed":
        assert numbers(before.train) != numbers(after.train)
    monkeypatch.setattr("vae_jax.data.folders.write_rows", None)  # unchanged files come from the cache
    assert numbers(data.load(config).train) == numbers(after.train)


def test_a_file_moved_to_another_class_gets_the_new_label(tmp_path):
    write_images(tmp_path / "a", 0, 20)
    config = make_config(tmp_path, train_dir=str(tmp_path / "a"), split=(0.5, 0.3, 0.2))
    data.load(config)
    os.rename(tmp_path / "a/cat/0018.png", tmp_path / "a/dog/0000.png")  # the order of the files does not change
    labels = {n: int(y) for split in data.load(config)[:3] for n, y in zip(numbers(split), split.labels, strict=True)}
    assert labels == {number: number % 2 for number in range(20)} | {18: 1}


def test_varying_sizes_require_image_size(tmp_path):
    write_images(tmp_path / "a", 0, 10, ())
    write_images(tmp_path / "a", 10, 10, (), size=(7, 5))
    some = {"train_dir": str(tmp_path / "a"), "split": (0.5, 0.3, 0.2)}
    line = said(make_config(tmp_path, **some))
    assert line.startswith("dataset=folder: its images vary in size (")
    assert "is 3 x 4" in line or "is 5 x 7" in line
    assert line.endswith("give --config.image_size=HEIGHT,WIDTH")
    found = data.load(make_config(tmp_path, image_size=(6, 9), **some))
    assert found.train.images.shape == (10, 6, 9, 3)
    assert sorted(number for split in found[:3] for number in numbers(split)) == list(range(20))


@pytest.mark.parametrize(
    ("modes", "grayscale", "channels"), [("LL", False, 1), ("L1", False, 1), ("LR", False, 3), ("RR", True, 1)]
)
def test_there_is_one_channel_if_all_images_are_grey_or_grayscale_is_set(tmp_path, modes, grayscale, channels):
    for i in range(10):
        Image.new("RGB", (4, 3), (200, 10, 10)).convert({"R": "RGB"}.get(modes[i % 2], modes[i % 2])).save(
            tmp_path / f"{i}.png"
        )
    config = make_config(tmp_path, train_dir=str(tmp_path), split=(0.5, 0.3, 0.2), grayscale=grayscale)
    found = data.load(config)
    assert found.train.images.shape == (5, 3, 4, channels)


def test_splits_are_memory_mapped_from_the_cache_without_leftover_files(tmp_path, folders):
    config = make_config(tmp_path, train_dir=folders["train_dir"], split=(0.7, 0.2, 0.1))
    for _ in range(2):
        found = data.load(config)
        assert all(isinstance(split.images, np.memmap) for split in found[:3])
        (entry,) = (tmp_path / "cache").iterdir()
        assert len(list(entry.iterdir())) == 7


def test_each_split_is_binarised_independently(tmp_path):
    for name, count in [("train", 30), ("val", 10), ("test", 10)]:
        write_images(tmp_path / name, 100, count, (), size=(8, 8), mode="L")
    dirs = {f"{name}_dir": str(tmp_path / name) for name in ("train", "val", "test")}
    for binarize, binary in {"static_seeded": (True, True, True), "dynamic": (False, True, True)}.items():
        found = data.load(make_config(tmp_path, binarize=binarize, **dirs))
        assert tuple(bool(np.isin(split.images, (0, 255)).all()) for split in found[:3]) == binary
        assert (found.val.images != found.test.images).any()


MEMORY = """
import resource, sys
from vae_jax import config as config_room, data
config = config_room.defaults()
config.update({"dataset": "folder", "cache_dir": sys.argv[1], "split": (0.8, 0.1, 0.1), "image_size": (128, 128)})
for folder in sys.argv[2:]:
    config.train_dir = folder
    found = data.load(config)
    size = sum(split.images.nbytes for split in found[:3])
    print(size / 1e6, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
"""


def test_resident_memory_stays_flat_when_the_set_grows_ten_times(tmp_path):
    few, many = tmp_path / "few", tmp_path / "many"
    write_images(few, 0, 100, ())
    write_images(many, 0, 1000, ())
    folders = [str(few), str(few), str(many), str(many)]  # decoded, then cached
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "cache"), *folders]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sizes, peaks = zip(*(map(float, line.split()) for line in out.splitlines()), strict=True)
    assert sizes[2] - sizes[0] > 44
    assert peaks[3] - peaks[1] < 15, f"peak memory in MB for {sizes} MB of images: {peaks}"


@pytest.mark.slow
@pytest.mark.skipif("VAE_JAX_PHOTOS_DIR" not in os.environ, reason="VAE_JAX_PHOTOS_DIR names no folder of photographs")
def test_real_photographs_are_loaded(tmp_path):
    folder = Path(os.environ["VAE_JAX_PHOTOS_DIR"])
    config = make_config(tmp_path, train_dir=str(folder), split=(0.7, 0.2, 0.1), image_size=(32, 32))
    found = data.load(config)
    assert list(found.class_names) == sorted(path.name for path in folder.iterdir() if path.is_dir())
    total = sum(len(split.labels) for split in found[:3])
    assert abs(len(found.train.labels) - 0.7 * total) <= 1
    whole = np.bincount(np.concatenate([split.labels for split in found[:3]]))
    for split in found[:3]:
        shares = np.bincount(split.labels, minlength=len(whole)) / len(split.labels)
        assert np.abs(shares - whole / total).max() < 2e-3
        assert 60 < split.images.mean() < 190
        assert split.images.std() > 30
    seen = {image.tobytes() for image in found.train.images}
    shared = sum(image.tobytes() in seen for image in found.test.images)
    assert shared <= 0.01 * len(found.test.images), "test images are in the training split"
