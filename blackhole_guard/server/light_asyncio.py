"""Imports asyncio without OpenSSL, which nobody here speaks: 5 MB less for a server (python -m bench memory).

asyncio does without `ssl` where Python was built without it. Importing this module must come before whatever else
imports asyncio; after it `import ssl` works as ever, for the observer's libraries.
"""

import sys

if "asyncio" not in sys.modules and "ssl" not in sys.modules:
    sys.modules["ssl"] = None  # type: ignore[assignment]  # so importing it fails (importlib, "The module cache")
    try:
        import asyncio  # noqa: F401  # for whoever imports it next
    finally:
        del sys.modules["ssl"]
