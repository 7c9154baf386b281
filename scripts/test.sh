#!/usr/bin/env bash
# Compiles and runs the tests with the JDK in $1: all, or the classes whose name contains $2.
# Called by build.sh.
set -uo pipefail
jdk=$1 only=${2:-} log=build/test.log
cd "$(dirname "$0")/.."
jars=$(scripts/test-jars.sh build/test-jars) || exit 1
rm -rf build/test-classes
mkdir -p build/test-classes
find test -name '*.java' >build/test-sources
"$jdk/bin/javac" --release 21 -Xlint:all,-classfile,-processing,-serial -Werror -encoding UTF-8 \
  -cp "build/classes:$jars" -d build/test-classes @build/test-sources || exit 1

# Tests start the jar some hundred times: with an archive of its classes for two thirds of the CPU.
# A JVM that dumps its own classes at its end, beside threads that still run, has crashed: this one
# only lists them.
archive=build/test.jsa list=build/test.classes jar=$PWD/build/llmsnap.jar
rm -f "$archive"
: >build/archive.log
"$jdk/bin/java" -XX:TieredStopAtLevel=1 -XX:DumpLoadedClassList="$list" -jar "$jar" --demo \
  --listen 127.0.0.1:0 >build/archive.log 2>&1 &
for _ in {1..200}; do
  port=$(sed -nE 's|^listening on http://127.0.0.1:([0-9]+)$|\1|p' build/archive.log)
  [ -z "$port" ] || break
  sleep 0.05
done
if exec 3<>"/dev/tcp/127.0.0.1/$port"; then
  printf 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
  cat <&3 >/dev/null
fi
kill $! && wait $! && "$jdk/bin/java" -Xshare:dump -XX:SharedClassListFile="$list" \
  -XX:SharedArchiveFile="$archive" -cp "$jar" >build/archive.log 2>&1 || rm -f "$archive"

parallel() { printf -- '--config\njunit.jupiter.execution.parallel.%s\n' "$@"; }
mapfile -t settings < <(parallel enabled=true mode.default=same_thread \
  mode.classes.default=concurrent config.strategy=fixed config.fixed.parallelism=3)
console=build/test-jars/junit-platform-console-standalone-*.jar
"$jdk/bin/java" -XX:TieredStopAtLevel=1 -jar $console \
  execute --class-path "build/test-classes:build/classes:$jars" \
  --scan-class-path build/test-classes --include-classname "(?=.*${only}).*Test" \
  "${settings[@]}" --disable-banner --details=verbose --details-theme=ascii \
  --disable-ansi-colors >"$log" 2>&1
status=$?

count() { sed -nE "s/^\[ *([0-9]+) tests $1 *\]$/\1/p" "$log"; }
passed=$(count successful) failed=$(count failed)
skipped=$(($(count skipped) + $(count aborted)))
if [ "$status" -ne 0 ] || [ -z "$passed" ]; then
  grep -B60 'status: \[X\]' "$log" | grep -E 'methodName = |caught: |^[| ]+ {10}' \
    | grep -vE '\s+at (org\.junit|java\.base|jdk\.)'
  [ -n "$passed" ] || cat "$log"
fi
sed -nE 's/.*\[A\] (.*)/skipped: \1/p' "$log" | sort -u
line="${passed:-0} passed, ${failed:-1} failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$status" -eq 0 ] && [ "${passed:-0}" -gt 0 ]
