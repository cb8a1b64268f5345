-- How often stores that are up go down, as the last run of insights counted it. Rules for groups compare an outage with it.

create table outage_rate (
    label_name text not null,  -- '': the whole fleet
    label_value text not null, -- of a label, only the values whose stores go down more often than the fleet's
    per_hour real not null,    -- share of the stores that were up at their last poll and are down in the next hour with polls
    primary key (label_name, label_value),
    check ((label_name = '') = (label_value = ''))
);

grant select on outage_rate to uptill_readonly;
grant select, insert, update, delete on outage_rate to uptill_worker;
