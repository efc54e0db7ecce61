"""Makes PyTorch from PyPI load without CUDA.

PyPI has PyTorch for Linux only as built for CUDA: its libraries are linked with two gigabytes of
NVIDIA's, which a training step on the CPU never calls. For each of them that is missing, a
library of the same name is made in which every function that PyTorch looks up is there and does
nothing. The small ones that are called while loading (cudart, cupti) are in requirements-torch.txt.

    cuda_stubs.py    in the environment that PyTorch is installed in; needs gcc and binutils
"""

import collections
import importlib.util
import pathlib
import re
import shutil
import subprocess
import tempfile


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    torch = pathlib.Path(importlib.util.find_spec("torch").submodule_search_locations[0])
    folder = torch / "lib"
    # The loader looks beside PyTorch's own libraries.
    for library in torch.parent.glob("nvidia/*/lib/*.so.*"):
        shutil.copy(library, folder)
    needed, origins, symbols = set(), collections.defaultdict(set), collections.defaultdict(set)
    for library in [*folder.glob("libtorch*.so"), *folder.glob("libc10*.so")]:
        dump = output("objdump", "-p", library)
        needed.update(re.findall(r"NEEDED +(\S+)", dump))
        for origin, versions in re.findall(r"required from (\S+):\n((?:    .*\n?)+)", dump):
            for version in re.findall(r"(\S+)\n", versions):
                origins[origin].add(version)
        for line in output("nm", "-D", "--undefined-only", library).splitlines():
            name, _, version = line.split()[-1].partition("@")
            symbols[version.strip("@")].add(name)
    missing = sorted(needed - {library.name for library in folder.iterdir()})
    for library in (name for name in missing if re.match("lib(cu|nccl|nv)", name)):
        stub(folder / library, origins[library], symbols)


def stub(library, versions, symbols):
    """Where a library's symbols carry no version, they are known by the library's name."""
    stem = library.name.removeprefix("lib").split(".")[0].lower()
    unversioned = {name for name in symbols[""] if name.lower().startswith(stem)}
    blocks = {version: symbols[version] for version in versions}
    with tempfile.TemporaryDirectory() as scratch:
        code, script = pathlib.Path(scratch, "stub.c"), pathlib.Path(scratch, "stub.map")
        names = sorted(set().union(*blocks.values()) or unversioned)
        code.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in names))
        script.write_text("".join(f"{v} {{ {'; '.join(sorted(names))}; }};\n" for v, names in blocks.items()))
        command = ["gcc", "-shared", "-fPIC", "-w", "-o", library, code, f"-Wl,-soname,{library.name}"]
        subprocess.run(command + ([f"-Wl,--version-script={script}"] if blocks else []), check=True)


main()
