"""What an operator sees: metrics and health over HTTP, log lines.

Belongs here: the catalogue of metrics, the observer that shows the pages of counters, the receiver of dnstap, log
lines and their limits. Does not: counting (`counters`, `answering`, `server`), what a leak is (`leaks`), what the API
shows (`api`, handed over, as the zones are). Imports `api`, `counters` and `leaks`; aiohttp and prometheus_client are
imported in the observer only, structlog at the first line that is logged.
"""
