#!/usr/bin/env bash
# Builds the images and tries each from inside, as the cluster runs it: as user 10001 without any rights, on a root that is
# read-only but for the home and scratch, and with no network, so that nothing can be fetched. What is tried stands in smoke.py.
#
#   infra/images/smoke.sh --base python:3.11-slim-bookworm     # both images, from a base of a registry
#   infra/images/smoke.sh --stand-in                           # where there is none: from a bare Debian, by debootstrap
#   infra/images/smoke.sh --built practice                     # what was built before, once more
#
# Behind `--` stands what `buildah build` is told beside, such as `--volume /etc/pip.conf:/etc/pip.conf:ro`. It wants root,
# buildah and, for the stand-in, debootstrap; no container engine. Give it 20 GB of disk (below TMPDIR, and where buildah
# keeps images) and a quarter of an hour. The images stay, as localhost/amadeus/NAME:VERSION, for `buildah push`.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() { sed -n '5,7s/^#   //p' infra/images/smoke.sh >&2; exit 2; }
refuse() { echo "smoke.sh: $1" >&2; exit 2; }

base= names=()
while (($#)); do
  case $1 in
    --base) base=${2:-}; [[ $base ]] || usage; shift 2 ;;
    --stand-in) base=localhost/amadeus/base:stand-in; shift ;;
    --built) base=none; shift ;;
    --) shift; break ;;
    studio | practice) names+=("$1"); shift ;;
    *) usage ;;
  esac
done
[[ $base ]] || usage
((${#names[@]})) || names=(studio practice)
told=("$@")

needed=(buildah unshare setpriv ip)
[[ $base == *:stand-in ]] && needed+=(debootstrap)
for tool in "${needed[@]}"; do
  command -v "$tool" >/dev/null || refuse "$tool is not installed; the images can be built, and tried, only where it is."
done
((EUID == 0)) || refuse "it mounts images and takes rights away, which only root can: run it as root."

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' amadeus/__init__.py)
scratch=$(mktemp -d)
containers=()
stopped_by=TERM
finish() {
  # Whoever stops this script stops what it has begun; only then are containers free to go.
  local begun
  begun=$(jobs -p)
  # shellcheck disable=SC2086
  [[ -z $begun ]] || { kill -s "$stopped_by" $begun || true; wait || true; } 2>/dev/null
  for container in "${containers[@]}"; do buildah rm "$container" >/dev/null || true; done
  rm -rf --one-file-system "$scratch"
}
trap finish EXIT

# Has something done as a job of this shell, for `finish` to find.
attend() { # WORD...
  "$@" &
  wait $!
}

# What python:3.11-slim-bookworm brings, as far as the images ask for it: Debian 12 with CPython 3.11 and its headers.
stand_in() {
  buildah images --quiet "$base" >/dev/null 2>&1 && return
  attend debootstrap --variant=minbase --include=ca-certificates bookworm "$scratch/root" >"$scratch/log" 2>&1 \
    || { tail -5 "$scratch/log" >&2; refuse "debootstrap could not make a base."; }
  tar --create --directory "$scratch/root" . >"$scratch/root.tar"
  rm -rf --one-file-system "$scratch/root"
  printf 'FROM scratch\nADD root.tar /\nRUN %s\n' "apt-get update \
    && apt-get install --yes --no-install-recommends python3.11 python3.11-venv libpython3.11-dev \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb" >"$scratch/Containerfile"
  build "$base" "$scratch/Containerfile" "$scratch"
  rm "$scratch/root.tar"
}

build() { # NAME FILE CONTEXT OPTION...
  attend buildah build --isolation chroot --layers=false --format docker --tag "$1" --file "$2" "${@:4}" "${told[@]}" "$3" >"$scratch/log" 2>&1 \
    || { tail -30 "$scratch/log" >&2; refuse "$1 could not be built from $2."; }
}

# Runs words in an image as its own user; the folder of what is tried lies read-only under /mnt.
inside() { # IMAGE ROOT WORD...
  local variables=() image=$1 root=$2
  mapfile -t variables < <(buildah inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$image" | sed '/^$/d')
  stopped_by=KILL # unshare hears nothing else, and takes all inside along
  # What is quoted here is for the shell inside.
  # shellcheck disable=SC2016
  attend unshare --mount --pid --ipc --uts --net --fork --kill-child bash -euc '
    root=$1 scratch=$2; shift 2
    mount --make-rprivate /
    ip link set lo up
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null zero full random urandom; do
      touch "$root/dev/$node"
      mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/shm"
    mount -t tmpfs -o mode=1777,size=1g tmpfs "$root/dev/shm"
    mount -t tmpfs -o mode=1777,size=8g tmpfs "$root/tmp"
    mount -t tmpfs -o uid=10001,gid=10001,mode=0750,size=2g tmpfs "$root/var/lib/amadeus"
    touch "$root/etc/hosts" # engines bring one, as here
    mount --bind "$scratch/hosts" "$root/etc/hosts"
    mount --bind "$scratch/mnt" "$root/mnt"
    mount -o remount,bind,ro "$root/mnt"
    mount -o remount,bind,ro "$root"
    exec chroot "$root" /usr/bin/setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs \
      --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"
  ' inside "$root" "$scratch" env --ignore-environment "${variables[@]}" "${@:3}"
  stopped_by=TERM
}

[[ $base == *:stand-in ]] && stand_in
mkdir "$scratch/mnt"
echo "127.0.0.1 localhost $(uname -n)" >"$scratch/hosts"
cp -r examples tests infra/images/smoke.py "$scratch/mnt"
chmod -R a+rX "$scratch" # read by a user without rights
for name in "${names[@]}"; do
  image=localhost/amadeus/$name:$version
  if [[ $base != none ]]; then
    began=$SECONDS
    build "$image" "infra/images/$name.Containerfile" . --build-arg "BASE=$base"
    echo "$image was built in $((SECONDS - began)) s"
  fi
  container=$(buildah from --pull-never "$image") || refuse "there is no $image yet: give --base or --stand-in to build it."
  containers+=("$container")
  root=$(buildah mount "$container")
  echo "$image holds $(du --summarize --block-size=MB --one-file-system "$root" | cut -f1), $(du --summarize --block-size=MB "$root/opt/amadeus" | cut -f1) of it in /opt/amadeus"
  inside "$image" "$root" tini -- amadeus --version
  inside "$image" "$root" python /mnt/smoke.py "$name" /mnt
done
