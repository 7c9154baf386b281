#!/usr/bin/env bash
# Measures llmsnap against going direct to the same simulated model, in one run: two minutes.
#   scripts/benchmark.sh            all
#   scripts/benchmark.sh load       only the parts whose name contains "load"
#   JAR=old.jar scripts/benchmark.sh       another jar
#   scripts/benchmark.sh compare OLD.jar [PART [ROUNDS]]
#       both jars in turn, 4 rounds: medians of what went through llmsnap, and new to old
set -euo pipefail
cd "$(dirname "$0")/.."
./build.sh jar
java=$(./build.sh java)

measure() {
  "$java" -Djar="$1" -XX:+UseSerialGC -cp build/llmsnap.jar scripts/Benchmark.java "$java" "$2"
}

compare() {
  local old=$1 part=${2:-} rounds=${3:-4} out
  out=$(mktemp)
  trap "rm -f '$out'" EXIT
  for ((round = 1; round <= rounds; round++)); do
    measure "$old" "$part" | sed 's/^/old/' >>"$out"
    measure build/llmsnap.jar "$part" | sed 's/^/new/' >>"$out"
    echo "round $round of $rounds" >&2
  done
  awk -F'|' '
    function median(list, count, values, i, j, each) {
      count = split(list, values, " ")
      for (i = 2; i <= count; i++) {
        each = values[i] + 0
        for (j = i - 1; j > 0 && values[j] + 0 > each; j--) values[j + 1] = values[j]
        values[j + 1] = each
      }
      return values[int((count + 1) / 2)]
    }
    $3 + 0 > 0 || $3 ~ /^ +0/ {
      if (!($2 in seen)) order[++rows] = $2
      seen[$2] = 1
      split($3, number, " ")
      all[$1, $2] = all[$1, $2] " " number[1] + 0
    }
    END {
      print "| what | old | new | new to old |\n|---|---|---|---|"
      for (i = 1; i <= rows; i++) {
        was = median(all["old", order[i]])
        is = median(all["new", order[i]])
        ratio = "-"
        if (was + 0 != 0) ratio = sprintf("%.2f", is / was)
        printf "|%s| %g | %g | %s |\n", order[i], was, is, ratio
      }
    }' "$out"
}

if [ "${1:-}" = compare ]; then
  compare "${@:2}"
else
  measure "${JAR:-build/llmsnap.jar}" "${1:-}"
fi
