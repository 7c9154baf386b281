#!/usr/bin/env bash
# Puts the jars of test-jars.txt into folder $1, each checked against its sum, and prints their
# class path. They come from the folder LLMSNAP_TEST_JARS if that is set (a machine without
# internet), else through Maven's client.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) to=$1 path=''
mkdir -p "$to"

die() {
  echo "test-jars: $*" >&2
  exit 1
}

fetch() {
  local coordinates=$1 file=$2 from=${LLMSNAP_TEST_JARS:-}
  if [ -n "$from" ]; then
    [ -f "$from/$file" ] || die "there is no $file in $from (LLMSNAP_TEST_JARS)"
    cp "$from/$file" "$to/$file"
    return
  fi
  command -v mvn >/dev/null || die "install Maven (Debian: apt-get install maven)," \
    "or set LLMSNAP_TEST_JARS to a folder that holds $file"
  mvn -q -B dependency:copy -Dartifact="$coordinates" -DoutputDirectory="$to" \
    >"$to/mvn.log" 2>&1 || { cat "$to/mvn.log" >&2; exit 1; }
}

while read -r sum coordinates; do
  case $sum in ''|'#'*) continue ;; esac
  IFS=: read -r _ artifact version <<<"$coordinates"
  file=$artifact-$version.jar
  [ -f "$to/$file" ] || fetch "$coordinates" "$file"
  if ! echo "$sum  $to/$file" | sha256sum --check --status; then
    found=$(sha256sum <"$to/$file" | cut -d' ' -f1)
    rm -f "$to/$file"
    die "$file is not the file that test-jars.txt pins ($found); it was removed"
  fi
  path=$path:$to/$file
done <"$here/test-jars.txt"
echo "${path#:}"
