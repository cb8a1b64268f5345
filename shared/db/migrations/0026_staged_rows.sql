-- Uploads of special hours reject dates that are both closed and open, which updates the staged rows.
grant update (reason) on import_staged to uptill_ingest;
