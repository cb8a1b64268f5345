-- The janitor deletes sessions of the page that have ended. It needs no tokens to do so.
grant select (created_at, last_used_at), delete on page_session to uptill_worker;

-- The view of now lists the few stores that are down, silent or unknown. Most refreshes leave the state as it is, so most
-- updates stay within their page.
create index store_now_state on store_now (state);
