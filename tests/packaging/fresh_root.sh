#!/usr/bin/env bash
# The README's two commands in a bare Debian, as an ordinary user would give them on a new machine.
#
#   tests/packaging/fresh_root.sh FOLDER [SUITE]
#
# Makes a root in FOLDER (debootstrap, minimal) from this machine's own package source, with nothing
# in it but git, make, sudo and certificates; clones what is committed here into a user's home;
# runs 'make demo' and 'make test' there, and tells how long each took. Asks for root.
set -euo pipefail
folder=${1:?name a folder for the root}
suite=${2:-bookworm}
here=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
root=$folder/root

if [ "$(id -u)" != 0 ]; then
	echo "fresh_root.sh: only root can make another root: sudo $0 $*" >&2
	exit 1
fi
command -v debootstrap >/dev/null || { echo "fresh_root.sh: apt install debootstrap" >&2; exit 1; }
if [ -e "$root" ]; then
	echo "fresh_root.sh: $root is there already; remove it, or name another folder" >&2
	exit 1
fi
source=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: '"$suite" | head -n 1)
mkdir -p "$folder"
debootstrap --variant=minbase --include=ca-certificates,git,make,sudo \
	"$suite" "$root" "$source" >"$folder/debootstrap.log"

# How this machine reaches packages is not the project's: certificates, and settings of apt and pip.
for path in /etc/apt/apt.conf.d /etc/apt/sources.list.d /etc/ssl/certs /etc/xdg/pip /etc/pip.conf \
	/etc/resolv.conf /etc/hosts; do
	[ ! -e "$path" ] || cp -aLT "$path" "$root$path" 2>/dev/null || mkdir -p "$root$path"
done
rm -f "$root"/etc/apt/apt.conf.d/*docker*
mapfile -t settings < <(env | grep -E '^(PIP_|SSL_CERT|https?_proxy=|HTTPS?_PROXY=)' || true)

git clone --quiet --bare "$here" "$root/srv/project.git"
chroot "$root" useradd --create-home --shell /bin/bash user
chroot "$root" chown -R user: /srv/project.git
echo 'user ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/user"
cat >"$root/home/user/try.sh" <<'TRY'
set -euo pipefail
cd "$HOME"
git clone --quiet /srv/project.git facectrl-fast
cd facectrl-fast
for target in demo test; do
	begun=$SECONDS
	make "$target"
	printf 'fresh root: make %s took %d s\n' "$target" $((SECONDS - begun))
done
TRY

# Mounts of its own, which end with it.
unshare --mount --pid --fork bash -euc '
	root=$1; shift
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmp "$root/tmp"
	mount -t tmpfs run "$root/run"
	exec chroot "$root" sudo -u user -H env "$@" bash /home/user/try.sh
' bash "$root" "${settings[@]}"
