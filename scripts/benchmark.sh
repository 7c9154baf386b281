#!/usr/bin/env bash
# Measures llmsnap against going direct to the same simulated model, in one run: two minutes.
#   scripts/benchmark.sh            all
#   scripts/benchmark.sh load       only the parts whose name contains "load"
#   JAR=old.jar scripts/benchmark.sh       another jar, to compare
set -euo pipefail
cd "$(dirname "$0")/.."
./build.sh jar
java=$(./build.sh java)
exec "$java" -Djar="${JAR:-build/llmsnap.jar}" -XX:+UseSerialGC -cp build/llmsnap.jar \
  scripts/Benchmark.java "$java" "${1:-}"
