"""The peer to beat: onnxruntime on our own exported networks. Also the matrix product, by
onnxruntime and by numpy, of which the best is what the machine can do.

    engine_ort.py FOLDER THREADS
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from protocol import serve, timed


def session(model, threads):
    """As a competent user sets it up: all optimisations, one operator after the other."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def network(folder, name, threads):
    model = (folder / f"{name}.onnx").read_bytes()
    onnx.checker.check_model(model, full_check=True)
    runtime = session(model, threads)
    feed = runtime.get_inputs()[0]
    x = np.fromfile(folder / f"{name}.input", np.float32).reshape(feed.shape)
    return lambda: timed(lambda: runtime.run(None, {feed.name: x}))


def operands(folder):
    side = json.loads((folder / "workloads.json").read_text())["matmul_side"]
    a = np.random.default_rng(1).uniform(-1, 1, (side, side)).astype(np.float32)
    return a, np.ascontiguousarray(a.T)


def matmul(folder, threads):
    a, b = operands(folder)
    make = onnx.helper
    *inputs, output = (make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, a.shape) for name in "abc")
    product = make.make_node("MatMul", ["a", "b"], ["c"])
    graph = make.make_graph([product], "matmul", inputs, [output])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    runtime = session(model.SerializeToString(), threads)
    return lambda: timed(lambda: runtime.run(None, {"a": a, "b": b}))


def matmul_numpy(folder):
    a, b = operands(folder)
    return lambda: timed(lambda: [a @ b])


def main():
    folder, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2])

    def load(name):
        if name == "matmul":
            return matmul(folder, threads)
        if name == "matmul-numpy":
            return matmul_numpy(folder)
        return network(folder, name, threads)

    serve(f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}", load)


main()
