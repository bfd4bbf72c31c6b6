"""Check whether Redis still has data of siaga112 before 0.1.0."""

from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.older import OlderRedis
from siaga112.app.records import now, redis_url
from siaga112.service.ports import StoreBrokenError, StoreDownError
from siaga112.settings.schema import Settings


async def waiting(settings: Settings) -> bool:
    """Return whether there is data that has not been carried over; False if Redis does not answer."""
    older = OlderRedis(connect(redis_url(settings)), settings.site)
    try:
        return await older.there(now(), settings.privacy.keep_calls) and await older.carried() is None
    except (StoreBrokenError, StoreDownError):
        return False
    finally:
        await older.close()
