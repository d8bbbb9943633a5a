"""Wheels made by hand: installing them needs no network."""

import zipfile
from pathlib import Path


def write_wheel(folder: Path, version: str, word: str, *, name: str = "greeting", requires: str = "") -> Path:
    """A wheel with one module, whose WORD is the given one, and one program `greet`, which prints it.

    requires: a requirement that it depends on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": f"WORD = {word!r}\ndef main():\n    print(WORD)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\ngreet = {name}:main\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name_inside, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name_inside, text)
    return path
