"""Imports the observer's libraries without OpenSSL, which it does not speak: 5 MB less (python -m bench memory).

aiohttp does without `ssl` where Python was built without it. prometheus_client wants names out of it, for things that
are not used here, and gets a stand-in. `hashlib` takes its digests from Python where OpenSSL's are not there.
"""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_SHA2 = ("_sha2",) if sys.version_info >= (3, 12) else ("_sha256", "_sha512")
_DIGESTS = ("_md5", "_sha1", "_sha3", "_blake2", *_SHA2)  # what hashlib needs of Python's
_SHUNNED = ("ssl", "_hashlib")


class _StandIn(ModuleType):
    """Has a class of any name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def import_lightly() -> None:
    """Import the libraries, before whatever else imports one of them. `import ssl` works as ever afterwards."""
    modules: dict[str, Any] = sys.modules
    if not modules.keys().isdisjoint((*_SHUNNED, "aiohttp", "prometheus_client")) or not all(map(find_spec, _DIGESTS)):
        return
    modules["_hashlib"] = None  # so importing it fails (importlib, "The module cache")
    modules["ssl"] = _StandIn("ssl")
    try:
        import prometheus_client  # noqa: F401  # for whoever imports it next

        modules["ssl"] = None
        import aiohttp.web  # noqa: F401  # the same
    except (ImportError, AttributeError, TypeError):
        pass  # other versions may want more; then whoever imports them next brings OpenSSL along
    finally:
        for name in _SHUNNED:
            del modules[name]
