-- What claims have in common, for the signals beside them: mutable rows, never events. `account` is a keyed hash of the
-- payee's account number, null once the person has been erased. Days are Asia/Shanghai days.
create table claim_link (
    claim text primary key,
    person text not null,
    institution text,
    submitted_on date not null,
    account bytea
);
create index claim_link_account on claim_link (account);
create index claim_link_institution on claim_link (institution, submitted_on);
create index claim_link_person on claim_link (person);
