-- Stores that the newest reports were made without. Jobs of other kinds name no stores either, and most of them record no
-- failed ones: since they are rows of `report` too, a seal or an export of the night hid what the last report had left out.

create or replace view newest_failed_store as
select newest.id as report_id, store_id, reason, detail
from (select distinct on (stores, scope) id from report
      where state = 'succeeded' and finished_at > clock_timestamp() - interval '24 hours' and kind = 'report'
      order by stores, scope, finished_at desc) newest
join report_failed_store f on f.report_id = newest.id;
