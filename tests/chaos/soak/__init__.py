"""The seeded soak: a whole installation under load while everything in it is killed, frozen and emptied.

`python -m tests.chaos.soak --seconds 180 --seed 7`: prints what it did and measured; exit status 1 when a promise broke.
"""
