-- Files of hours that arrive together are one delivery: their rows take effect together. Null where a file came alone.
alter table import add column delivery_id uuid;
create index on import (delivery_id) where delivery_id is not null;

-- A staged row keeps its place and text, because it is rejected if another row of its store is.
-- `day_number` is the number as written: only the whole file tells whether numbers run from 0 to 6 or from 1 to 7.
-- A row with a `reason` was rejected: it holds its store back, and may name a day.
alter table import_staged
    add column day_number smallint,
    add column line bigint,
    add column byte_offset bigint,
    add column raw bytea,
    add column reason text;
