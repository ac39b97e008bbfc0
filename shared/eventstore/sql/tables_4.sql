-- What long work over many items has to do, in order, and what became of each: chosen once, before the first is begun,
-- so that whoever goes on with the work knows what is left. `problem` is JSON without personal data.
create table operation_item (
    operation text not null references operation (id) on delete cascade,
    number integer not null,
    item text not null,
    status smallint,
    problem bytea,
    primary key (operation, number)
);
create index operation_item_left on operation_item (operation, number) where status is null;
