#!/bin/sh
# Settings from the environment and the secret files, then the command: `serve registry`, `migrate registry`, `topics`.
set -eu
huchuang render-settings
exec huchuang "$@"
