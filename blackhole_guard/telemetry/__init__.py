"""What an operator sees: metrics and health over HTTP, log lines.

Belongs here: the catalogue of metrics, the observer that shows the pages of counters, log lines and their limits.
Does not: counting (`counters`, `answering`, `server`), what the zones are (handed over). Imports `counters` alone;
aiohttp and prometheus_client are imported in the observer only, structlog at the first line that is logged.
"""
