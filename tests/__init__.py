"""Tests, in tiers: unit, property, integration, acceptance, chaos and architecture."""
