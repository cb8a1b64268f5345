-- Sessions of the page: browsers that signed in with an API key. The cookie's token is stored as a SHA-256 only.
create table page_session (
    hash bytea primary key check (octet_length(hash) = 32),
    key_prefix text not null references api_key on delete cascade,
    created_at timestamptz not null default clock_timestamp(),
    last_used_at timestamptz not null default clock_timestamp()
);
create index page_session_key on page_session (key_prefix, created_at);

grant select, insert, update (last_used_at), delete on page_session to uptill_api;
