from __future__ import annotations

import pytest

from pymoo_prune.comparing import Campaign
from tests.support.campaigns import created, done


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    campaign = created(tmp_path_factory.mktemp("campaign") / "finished")
    done(campaign)
    return campaign
