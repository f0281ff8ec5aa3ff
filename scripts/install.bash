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

# ensure_venv DIRECTORY REQUIREMENTS...: the environment holds what these files lock. Of each file
# that is installed the environment keeps the sum, so that nothing is done twice.
ensure_venv() {
    local venv=$1 file
    shift
    for file in "$@"; do
        installed "$venv" "$file" && continue
        say "Installing Python packages"
        [[ -x $venv/bin/python ]] || "$interpreter" -m venv "$venv"
        install_locked "$venv/bin/pip" "$file"
        sha256sum <"$file" >>"$venv/locked"
    done
}

# installed DIRECTORY REQUIREMENTS: whether the environment holds what this file locks.
installed() { grep -qsxF "$(sha256sum <"$2")" "$1/locked"; }

# install_locked PIP REQUIREMENTS: three at a time, since pip mostly waits for one file after another.
install_locked() {
    local parts part pids=()
    parts=$(mktemp -d)
    awk -v parts="$parts" '/^[^ #]/ { n++ } n { print >(parts "/" n % 3) }' "$2"
    for part in "$parts"/*; do
        "$1" install -qq --disable-pip-version-check --no-deps --require-hashes -r "$part" &
        pids+=($!)
    done
    for part in "${pids[@]}"; do wait "$part"; done
    rm -r -- "$parts"
}

not_roots=(! -user root -o -perm -002 ! -perm -1000 -o -perm -020 ! -perm -1000 ! -group root)

# only_root_leads_to PATH: nobody but root can put another thing there.
only_root_leads_to() {
    local path
    path=$(realpath -m -- "$1")
    while [[ $path != / ]]; do
        path=$(dirname -- "$path")
        [[ -z $(find "$path" -maxdepth 0 \( "${not_roots[@]}" \) 2>/dev/null) ]] || return
    done
}

# is_roots DIRECTORY: nor can anybody else change what is in it, but for what begins with a dot.
is_roots() {
    only_root_leads_to "$1/inside" || return
    [[ -z $(find "$1/" -mindepth 1 -name '.*' -prune -o ! -type l \( "${not_roots[@]}" \) \
        -print -quit) ]]
}

# another_installation DIRECTORY: prints the state directory of another one that has this machine.
another_installation() {
    local holder=''
    read -r holder </run/portico.host || return 1
    [[ $holder != "$1/host" && -d $holder ]] && echo "$holder"
} 2>/dev/null

# unreadable_tables: prints each table of nftables that this release's nft cannot read, as when
# something newer has made it. Whoever lists all tables ends there, as a crash.
unreadable_tables() {
    local table
    nft list tables | while read -r _ table; do
        # shellcheck disable=SC2086 # family and name
        nft list table $table >/dev/null 2>&1 || echo "$table"
    done
}

# remove_what_is_not_roots DIRECTORY: only plain files of root's alone are in it, which nobody else
# could have put there: no link leads from it. It is to be root's by now.
remove_what_is_not_roots() {
    find "$1" -mindepth 1 -maxdepth 1 \( ! -type f -o ! -user root -o -links +1 \) \
        -exec rm -rf -- {} +
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

# take_password: what PORTICO_ADMIN_PASSWORD was is in $admin_password, and no child of this script
# is given it, but the command behind with_password.
take_password() {
    admin_password=${PORTICO_ADMIN_PASSWORD-}
    unset PORTICO_ADMIN_PASSWORD
}

with_password() { PORTICO_ADMIN_PASSWORD=$admin_password "$@"; }

# redis_command DIRECTORY: Redis on a unix socket, with nothing on disk: it is a wire, not a memory.
redis_command() {
    printf 'redis-server --port 0 --unixsocket %s/redis.sock --unixsocketperm 770 --save "" ' "$1"
    # at rest it wakes 4 times a second, not 10: whoever waits is told as soon, or 0.25 s too late
    printf -- '--appendonly no --dir %s --maxmemory 256mb --maxmemory-policy noeviction --hz 4' "$1"
}

# web_command VENV ADDRESS THREADS [OPTION...]
web_command() {
    printf '%s/bin/gunicorn --bind %s --workers 1 --threads %s ' "${@:1:3}"
    (($# == 3)) || printf '%s ' "${@:4}"
    printf -- '--worker-class portal.server.Worker --no-control-socket --graceful-timeout 10 --keep-alive 5 portal.wsgi:app'
}

# is_well ADDRESS:PORT PATH: whether that page is there, and says "ok".
is_well() (
    exec 2>/dev/null
    if [[ -n ${by_tls[*]-} ]]; then
        "$python" -c 'import ssl, sys, urllib.request as web
trust = ssl._create_unverified_context()  # it is this machine that is asked
sys.exit(web.urlopen(sys.argv[1], context=trust, timeout=5).read().strip() != b"ok")' "https://$1$2"
        return
    fi
    exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$2" "$1" >&3
    while read -r -t 5 line <&3; do [[ $line == ok ]] && return; done
    return 1
)

# names_of ADDRESS NAMES: by what a portal that listens there is reached, each once.
names_of() {
    local address
    {
        printf '%s\n' localhost 127.0.0.1 '[::1]' "$(hostname)" "$(hostname -f)"
        # shellcheck disable=SC2086 # several
        printf '%s\n' $2
        case $1 in
            0.0.0.0 | '[::]')
                for address in $(hostname -I); do
                    [[ $address == *:* ]] && address="[$address]"
                    echo "$address"
                done ;;
            *) echo "$1" ;;
        esac
    } 2>/dev/null | awk 'NF && !seen[$0]++' | paste -sd ' '
}

# name_for ADDRESS: what a person puts into a browser to get there.
name_for() { if [[ $1 == 0.0.0.0 || $1 == '[::]' ]]; then hostname -f; else echo "$1"; fi; }

# start_supervisor SUPERVISORD CONFIGURATION: it runs, as process $supervisor, and has ended when
# this script ends.
start_supervisor() {
    "$1" -c "$2" &
    supervisor=$!
    trap 'exit 130' INT TERM HUP
    trap 'kill -TERM "$supervisor" 2>/dev/null && wait "$supervisor"' EXIT
}

# wait_for_web ADDRESS:PORT: until the portal answers, and then, but not for ever, until a host does.
wait_for_web() {
    local deadline=$((SECONDS + 120))
    until is_well "$1" /healthz; do
        if ! kill -0 "$supervisor" 2>/dev/null || ((SECONDS > deadline)); then
            echo "The portal did not come up. Its log: $log_directory/web.log" >&2
            tail -n 20 "$log_directory/web.log" >&2 || true
            return 1
        fi
        sleep 0.05
    done
    deadline=$((SECONDS + 30))
    until is_well "$1" /healthz/hosts; do
        if ((SECONDS > deadline)); then
            say "No host answers yet: flask doctor says why"
            return
        fi
        sleep 0.05
    done
}

# stay ADDRESS:PORT WORDS: WORDS are said once the portal answers there. When this script, or the
# whole terminal, is told to end, everything has ended first.
stay() {
    local status=0
    wait_for_web "$1"
    trap 'kill -TERM "$supervisor" 2>/dev/null || true' INT TERM HUP
    say "$2"
    while kill -0 "$supervisor" 2>/dev/null; do
        status=0
        wait "$supervisor" || status=$?
    done
    trap - EXIT
    say "Ended"
    return "$status"
}
