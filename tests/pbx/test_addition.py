"""Why we add no line to another's section with (+): what Asterisk does once that section is gone."""

import pytest

from tests.lab import Version, find
from tests.pbx.foreign import Plain


@pytest.mark.pbx
@pytest.mark.parametrize("version", ["22", "16"])
async def test_an_addition_that_outlives_its_queue_takes_all_queues_with_it(version: Version) -> None:
    """If a section with (+) outlives its queue, app_queue does not load after a restart."""
    async with Plain.start(find(version), context="from-telco") as pbx:
        queues = pbx.folder / "etc/queues.conf"
        gone = queues.read_text("utf-8").replace("[operators]\n", "[others]\n")
        queues.write_text(f"{gone}[operators](+)\nmembergosub = siaga112-operator\n")
        await pbx.restart()
        assert "No such command" in await pbx.console("queue show")
        queues.write_text(gone)
        await pbx.restart()
        assert "others" in await pbx.console("queue show")
