#!/usr/bin/env bash
# Puts the jars of test-jars.txt into folder $1, each checked against its sum, and prints their class path.
# They come from the folder LLMSNAP_TEST_JARS if that is set (a machine without internet), else through Maven's client.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) to=$1 path=''
mkdir -p "$to"

fetch() {
  local coordinates=$1 file=$2
  if [ -n "${LLMSNAP_TEST_JARS:-}" ]; then
    [ -f "$LLMSNAP_TEST_JARS/$file" ] || { echo "test-jars: there is no $file in $LLMSNAP_TEST_JARS (LLMSNAP_TEST_JARS)" >&2; return 1; }
    cp "$LLMSNAP_TEST_JARS/$file" "$to/$file"
  else
    command -v mvn >/dev/null || { echo "test-jars: install Maven (Debian: apt-get install maven), or set LLMSNAP_TEST_JARS to a folder that holds $file" >&2; return 1; }
    mvn -q -B dependency:copy -Dartifact="$coordinates" -DoutputDirectory="$to" >"$to/mvn.log" 2>&1 || { cat "$to/mvn.log" >&2; return 1; }
  fi
}

while read -r sum coordinates; do
  case $sum in ''|'#'*) continue ;; esac
  IFS=: read -r _ artifact version <<<"$coordinates"
  file=$artifact-$version.jar
  [ -f "$to/$file" ] || fetch "$coordinates" "$file"
  if ! echo "$sum  $to/$file" | sha256sum --check --status; then
    echo "test-jars: $file is not the file that test-jars.txt pins ($(sha256sum <"$to/$file" | cut -d' ' -f1)); it was removed" >&2
    rm -f "$to/$file"; exit 1
  fi
  path=$path:$to/$file
done <"$here/test-jars.txt"
echo "${path#:}"
