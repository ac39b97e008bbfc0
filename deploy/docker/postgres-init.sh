#!/bin/bash
# Run once by the postgres image, on an empty volume: one role and one database per service, and a role that only reads.
set -euo pipefail

secrets=${SECRETS_DIRECTORY:-/run/secrets}

role() {
  psql --username "$POSTGRES_USER" --dbname postgres --no-psqlrc --quiet -v ON_ERROR_STOP=1 \
    -v role="$1" -v password="$(cat "$secrets/$2")" <<'SQL'
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB PASSWORD :'password';
SQL
}

role huchuang_reader reader_password
for service in registry training subsidy loans notify audit; do
  role "huchuang_$service" "${service}_password"
  psql --username "$POSTGRES_USER" --dbname postgres --no-psqlrc --quiet -v ON_ERROR_STOP=1 \
    -v name="huchuang_$service" <<'SQL'
CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C';
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO huchuang_reader;
SQL
done
psql --username "$POSTGRES_USER" --dbname postgres --no-psqlrc --quiet -v ON_ERROR_STOP=1 <<'SQL'
GRANT pg_read_all_data TO huchuang_reader;
ALTER ROLE huchuang_reader SET default_transaction_read_only = on;
SQL
