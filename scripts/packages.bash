# Which releases Portico runs on, and which Debian packages do what needs them. Sourced, never run.

os_release=/etc/os-release # os-release(5): what this machine says that it is

# ensure_release COMMAND: this is a release that has been tried, or one alike it, which is said.
ensure_release() {
    local release name
    release=$(. "$os_release" 2>/dev/null && echo "${ID-} ${VERSION_ID-}") || true
    name=$(. "$os_release" 2>/dev/null && echo "${PRETTY_NAME-}") || true
    case $release in
        "debian 12" | "debian 13") ;;
        "ubuntu 24.04" | "ubuntu 26.04")
            say "Portico runs on Debian 12 and 13; it has never been tried on $name" ;;
        *)
            echo "$1: Portico runs on Debian 12 and 13; this is ${name:-$(uname -s)}" >&2
            return 1 ;;
    esac
}

PORTAL_PACKAGES=(python3 python3-venv redis-server)
BINDING_PACKAGES=(libvirt-dev pkg-config python3-dev gcc) # the libvirt binding is compiled
HOST_PACKAGES=(
    "${BINDING_PACKAGES[@]}"
    qemu-system-x86 qemu-utils libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-system
    libvirt-clients dnsmasq-base nftables iproute2 conntrack procps
)
IMAGE_PACKAGES=(kmod xz-utils zstd cpio lz4 fdisk dosfstools mtools syslinux syslinux-common)
TEST_PACKAGES=(
    chromium postgresql busybox-static iputils-ping iputils-arping openssh-client util-linux git
    iptables gcc e2fsprogs
)
# one that did not come from Debian serves as well, and Debian's may not lie beside it
command -v npm >/dev/null || TEST_PACKAGES+=(npm)
ROOT_PACKAGES=(mmdebstrap slirp4netns debian-archive-keyring) # a root of another release

# ensure_packages NAME...: they are installed. Needs root only when one is missing.
ensure_packages() {
    local missing log
    missing=$(comm -23 <(printf '%s\n' "$@" | sort -u) <(dpkg-query -W \
        -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u))
    [[ -n $missing ]] || return 0
    missing=$(tr '\n' ' ' <<<"$missing")
    if ((EUID)); then
        echo "These Debian packages are missing: $missing" >&2
        echo "As root: apt-get install --no-install-recommends $missing" >&2
        return 1
    fi
    say "Installing Debian packages: $missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # one package a word
    if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install \
        --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
        cat -- "$log" >&2
        rm -- "$log"
        return 1
    fi
    rm -- "$log"
}
