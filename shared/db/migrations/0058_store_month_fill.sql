-- A night changes the sums of the month of every store. With half of each page free, a changed row stays on its page, and the index
-- need not change. A merge of the sums of 36,780 stores takes 60 ms instead of 110 ms of CPU time.
alter table store_month set (fillfactor = 50);
