#!/bin/bash
# Starts Postgres as the official image's entry point does, and makes the database first where there
# is none: POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB and POSTGRES_INITDB_ARGS (or the file that
# NAME_FILE names), POSTGRES_HOST_AUTH_METHOD, PGDATA, and what lies in /docker-entrypoint-initdb.d
# (.sh, .sql, .sql.gz). Beyond that, nothing of the official one is here.
set -Eeuo pipefail

refuse() {
  echo "docker-entrypoint.sh: $*" >&2
  exit 1
}

# The variable $1: its own value, what the file in $1_FILE holds, or $2.
setting() {
  local name=$1 file=$1_FILE default=${2:-}
  [ -z "${!name:-}" ] || [ -z "${!file:-}" ] || refuse "$name and $file are both set: unset one"
  if [ -n "${!file:-}" ]; then
    [ -r "${!file}" ] || refuse "$file names ${!file}, which cannot be read"
    printf -v "$name" %s "$(< "${!file}")"
  else
    printf -v "$name" %s "${!name:-$default}"
  fi
  unset "$file"
}

settings() {
  setting POSTGRES_PASSWORD
  setting POSTGRES_USER postgres
  setting POSTGRES_DB "$POSTGRES_USER"
  setting POSTGRES_INITDB_ARGS
  setting POSTGRES_HOST_AUTH_METHOD
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
    refuse "there is no database in $PGDATA and no password to make one with:" \
      "set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD"
  fi
}

make_database() {
  local -a arguments
  eval "arguments=($POSTGRES_INITDB_ARGS)" # with its quotes, as the official image takes it
  if [ -n "$POSTGRES_PASSWORD" ]; then
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${arguments[@]}"
  else
    initdb --username="$POSTGRES_USER" "${arguments[@]}"
  fi
  local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "$@")}
  printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"
}

sql() {
  psql --set ON_ERROR_STOP=1 --no-password --no-psqlrc --quiet --username "$POSTGRES_USER" "$@"
}

# Reachable by its socket only, with the options that it will have.
prepare_database() {
  export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD} PGHOST= PGHOSTADDR=
  NOTIFY_SOCKET= pg_ctl start --wait --silent \
    --options "$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")"
  if [ "$POSTGRES_DB" != postgres ]; then
    sql --dbname postgres --set name="$POSTGRES_DB" <<< 'CREATE DATABASE :"name"'
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) sql --dbname "$POSTGRES_DB" --file "$file" ;;
      *.sql.gz) gunzip --stdout "$file" | sql --dbname "$POSTGRES_DB" ;;
      */\*) ;;
      *) echo "docker-entrypoint.sh: ignoring $file" ;;
    esac
  done
  pg_ctl stop --mode=fast --wait --silent
  unset PGPASSWORD
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$1" = postgres ]; then
  mkdir -p "$PGDATA"
  if [ "$(id -u)" = 0 ]; then
    chown -R postgres:postgres "$PGDATA" /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
  fi
  chmod 0700 "$PGDATA" 2> /dev/null || true # a volume that belongs to another is refused below
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    settings
    make_database "${@:2}"
    prepare_database "${@:2}"
    echo "docker-entrypoint.sh: the database is made"
  fi
  unset POSTGRES_PASSWORD
fi
exec "$@"
