# What scripts/up, scripts/dev and scripts/test share: the virtual environment, and how processes
# are described to supervisor. Sourced, never run.

# The commands that `say` prints are the progress a person sees.
say() { # dim on a terminal, plain in a file
    local time
    time=$(date +%H:%M:%S)
    [[ -t 1 ]] && time=$'\033[2m'$time$'\033[0m'
    printf '%s %s\n' "$time" "$*"
}

interpreter=python3 # what the virtual environment is made with

# ensure_venv DIRECTORY REQUIREMENTS...: the environment holds exactly what is locked. It is made
# anew only when a file has changed.
ensure_venv() {
    local venv=$1 stamp
    shift
    stamp=$(cat -- "$@" | sha256sum)
    [[ -x $venv/bin/python && $(cat "$venv/locked" 2>/dev/null) == "$stamp" ]] && return
    say "Installing Python packages"
    [[ -x $venv/bin/python ]] || "$interpreter" -m venv "$venv"
    local file
    for file in "$@"; do
        "$venv/bin/pip" install -qq --disable-pip-version-check --no-deps --require-hashes \
            -r "$file"
    done
    printf '%s\n' "$stamp" >"$venv/locked"
}

# program NAME PRIORITY COMMAND [LINE...]: a section of supervisor's configuration.
program() {
    local name=$1 priority=$2 command=$3
    shift 3
    printf '[program:%s]\ncommand=%s\npriority=%s\n' "$name" "$command" "$priority"
    printf 'directory=%s\nautorestart=true\nstartretries=1000000\nstartsecs=0\n' "$program_directory"
    printf 'redirect_stderr=true\nstdout_logfile=%s/%s.log\n' "$log_directory" "$name"
    printf 'stdout_logfile_maxbytes=10MB\nstdout_logfile_backups=2\n'
    printf '%s\n' "$@"
    printf '\n'
}

# supervisord_section DIRECTORY: supervisor itself, with its socket in that directory.
supervisord_section() {
    cat <<END
[supervisord]
nodaemon=true
silent=true
logfile=$log_directory/supervisor.log
pidfile=$1/supervisor.pid
childlogdir=$log_directory

[unix_http_server]
file=$1/supervisor.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://$1/supervisor.sock

END
}

# redis_command DIRECTORY: Redis on a unix socket, with nothing on disk: it is a wire, not a memory.
redis_command() {
    printf 'redis-server --port 0 --unixsocket %s/redis.sock --unixsocketperm 770 --save "" ' "$1"
    printf -- '--appendonly no --dir %s --maxmemory 256mb --maxmemory-policy noeviction' "$1"
}

# web_command VENV ADDRESS THREADS
web_command() {
    printf '%s/bin/gunicorn --bind %s --workers 1 --threads %s --worker-class gthread ' "$@"
    printf -- '--no-control-socket --graceful-timeout 10 --keep-alive 5 portal.wsgi:app'
}

# wait_for_web URL PID: until the portal answers, or the process has ended.
wait_for_web() {
    local deadline=$((SECONDS + 120))
    until "$python" -c "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=2)" \
        "$1/healthz" 2>/dev/null; do
        if ! kill -0 "$2" 2>/dev/null || ((SECONDS > deadline)); then
            echo "The portal did not come up. Its log: $log_directory/web.log" >&2
            tail -n 20 "$log_directory/web.log" >&2 || true
            return 1
        fi
        sleep 0.2
    done
}

# supervise SUPERVISORD CONFIGURATION URL WORDS: it runs, and WORDS are said once URL answers. When
# this script, or the whole terminal, is told to end, everything has ended first.
supervise() {
    "$1" -c "$2" &
    local supervisor=$! status=0
    trap "kill -TERM $supervisor 2>/dev/null || true" INT TERM HUP
    wait_for_web "$3" "$supervisor"
    say "$4"
    while kill -0 "$supervisor" 2>/dev/null; do
        status=0
        wait "$supervisor" || status=$?
    done
    say "Ended"
    return "$status"
}
