"""Every operation, declared in folders by family; importing this package fills the registry.

`ops.add(x, y)` is the strict op of that name, `functions["add"]` its forgiving surface.
"""

from __future__ import annotations

import importlib
import pkgutil

from graphc.ir.op import Op, registry

# A module that is imported declares its ops.
for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)


def __getattr__(name: str) -> Op:
    try:
        return registry[name]
    except KeyError:
        raise AttributeError(f"there is no op called {name!r}") from None
