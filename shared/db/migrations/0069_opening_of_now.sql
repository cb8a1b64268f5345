-- When the opening of an open store began. Earlier than `open_from` if closures lie between: after a closure, a store that had opened
-- before it is not late. Null in rows that the release before wrote, which no rule about late openings then judges.
alter table store_now add column hours_from timestamptz;
