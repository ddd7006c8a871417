#!/bin/sh
# Starts Redis as the official image's entry point does: options or a .conf alone mean redis-server,
# and root becomes redis.
set -eu

case ${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown -R redis:redis .
  exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi
# What Redis writes is nobody else's.
[ "$(umask)" != 0022 ] || umask 0077
exec "$@"
