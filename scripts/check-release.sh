#!/usr/bin/env bash
# Receives each product of scripts/release.sh as a stranger would: the jar by its name, the bundle
# in an empty root with nothing but glibc beside it, the image's root in namespaces of its own, the
# installer in a scratch root; and builds all of it twice to compare the bytes.
#   scripts/check-release.sh          everything
#   scripts/check-release.sh quick    without the second build
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
out=$PWD/build/release
work=$(mktemp -d)
pids=()
finish() {
  # What runs in namespaces is the first there, and heeds nothing else.
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
fail() {
  echo "check-release.sh: $*" >&2
  exit 1
}
good() { echo "ok: $*"; }

# Waits for a start whose output is in $1; sets port.
await_port() {
  port=
  for ((i = 0; i < 300; i++)); do
    port=$(sed -nE 's|^listening on http://[^ ]*:([0-9]+)$|\1|p' "$1" 2>/dev/null) || true
    [ -n "$port" ] && return
    sleep 0.1
  done
  cat "$1" >&2
  fail "it did not start"
}
swaps() { # the demo swaps at port $1; its log is $2
  local model
  for model in small medium large; do
    curl -sf "http://127.0.0.1:$1/v1/chat/completions" \
      -d '{"model":"'$model'","max_tokens":3,"messages":[]}' | grep -q content \
      || { cat "$2" >&2; fail "the demo's $model does not answer"; }
  done
}
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

status=0
scripts/release.sh >/dev/null || status=$?
if [ "$status" -eq 3 ]; then
  echo "skipped: this JDK cannot make a runtime"
  exit 0
fi
[ "$status" -eq 0 ] || fail "release.sh ended with status $status"
version=$(sed -n 's/^version=//p' build.sh | head -n 1)
name=llmsnap-$version
(cd "$out" && sha256sum --quiet -c SHA256SUMS) || fail "the sums are wrong"
good "sums of $(ls "$out" | wc -l) files"

# ---- the jar
java=$(./build.sh java)
JAVA_HOME=${java%/bin/java} "$out/$name.jar" --version | grep -q "llmsnap $version" \
  || fail "the jar does not start by its name"
"$java" -jar "$out/$name.jar" --version | grep -q "llmsnap $version" || fail "java -jar"
good "the jar starts by its name and with java -jar"

# Where namespaces are forbidden, in some containers, what needs them is left out.
isolated=yes
unshare --mount --pid --fork sh -c 'mount -t proc proc /proc' 2>/dev/null || isolated=

# ---- the bundle, in an empty root
root=$work/root
mkdir -p "$root"/{opt,proc,tmp,dev,home}
tar -C "$root/opt" -xzf "$out/$name-linux-x64.tar.gz"
for file in "$root/opt/$name"/runtime/bin/java "$root/opt/$name"/runtime/lib/*.so \
  "$root/opt/$name"/runtime/lib/server/libjvm.so; do
  ldd "$file" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/lib.*ld-linux/ { print $1 }'
done | grep -v "$name" | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
for file in null zero random urandom; do
  touch "$root/dev/$file"
done
inside() { # becomes a program in that root, with /proc and /dev/null, in namespaces of its own
  local where=$1
  shift
  exec unshare --mount --pid --fork --kill-child bash -c '
    root=$1; shift
    mount -t proc proc "$root/proc"
    for file in null zero random urandom; do mount --bind "/dev/$file" "$root/dev/$file"; done
    exec chroot "$root" "$@"' inside "$where" "$@"
}
lib=/opt/$name/lib
kind=$(grep -oE 'AOTCache|SharedArchiveFile' "$root/opt/$name/bin/llmsnap")
start() { # the bundle's own flags, with $1 for the log
  inside "$root" "/opt/$name/runtime/bin/java" "-XX:$kind=$lib/llmsnap.cache" "@$lib/java.args" \
    -jar "$lib/llmsnap.jar" --demo --listen 127.0.0.1:0 >"$1" 2>&1 &
  pids+=($!)
}
if [ -n "$isolated" ]; then
  start "$work/bundle.txt"
  await_port "$work/bundle.txt"
  swaps "$port" "$work/bundle.txt"
  kill -KILL "${pids[-1]}" 2>/dev/null || true
  wait "${pids[-1]}" 2>/dev/null || true
else
  echo "skipped: no namespaces here, the bundle and the image are not started in roots of their own"
fi
good "the bundle swaps in an empty root: $(du -sm "$root/opt/$name" | cut -f1) MB," \
  "$(($(stat -c %s "$out/$name-linux-x64.tar.gz") >> 20)) MB packed"
"$root/opt/$name/runtime/bin/java" "-XX:$kind=$root$lib/llmsnap.cache" "@$root$lib/java.args" \
  -Xlog:class+load=info -jar "$root$lib/llmsnap.jar" --version >"$work/loaded.txt"
shared=$(grep -c 'source: shared objects file' "$work/loaded.txt" || true)
[ "$shared" -gt 300 ] || fail "the cache of classes is not used ($shared classes)"
good "the cache of classes is used: $shared classes"

# ---- how long it starts, in turn with the bare jar, from the start to the first /health
from_start() { # runs the words, prints the ms to its first /health
  local log=$work/start.txt before now pid
  : >"$log"
  before=$(date +%s%N)
  "$@" --demo --listen 127.0.0.1:24999 >"$log" 2>&1 &
  pid=$!
  until curl -sf http://127.0.0.1:24999/health >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null || { cat "$log" >&2; fail "it ended at its start"; }
  done
  now=$(date +%s%N)
  kill "$pid"
  wait "$pid" 2>/dev/null || true
  echo $(((now - before) / 1000000))
}
for ((i = 0; i < 7; i++)); do
  from_start "$java" -jar "$PWD/build/llmsnap.jar" >>"$work/bare.txt"
  from_start "$root/opt/$name/bin/llmsnap" >>"$work/packed.txt"
done
good "start to the first /health, medians of 7 in turn: bundle $(median <"$work/packed.txt") ms," \
  "bare jar $(median <"$work/bare.txt") ms"

# ---- the image
image=$work/image
mkdir -p "$image" "$work/layout"
tar -C "$work/layout" -xf "$out/$name-oci.tar"
(cd "$work/layout/blobs/sha256" && for each in *; do
  [ "$(sha256sum <"$each" | cut -d' ' -f1)" = "$each" ] || fail "blob $each is another"
done)
if command -v skopeo >/dev/null; then
  skopeo inspect "oci-archive:$out/$name-oci.tar" | grep -q '"Os": "linux"' || fail "skopeo"
  good "skopeo reads the image"
else
  echo "skipped: there is no skopeo (Debian: skopeo)"
fi
for layer in $(grep -oE 'blobs/sha256/[0-9a-f]+' "$work/layout/manifest.json" | tail -n +2); do
  tar -C "$image" -xzf "$work/layout/$layer"
done
[ "$(stat -c %a "$image/tmp")" = 1777 ] || fail "/tmp of the image is not for everybody"
mkdir -p "$image/proc" "$image/dev"
for file in null zero random urandom; do touch "$image/dev/$file"; done
printf 'models: {}\n' >"$image/config/config.yaml"
if [ -n "$isolated" ]; then
  inside "$image" /opt/llmsnap/runtime/bin/java "-XX:$kind=/opt/llmsnap/lib/llmsnap.cache" \
    @/opt/llmsnap/lib/java.args -jar /opt/llmsnap/lib/llmsnap.jar --listen 127.0.0.1:0 --demo \
    >"$work/image.txt" 2>&1 &
  pids+=($!)
  await_port "$work/image.txt"
  swaps "$port" "$work/image.txt"
  kill -KILL "${pids[-1]}" 2>/dev/null || true
fi
good "the image's demo swaps: $(du -sm "$image" | cut -f1) MB unpacked," \
  "$(($(stat -c %s "$out/$name-oci.tar") >> 20)) MB packed"

# ---- Containerfiles, packages
for file in "$root/opt/$name"/containers/Containerfile.*; do
  grep -q '^FROM ' "$file" && grep -q '^ENTRYPOINT \[' "$file" || fail "$file"
  for path in $(sed -n 's/^COPY \([^ ]*\) .*/\1/p' "$file"); do
    [ -e "$root/opt/$name/$path" ] || fail "$file copies $path, which the bundle has not"
  done
done
if command -v ruby >/dev/null; then ruby -c "$out/llmsnap.rb" >/dev/null; fi
bash -n "$out/PKGBUILD"
"$java" -version >/dev/null 2>&1
good "Containerfiles and package files"

# ---- the installer
scratch=$work/scratch
"$root/opt/$name/install.sh" --root "$scratch" >/dev/null
unit=$scratch/etc/systemd/system/llmsnap.service
[ -x "$scratch/opt/llmsnap/bin/llmsnap" ] && [ -f "$unit" ] || fail "install.sh"
if command -v systemd-analyze >/dev/null; then
  mkdir -p "$work/units"
  sed "s|ExecStart=/opt|ExecStart=$scratch/opt|" "$unit" >"$work/units/llmsnap.service"
  systemd-analyze verify "$work/units/llmsnap.service" 2>"$work/verify.txt" || true
  if grep -E 'llmsnap.service:[0-9]+:' "$work/verify.txt"; then fail "systemd-analyze"; fi
fi
echo 'models: {mine: {cmd: x, proxy: "http://h"}}' >"$scratch/etc/llmsnap/config.yaml"
echo '# mine' >>"$unit"
"$root/opt/$name/install.sh" --root "$scratch" >"$work/again.txt"
grep -q mine "$scratch/etc/llmsnap/config.yaml" || fail "install.sh does not keep the configuration"
grep -q '# mine' "$unit" && grep -q 'changed by hand and is kept' "$work/again.txt" \
  || fail "install.sh does not keep a unit that was changed by hand"
"$scratch/opt/llmsnap/bin/llmsnap" --version | grep -q "llmsnap $version" || fail "installed"
"$root/opt/$name/install.sh" --root "$scratch" --uninstall >/dev/null
[ ! -e "$scratch/opt/llmsnap" ] && [ -e "$scratch/etc/llmsnap/config.yaml" ] || fail "uninstall"
"$root/opt/$name/install.sh" --dry-run >"$work/dry.txt"
grep -q 'cp -a' "$work/dry.txt" || fail "dry run"
for disk in size=20m size=80m,ro; do
  if unshare -m sh -c 'mount -t tmpfs -o "$1" tmpfs "$2" && exec "$3" --root "$2"' - "$disk" \
    "$scratch" "$root/opt/$name/install.sh" 2>"$work/full.txt"; then fail "installed on $disk"; fi
  grep -q "nothing was installed" "$work/full.txt" || fail "$(cat "$work/full.txt")"
done
good "install, again over it, changed unit kept, uninstall, dry run, no space, a read-only disk"

# ---- the same bytes again
if [ "${1:-}" != quick ]; then
  mv "$out" "$work/first"
  scripts/release.sh >/dev/null
  for each in "$name.jar" llmsnap.rb PKGBUILD; do
    [ "$each" = llmsnap.rb ] || [ "$each" = PKGBUILD ] || cmp "$work/first/$each" "$out/$each"
  done
  mkdir -p "$work/a" "$work/b" "$work/c" "$work/d"
  tar -C "$work/a" -xzf "$work/first/$name-linux-x64.tar.gz" --exclude llmsnap.cache
  tar -C "$work/b" -xzf "$out/$name-linux-x64.tar.gz" --exclude llmsnap.cache
  diff -r "$work/a" "$work/b" || fail "two bundles differ"
  tar -C "$work/c" -xf "$work/first/$name-oci.tar"
  tar -C "$work/d" -xf "$out/$name-oci.tar"
  same=$(comm -12 <(ls "$work/c/blobs/sha256") <(ls "$work/d/blobs/sha256") | wc -l)
  [ "$same" -ge 2 ] || fail "layers of two images differ"
  good "two builds are the same, the cache of classes aside"
fi
