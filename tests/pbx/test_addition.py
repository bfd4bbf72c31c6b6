"""Why no line of ours adds to a section of somebody else's: what Asterisk does when that is gone."""

import pytest

from tests.lab import Version, find
from tests.pbx.foreign import Plain


@pytest.mark.pbx
@pytest.mark.parametrize("version", ["22", "16"])
async def test_an_addition_that_outlives_its_queue_takes_all_queues_with_it(version: Version) -> None:
    """After a restart there is no `Queue()` any more: so `membergosub` stands in the queue's own section."""
    async with Plain.start(find(version), context="from-telco") as pbx:
        queues = pbx.folder / "etc/queues.conf"
        gone = queues.read_text("utf-8").replace("[operators]\n", "[others]\n")
        queues.write_text(f"{gone}[operators](+)\nmembergosub = siaga112-operator\n")
        await pbx.restart()
        assert "No such command" in await pbx.console("queue show")
        queues.write_text(gone)
        await pbx.restart()
        assert "others" in await pbx.console("queue show")
