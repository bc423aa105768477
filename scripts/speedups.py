"""The compiled build of the core: python scripts/speedups.py build | clean | status.

``build`` compiles with mypyc (needs a C compiler and Python's headers). ``status`` says what a
process would use now; its exit code is 1 where that is not the compiled build.
"""

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from orderbook import speedups  # noqa: E402
from orderbook.speedups import FOLDER, STAMP  # noqa: E402

SCRATCH = FOLDER.with_name("speedups-scratch")


def build() -> None:
    from mypyc.build import mypycify
    from setuptools import Distribution

    fingerprint = speedups.fingerprint()
    extensions = mypycify(
        [
            "--config-file=",
            "--ignore-missing-imports",
            *(str(path.relative_to(ROOT)) for path in speedups.compiled_modules()),
        ],
        target_dir=str(SCRATCH / "c"),
        group_name="rialto_core",
    )
    distribution = Distribution({"name": "rialto-core", "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(SCRATCH / "lib"), str(SCRATCH / "o")
    command.ensure_finalized()
    command.run()
    clean_build()
    shutil.move(SCRATCH / "lib", FOLDER)
    files = {
        ".".join((*path.relative_to(FOLDER).parent.parts, path.name.split(".")[0])): str(
            path.relative_to(FOLDER)
        )
        for path in FOLDER.rglob("*.so")
    }
    STAMP.write_text(json.dumps({"fingerprint": fingerprint, "files": files}, indent=1))
    shutil.rmtree(SCRATCH)
    print(f"{len(files)} compiled modules in {FOLDER}")


def clean_build() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)


def clean() -> None:
    clean_build()
    shutil.rmtree(SCRATCH, ignore_errors=True)


def status() -> None:
    print(f"core: {speedups.state}")
    sys.exit(speedups.state != speedups.COMPILED)


if __name__ == "__main__":
    actions = {"build": build, "clean": clean, "status": status}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(__doc__)
    actions[sys.argv[1]]()
