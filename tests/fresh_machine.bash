#!/bin/bash
# Do on a fresh machine what the README says: up, a first instance, down, up again, purge.
set -euo pipefail
cd "$(dirname -- "$0")/.."
directory=/var/lib/portico port=8080 log=/tmp/up.log

up() {
    local began=$EPOCHREALTIME
    : >"$log"
    scripts/up --port "$port" --accelerator qemu >"$log" 2>&1 &
    up=$!
    until grep -q "Portico is up" "$log"; do
        kill -0 "$up" || { cat "$log"; exit 1; }
        sleep 0.1
    done
    awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "up after %.1f s\n", b - a }'
}

. /etc/os-release
echo "$PRETTY_NAME"
up
"$directory/venv/bin/python" -m tests.first_instance "http://127.0.0.1:$port" "$directory/host"
scripts/flask doctor
scripts/down
wait "$up"
pgrep -f "^[^ ]*qemu-system" >/dev/null # guests go on
up
scripts/down --purge
! pgrep -f "^[^ ]*qemu-system"
[[ ! -e $directory && -z $(ip netns list) && -z $(nft list tables) ]]
echo "nothing is left"
