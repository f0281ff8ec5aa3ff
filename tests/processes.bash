#!/bin/bash
# Describe to supervisor the processes of an installation under test, by the very commands that
# scripts/up and scripts/dev use.
#
# processes.bash DIRECTORY VENV ADDRESS:PORT libvirt|fake HOST.ini...
set -euo pipefail
program_directory=$(realpath -- "$(dirname -- "$0")/..")
source "$program_directory/scripts/install.bash"
directory=$1 venv=$2 listen=$3 driver=$4
shift 4
log_directory=$directory/log python=$venv/bin/python

supervisord_section "$directory"
program redis 1 "$(redis_command "$directory")"
if [[ $driver == libvirt ]]; then
    program libvirt 1 "$program_directory/scripts/libvirt-daemons" autorestart=unexpected
fi
program web 3 "$(web_command "$venv" "$listen" 32)"
program conductor 3 "$python -m portal.conductor"
for file in "$@"; do
    name=$(basename "$file" .ini)
    program "worker-$name" 4 "$python -m workers --config $file" stopwaitsecs=5
    program "agent-$name" 4 "$python -m workers.agent --config $file"
done
