"""A training step in PyTorch: the network of the same layer graph, with the same weights.

    engine_torch.py FOLDER THREADS contiguous|channels_last
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from protocol import serve, timed


def tensors(file):
    """The tensors of a safetensors file by name."""
    data = file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[start + begin : start + end], np.float32)
            found[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    return found


def activate(x, act):
    return F.relu6(x) if act == "relu6" else F.relu(x) if act == "relu" else x


class ConvNorm(torch.nn.Module):
    """A convolution, then batch norm where the layer has one, then the rectifier."""

    def __init__(self, name, op, weights):
        super().__init__()
        weight = weights[f"{name}.weight"]
        out, inputs, *kernel = weight.shape
        groups = op.get("groups", 1)
        settings = {"stride": op["stride"], "padding": [side // 2 for side in kernel], "groups": groups}
        self.conv = torch.nn.Conv2d(inputs * groups, out, kernel, bias=not op["bn"], **settings)
        self.norm = torch.nn.BatchNorm2d(out, eps=1e-5, momentum=0.1) if op["bn"] else None
        self.act = op["act"]
        with torch.no_grad():
            self.conv.weight.copy_(weight)
            if self.norm is None:
                self.conv.bias.copy_(weights[f"{name}.bias"])
            else:
                self.norm.weight.copy_(weights[f"{name}.scale"])
                self.norm.bias.copy_(weights[f"{name}.shift"])

    def forward(self, x):
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        return F.relu(x, inplace=True) if self.act == "relu" else activate(x, self.act)


class Net(torch.nn.Module):
    def __init__(self, graph, weights):
        super().__init__()
        self.nodes, self.outputs = graph["nodes"], graph["outputs"]
        self.layers = torch.nn.ModuleDict()
        for node in self.nodes:
            name, op = node["name"], node["op"]
            if "conv" in op:
                self.layers[name] = ConvNorm(name, op["conv"], weights)
            elif "linear" in op:
                weight = weights[f"{name}.weight"]
                self.layers[name] = linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
                with torch.no_grad():
                    linear.weight.copy_(weight)
                    linear.bias.copy_(weights[f"{name}.bias"])

    def forward(self, x):
        values = {"input": x}
        for node in self.nodes:
            name, op = node["name"], node["op"]
            values[name] = self.node(name, op, [values[read] for read in node["inputs"]])
        return {role: values[name] for role, name in self.outputs.items()}

    def node(self, name, op, inputs):
        x = inputs[0]
        if op == "upsample2":
            return F.interpolate(x, scale_factor=2, mode="nearest")
        if op == "concat":
            return torch.cat(inputs, 1)
        if op == "global_pool":
            return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        if "conv" in op:
            return self.layers[name](x)
        if "add" in op:
            x, act = sum(inputs[1:], x), op["add"]["act"]
        elif "linear" in op:
            x, act = self.layers[name](x), op["linear"]["act"]
        else:
            raise ValueError(f"no layer for {op}")
        return activate(x, act)


def train(folder, name, memory_format):
    settings = json.loads((folder / "workloads.json").read_text())
    workload = next(w for w in settings["workloads"] if w["name"] == name)
    x = torch.from_numpy(np.fromfile(folder / f"{name}.input", np.float32)).reshape(workload["shape"])
    x = x.contiguous(memory_format=memory_format)
    net = Net(json.loads((folder / f"{name}.json").read_text()), tensors(folder / f"{name}.safetensors"))
    net = net.train().to(memory_format=memory_format)
    optimiser = torch.optim.AdamW(
        net.parameters(),
        lr=settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        fused=True,
    )

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss = sum(output.square().mean() for output in net(x).values())
        loss.backward()
        optimiser.step()
        return [loss.item()]

    return lambda: timed(step)


def main():
    folder, threads, memory_format = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(threads)
    memory_format = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}[memory_format]
    serve(f"torch {torch.__version__}", lambda name: train(folder, name, memory_format))


main()
