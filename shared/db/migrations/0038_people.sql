-- Keys of people who sign in to the page by OpenID Connect. Nobody holds their secret. `person` is the SHA-256 of the issuer
-- and its id of the person.
alter table api_key add column person bytea check (octet_length(person) = 32);
create index api_key_person on api_key (person) where person is not null;
