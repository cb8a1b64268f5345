-- The valid rows of a chunk of hours wait in one row, whose store id is empty. `raw` is the text of the chunk, and `details` has the
-- distinct values and the stores that no earlier chunk names. `packed` has three integers of each row: the number of its store
-- in the file, the place of its values, and its line in the chunk. The release before cannot add a store without an id, so it
-- stops before it applies a file whose rows lie here.
alter table import_staged add column packed bytea;

-- Compressing a chunk takes more time than it saves in log.
alter table import_staged
    alter column raw set storage external,
    alter column details set storage external,
    alter column packed set storage external;

-- A file of zones changes every store a moment after it was added. With half of each page free, the new version lies on the same
-- page, and no index gets an entry for it.
alter table store set (fillfactor = 50);
