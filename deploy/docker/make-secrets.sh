#!/bin/sh
# Make the secret files that docker-compose.yml mounts; what is there already is kept.
#   deploy/docker/make-secrets.sh [JWKS [CONSOLE_SECRET]]
# JWKS: the public keys of the OpenID provider whose tokens are believed; without it nobody can sign in: the key set is
# empty. CONSOLE_SECRET: the file with the console's client secret there; without it the console has none. A new Kafka volume needs a new cluster id: delete kafka.env and
# run this again, then the relays publish from the store.
set -eu
umask 077
directory=${HUCHUANG_SECRETS_DIRECTORY:-$(dirname "$0")/secrets}
mkdir -p "$directory"

keep() { # NAME: standard input becomes the file, unless it is there
  if [ -e "$directory/$1" ]; then
    cat >/dev/null
  else
    cat >"$directory/$1"
    # Containers read it as another user; the directory (0700) keeps everybody else out.
    chmod 0444 "$directory/$1"
    echo "made $directory/$1"
  fi
}

password() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }

for name in postgres reader registry training subsidy loans notify audit; do
  password | keep "${name}_password"
done
printf 'CLUSTER_ID=%s\n' "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')" | keep kafka.env
given() { # FILE NAME: the file is taken over, also in the place of another
  cp -f "$1" "$directory/$2"
  chmod 0444 "$directory/$2"
}

if [ "$#" -gt 0 ]; then given "$1" issuer_jwks.json; else printf '{"keys": []}\n' | keep issuer_jwks.json; fi
if [ "$#" -gt 1 ]; then given "$2" console_secret; else printf '' | keep console_secret; fi
