#!/usr/bin/env python3
"""Holds exported ONNX files against onnxruntime.

    python3 -m venv venv && venv/bin/pip install onnx onnxruntime numpy blake3 pillow

    check_onnx.py reference MODEL.onnx INPUT.json > tests/fixtures/onnx/NAME.json
        Checks the file, runs it on the numbers in INPUT.json, and prints the outputs together
        with the file's hash. The tests of src/nn/onnx_tests.rs compare the inference plan with
        them, and say how to call this when the export has changed.

    check_onnx.py predictions MODEL.onnx DATASET PREDICTIONS.jsonl
        Predicts the items of DATASET with nothing but MODEL.onnx and MODEL.json, as another
        program would, and compares the probabilities with those that

            secondlook evaluate LINE --model M --data DATASET --predictions PREDICTIONS.jsonl

        wrote. On PNG pictures that need no resizing both agree to 0.00001; other decoders and
        resizers round differently by a level, which has made up to 0.043. The status is 1 where a
        difference is above 0.05.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

DIFFERENCE_MAX = 0.05
# Input pixels for each cell of the map.
STRIDE = 4


def open_model(path):
    """A session on one thread, after the strictest check there is."""
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session, values):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": values})))


def reference(model, numbers):
    import blake3

    session = open_model(model)
    values = np.array(json.loads(Path(numbers).read_text()), dtype=np.float32)
    outputs = run(session, values.reshape(session.get_inputs()[0].shape))
    made = "scripts/check_onnx.py reference, onnxruntime {}, onnx {}".format(
        onnxruntime.__version__, onnx.__version__
    )
    document = {
        "made_by": made,
        "onnx_blake3": blake3.blake3(Path(model).read_bytes()).hexdigest(),
        "outputs": {
            name: {"shape": list(value.shape), "values": [float(f"{v:.8g}") for v in value.ravel()]}
            for name, value in outputs.items()
        },
    }
    print(json.dumps(document))


def padded(layer, canvas, **how):
    """Height × width × channels, filled up at the right and at the bottom."""
    rest = [(0, side - n) for side, n in zip(canvas, layer.shape)] + [(0, 0)]
    return np.pad(layer, rest, **how)


def swapped(layer, cells, axes):
    """The columns or rows of the picture's cells in opposite order."""
    layer = layer.copy()
    picture = layer[: cells[0] * STRIDE, : cells[1] * STRIDE]
    picture[:] = np.flip(picture, axes)
    return layer


class Described:
    """Predicts as MODEL.json says; nothing here is taken from the program."""

    def __init__(self, model):
        self.session = open_model(model)
        self.about = json.loads(Path(model).with_suffix(".json").read_text())
        self.before = {step["step"]: step.get("with") for step in self.about["preprocessing"]}
        self.after = {step["step"]: step.get("with") for step in self.about["postprocessing"]}

    def planes(self, path, size):
        """Height × width × channels in 8 bits; `size` (width, height) is the image's."""
        from PIL import Image, ImageOps

        image = ImageOps.exif_transpose(Image.open(path))
        image = image if image.mode in ("L", "RGB") else image.convert("RGB")
        resized = self.before.get("resize")
        target = (resized["width_px"], resized["height_px"]) if resized else size or image.size
        if "fit" in self.before:
            target = self.fitted(*target)
        if image.size != target:
            image = image.resize(target, Image.Resampling.BILINEAR)
        values = np.asarray(image)
        channels = len(self.before["normalise"]["mean"])
        if channels == 1 and values.ndim == 3:
            values = (values.astype(np.int64) @ [299, 587, 114] + 500) // 1000
        if values.ndim == 2:
            values = np.repeat(values[:, :, None], channels, axis=2)
        levels = self.before["levels"]
        if levels["rule"] == "per_item":
            moved = (values - values.mean()) * levels["spread"] / max(values.std(), levels["spread_min"])
            values = np.clip(np.floor(levels["middle"] + moved + 0.5), 0, 255)
        return values, image.size

    def fitted(self, width, height):
        room = self.before["fit"]
        across, down = room["width_px"], room["height_px"]
        if width * down >= height * across:
            return across, min(down, max(1, (2 * height * across + width) // (2 * width)))
        return min(across, max(1, (2 * width * down + height) // (2 * height))), down

    def local(self, values):
        """Local contrast of a photograph in 8 bits, normalised."""
        rule = self.before["local contrast"]
        grey, radius = values.mean(axis=2), rule["radius_px"]
        out = np.empty(grey.shape)
        for y, x in np.ndindex(*grey.shape):
            square = grey[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
            out[y, x] = (grey[y, x] - square.mean()) / (square.std() + rule["spread_min"])
        levels = np.floor(rule["middle"] + rule["spread"] * out + 0.5).clip(0, 255)
        return ((levels - rule["middle"]) / rule["spread"])[:, :, None]

    def scores(self, image, golden):
        """Logits of the map and of the item, over all tiles and mirror images."""
        values, size = self.planes(image, None)
        layers = [values] + ([self.planes(golden, size)[0]] if "reference" in self.before else [])
        used = values.shape
        canvas = used[:2]
        if room := self.before.get("fit"):
            canvas = [room["height_px"], room["width_px"]]
            layers = [padded(layer, canvas, constant_values=room["grey"]) for layer in layers]
        if tiles := self.before.get("tiles"):
            stride = tiles["stride_px"]
            sides = [tiles["tile_height_px"], tiles["tile_width_px"]]
            canvas = [max(-(-n // stride) * stride, side) for n, side in zip(used, sides)]
            layers = [padded(layer, canvas, mode="edge") for layer in layers]
        cells = [-(-n // STRIDE) for n in used[:2]]
        mirrors = [(), (1,), (0,), (0, 1)] if "mirror" in self.before else [()]
        seen = [self.seen([swapped(layer, cells, axes) for layer in layers], canvas, tiles) for axes in mirrors]
        maps = [
            np.flip(pixels[:, : cells[0], : cells[1]], [axis + 1 for axis in axes])
            for (pixels, _), axes in zip(seen, mirrors)
        ]
        return np.mean(maps, axis=0), np.mean([item for _, item in seen], axis=0)

    def seen(self, layers, canvas, tiles):
        """The same of photographs as they lie on the canvas."""
        mean, std = (np.array(self.before["normalise"][key]) for key in ("mean", "std"))
        normal = [(layer / 255 - mean) / std for layer in layers]
        if "local contrast" in self.before:
            normal += [self.local(layer) for layer in layers]
        if rule := self.before.get("difference"):
            image, golden = (layer.mean(axis=2, keepdims=True) for layer in layers)
            levels = np.floor(rule["middle"] + (image - golden) / 2 + 0.5).clip(0, 255)
            normal.append((levels - rule["middle"]) / rule["spread"])
        planes = np.concatenate(normal, axis=2).transpose(2, 0, 1).astype(np.float32)
        if not tiles:
            outputs = run(self.session, planes[None])
            return outputs["pixels"][0], outputs["item"][0, :, 0, 0]
        stride, sides = tiles["stride_px"], [tiles["tile_height_px"], tiles["tile_width_px"]]
        starts = []
        for side, whole in zip(sides, canvas):
            step = max((side - tiles["overlap_px"]) // stride * stride, stride)
            starts.append([*range(0, whole - side, step), whole - side])
        classes = len(self.about["classes"]) - 1
        pixels = np.full((classes, canvas[0] // stride, canvas[1] // stride), -np.inf)
        item = np.full(classes, -np.inf)
        for y in starts[0]:
            for x in starts[1]:
                outputs = run(self.session, planes[None, :, y : y + sides[0], x : x + sides[1]])
                tile = outputs["pixels"][0]
                at = pixels[:, y // stride :, x // stride :][:, : tile.shape[1], : tile.shape[2]]
                np.maximum(at, tile, out=at)
                item = np.maximum(item, outputs["item"][0, :, 0, 0])
        return pixels, item

    def probabilities(self, image, golden=None):
        pixels, item = self.scores(image, golden)
        calibration = self.about["calibration"]
        z = np.maximum(pixels.max(axis=(1, 2)), item).astype(np.float64)
        defect = 1 / (1 + np.exp(-(calibration["slope"] * z.max() + calibration["intercept"])))
        names = z
        if self.after["probabilities"]["naming"] == "mass":
            names = np.log(np.maximum(1e-6, (1 / (1 + np.exp(-pixels))).sum(axis=(1, 2))))
        shares = np.exp((names - names.max()) / calibration["class_temperature"])
        shares *= defect / shares.sum()
        return dict(zip(self.about["classes"], [1 - defect, *shares]))


def predictions(model, dataset, theirs):
    described, folder = Described(model), Path(dataset)
    rows = (json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines() if line)
    golden = {row["media"]: row.get("reference") for row in rows}
    differences = []
    for line in Path(theirs).read_text().splitlines():
        row = json.loads(line)
        beside = golden.get(row["media"])
        ours = described.probabilities(folder / row["media"], beside and folder / beside)
        differences.append(max(abs(ours[name] - p) for name, p in row["probabilities"].items()))
    worst = max(differences)
    print(f"{len(differences)} items, largest difference {worst:.5f}, mean {np.mean(differences):.5f}")
    return int(worst > DIFFERENCE_MAX)


if __name__ == "__main__":
    verbs = {("reference", 4): reference, ("predictions", 5): predictions}
    verb = verbs.get((sys.argv[1] if len(sys.argv) > 1 else "", len(sys.argv)))
    sys.exit(verb(*sys.argv[2:]) if verb else __doc__)
