"""The API in the observer: what it is handed to show.

Imported in the observer alone, and only where there is to be an API.
"""

from collections.abc import Callable
from time import monotonic, time
from typing import TYPE_CHECKING

from blackhole_guard import __version__
from blackhole_guard.answering.policy import parse_clients
from blackhole_guard.api.diagnosis import Diagnosis, make_diagnosis, point_to_integrate
from blackhole_guard.api.known import Known, ServedZones
from blackhole_guard.api.known import Rounds as ShownRounds
from blackhole_guard.api.service import Api
from blackhole_guard.app.board import Board
from blackhole_guard.app.explainer import Explainer
from blackhole_guard.app.observer import ApiSource
from blackhole_guard.leaks.leak_tops import SlidingTops
from blackhole_guard.leaks.observed import Observed
from blackhole_guard.leaks.tops import Tops
from blackhole_guard.server.clients import pack_address
from blackhole_guard.telemetry.observer import find_unreadiness

if TYPE_CHECKING:  # imported where rounds are made only
    from blackhole_guard.app.rounds import Rounds


def make_api(
    source: ApiSource,
    board: Board,
    served: Callable[[], ServedZones | None],
    *,
    tops: Tops | None,
    observed: Observed[SlidingTops] | None,
    rounds: "Rounds | None",
) -> Api:
    """Make the API.

    Args:
        board: whose pages are shown.
        served: what is served by now.
        tops: None: nobody keeps any.
        observed: None: nobody tells of any leaks.
        rounds: None: nobody makes any.
    """
    allowed = parse_clients(source.settings.allow)
    patterns = source.overrides.get("include", ())
    explainer = Explainer(source.config, (patterns,) if isinstance(patterns, str) else patterns)
    known = Known(
        version=__version__,
        pages=board.pages,
        control=board.control,
        find_unreadiness=find_unreadiness,
        served=served,
        explain=explainer.explain,
        tops=tops,
        observed=observed,
        observed_since=time(),
        rounds=None if rounds is None else ShownRounds(lambda: _diagnose(rounds)),
        clock=time,
        monotonic=monotonic,
    )
    return Api(known, lambda client: pack_address(client) in allowed)


def _diagnose(rounds: "Rounds") -> Diagnosis | None:
    """Say what the last round found; what to change is for `integrate` to say, which knows the maps."""
    if rounds.at is None:
        return None
    found = [(str(resolver), examined) for resolver, examined in rounds.found]
    return make_diagnosis(found, point_to_integrate, rounds.at)
