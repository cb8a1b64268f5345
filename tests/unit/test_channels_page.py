"""The page of channels names every event, every field of a channel and every field of a notice."""

from dataclasses import fields
from pathlib import Path

import pytest

from services.api.schemas.channels import ChannelPut
from shared.channels.notice import EVENT_NAMES, Notice
from shared.channels.stored import MAX_CHANNELS

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/channels.md").read_text()


@pytest.mark.parametrize("name", [*EVENT_NAMES, *ChannelPut.model_fields])
def test_a_name_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", [field.name for field in fields(Notice)])
def test_a_field_of_a_notice_is_in_the_example(name: str) -> None:
    assert f'"{name}": ' in PAGE


def test_the_limit_of_channels_is_on_the_page() -> None:
    assert f"at most\n{MAX_CHANNELS} channels" in PAGE
