"""Callbacks that run after another package's module has been imported, whoever imports it.

A plug-in registers itself in tables of a package that takes seconds to import. Importing it only to
register would make every command wait; registering by hand is forgotten.
"""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType


def after_import(name: str, callback: Callable[[], object]) -> None:
    """Call a function once a module has been imported: now, if it has been, else right after.

    Args:
        name: Full name of the module.
        callback: The function; it may import anything, the module included. An error in it is an
            error of the import.
    """
    if name in sys.modules:
        callback()
    else:
        sys.meta_path.insert(0, _Finder(name, callback))


class _Finder:
    """Finder of one module, which leaves it to the other finders and adds a callback."""

    def __init__(self, name: str, callback: Callable[[], object]) -> None:
        self.name = name
        self.callback = callback
        self.is_asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module by the other finders; None for every other module."""
        if fullname != self.name or self.is_asking:
            return None
        self.is_asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.is_asking = False
        if spec is not None and spec.loader is not None:
            self._call_after(spec.loader)
        return spec

    def _call_after(self, loader: Loader) -> None:
        """Make a loader call the function after it has run the module."""
        execute = loader.exec_module

        def execute_and_call(module: ModuleType) -> None:
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self.callback()

        # On this object alone: everything else about the loader stays as it is.
        loader.exec_module = execute_and_call  # type: ignore[method-assign]
