"""Python files named by ``--load``: imported before the server opens its store."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from dscache.errors import ExtensionError
from dscache.extension import Extension


def load_extensions(paths: Sequence[str]) -> list[tuple[Extension, bytes]]:
    """The extensions of each file, with the file's text. A file's folder is where it finds what
    it imports. Raises ExtensionError."""
    return [found for path in paths for found in _load(Path(path).resolve())]


def _load(path: Path) -> list[tuple[Extension, bytes]]:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ExtensionError(f"cannot read {path}: {error.strerror}") from error
    module = _imported(path)
    found = [value for value in vars(module).values() if isinstance(value, Extension)]
    if not found:
        raise ExtensionError(f"{path} has no dscache.extension.Extension at its top level")
    return [(extension, source) for extension in dict.fromkeys(found)]


def _imported(path: Path) -> ModuleType:
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"dscache_loaded_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ExtensionError(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # As for any import: dataclasses and pickle look their module up.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        places = [
            at for at in traceback.extract_tb(error.__traceback__) if at.filename == str(path)
        ]
        line = f":{places[-1].lineno}" if places else ""
        if isinstance(error, SyntaxError) and error.filename == str(path):
            line = f":{error.lineno}"
        raise ExtensionError(f"{path}{line}: {type(error).__name__}: {error}") from error
    return module
