#!/usr/bin/env bash
# Large requests for a cold model in a small heap, 50 rounds (or $1): ten of 9 to 17 MB at 128 MB
# and eight of 30 MB at 256 MB in turn. Each has to be answered or refused, and then a normal one
# served.
set -euo pipefail
cd "$(dirname "$0")/.."
./build.sh jar >/dev/null
java=$(./build.sh java)
rounds=${1:-50}
work=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
port=$((21000 + $$ % 9000))
cat >"$work/c.yaml" <<YAML
startPort: $((port + 1))
models:
  a:
    cmd: >
      $java -Xrs -Xmx256m -cp build/llmsnap.jar
      llmsnap.demo.SimulatedModel --port \${PORT} --name a
YAML
body() {
  printf '{"model":"a","messages":[{"role":"user","content":"%s"}],"pad":"' "$1"
  head -c "$2" /dev/zero | tr '\0' x
  printf '"}'
}
for size in 9 11 13 15 17 30; do body hello "${size}000000" >"$work/$size.json"; done
body hello 10 >"$work/small.json"
ask() {
  curl -sS -m 120 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
    --data-binary "@$work/$1.json" "http://127.0.0.1:$port/v1/chat/completions" || true
}
declare -A codes
for ((round = 1; round <= rounds; round++)); do
  heap=128m sizes='9 11 13 15 17 9 11 13 15 17'
  if [ $((round % 2)) = 0 ]; then heap=256m sizes='30 30 30 30 30 30 30 30'; fi
  "$java" "-Xmx$heap" -jar build/llmsnap.jar --config "$work/c.yaml" \
    --listen "127.0.0.1:$port" >"$work/out.txt" 2>&1 &
  pid=$!
  until curl -s -o /dev/null "http://127.0.0.1:$port/health"; do
    kill -0 "$pid" || { cat "$work/out.txt"; exit 1; }
  done
  asks=()
  for size in $sizes; do
    ask "$size" >"$work/code.${#asks[@]}" &
    asks+=($!)
  done
  wait "${asks[@]}"
  for code in $(cat "$work"/code.*); do
    codes[$code]=$((${codes[$code]:-0} + 1))
    case $code in
      200 | 413 | 503) ;;
      *) echo "round $round, $heap: $code"; tail -5 "$work/out.txt"; exit 1 ;;
    esac
  done
  rm -f "$work"/code.*
  [ "$(ask small)" = 200 ] || { echo "round $round, $heap: a normal request after it"; exit 1; }
  kill "$pid"
  wait "$pid" || true
done
for code in "${!codes[@]}"; do echo "$code: ${codes[$code]} requests"; done
echo "$rounds rounds, and a normal request served after each"
