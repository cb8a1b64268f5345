"""Two batches bring the first facts of a month at the same time: both find the partition."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.fixtures.services import wait_until

MAKE = "select ensure_store_day_partition('2031-01-05')"
WAITING = "select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'"


def test_the_second_one_waits_and_goes_on(database_url: str) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(database_url) as first,
        psycopg.connect(database_url) as second,
        psycopg.connect(database_url, autocommit=True) as looking,
    ):
        first.execute(MAKE)
        made = pool.submit(second.execute, MAKE)
        wait_until(lambda: looking.execute(WAITING).rowcount, "the second one to wait")
        first.commit()
        made.result()
        second.execute("select from store_day_2031_01")
