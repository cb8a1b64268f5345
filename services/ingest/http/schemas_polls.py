"""Request body of live polls. Requests with unknown fields are refused."""

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.http.live_polls import MAX_POLLS
from services.ingest.parse.observation import Observation


class ObservationsCreate(BaseModel):
    """Body of `POST /v1/observations`."""

    model_config = ConfigDict(extra="forbid")

    observations: list[Observation] = Field(
        min_length=1, max_length=MAX_POLLS, description="The polls, in any order."
    )
