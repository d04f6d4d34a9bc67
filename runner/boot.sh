#!/bin/sh
# Starts the supervisor with an environment of its own.
#
# The handover comes in through the environment, where every process of the same user could read it for as long as this
# process lives. So it is passed on as a here-document on descriptor 3 (a pipe at this size), and `exec env -i` replaces
# the environment: nothing readable under /proc keeps it.
set -eu

refuse() {
  printf '{"level":"error","event":"boot.refused","message":"%s"}\n' "$2"
  exit "$1"
}

# The platform's PATH says where the image keeps node. Entries that the executor could fill are left out, and the
# supervisor checks the owner of every program that it starts from the rest.
clean=
rest=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}:
while [ -n "$rest" ]; do
  entry=${rest%%:*}
  rest=${rest#*:}
  case $entry in
    /workspace | /workspace/* | /tmp | /tmp/* | /var/tmp | /var/tmp/* | /dev/shm | /dev/shm/* | *..*) ;;
    /*) clean=${clean:+$clean:}$entry ;;
  esac
done
PATH=$clean

[ -n "${HANDRAIL_HANDOVER:-}" ] || refuse 20 'HANDRAIL_HANDOVER is not set'
node=$(command -v node) || refuse 21 'node is not on the PATH of the image'

# A start whose answer was lost is asked for again, and one claim must not be served twice. The name is a digest of the
# handover, whose tickets are new with each claim; making a folder is atomic, and only root can make one beside the
# runner's.
claims=${0%/*}.claims
digest=$(printf %s "$HANDRAIL_HANDOVER" | sha256sum) || refuse 21 'sha256sum is not on the PATH of the image'
claim=$claims/${digest%% *}
[ -d "$claims" ] || mkdir -m 0700 "$claims" 2>/dev/null || [ -d "$claims" ] || refuse 21 "$claims cannot be made"
if ! mkdir "$claim" 2>/dev/null; then
  [ ! -d "$claim" ] || refuse 24 'this claim was started already'
  refuse 21 "$claim cannot be made"
fi

set -- "PATH=$PATH" HOME=/root LANG=C.UTF-8
for name in NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE REQUESTS_CA_BUNDLE GIT_SSL_CAINFO; do
  eval "value=\${$name:-}"
  [ -z "$value" ] || set -- "$@" "$name=$value"
done
exec env -i "$@" "$node" --disable-sigusr1 "${0%/*}/runner.mjs" supervisor 3<<HANDOVER
$HANDRAIL_HANDOVER
HANDOVER
