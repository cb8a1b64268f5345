-- The page passes uploads and closures on to the ingest service, which finds the key of the session itself.
grant select on page_session to uptill_ingest;
