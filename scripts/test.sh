#!/usr/bin/env bash
# Compiles and runs the tests with the JDK in $1: all, or the classes whose name contains $2. Called by build.sh.
set -uo pipefail
jdk=$1 only=${2:-}
cd "$(dirname "$0")/.."
jars=$(scripts/test-jars.sh build/test-jars) || exit 1
rm -rf build/test-classes; mkdir -p build/test-classes
find test -name '*.java' >build/test-sources
"$jdk/bin/javac" --release 21 -Xlint:all,-classfile,-processing -Werror -encoding UTF-8 -cp "build/classes:$jars" -d build/test-classes @build/test-sources || exit 1
"$jdk/bin/java" -XX:TieredStopAtLevel=1 -jar build/test-jars/junit-platform-console-standalone-*.jar execute \
  --class-path "build/test-classes:build/classes:$jars" --scan-class-path build/test-classes --include-classname "(?=.*${only}).*Test" \
  --config junit.jupiter.execution.parallel.enabled=true --config junit.jupiter.execution.parallel.mode.default=same_thread \
  --config junit.jupiter.execution.parallel.mode.classes.default=concurrent \
  --config junit.jupiter.execution.parallel.config.strategy=fixed --config junit.jupiter.execution.parallel.config.fixed.parallelism=3 \
  --disable-banner --details=verbose --details-theme=ascii --disable-ansi-colors >build/test.log 2>&1
status=$?
count() { sed -nE "s/^\[ *([0-9]+) tests $1 *\]$/\1/p" build/test.log; }
passed=$(count successful) failed=$(count failed) skipped=$(($(count skipped) + $(count aborted)))
if [ "$status" -ne 0 ] || [ -z "$passed" ]; then sed -n '/^Failures (/,$p' build/test.log | grep -vE '^\s+(org\.junit|java\.base|jdk\.)' ; [ -n "$passed" ] || cat build/test.log; fi
sed -nE 's/.*\[A\] (.*)/skipped: \1/p' build/test.log | sort -u
line="${passed:-0} passed, ${failed:-1} failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$status" -eq 0 ] && [ "${passed:-0}" -gt 0 ]
