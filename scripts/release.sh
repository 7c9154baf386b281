#!/usr/bin/env bash
# Makes what is given to others, in build/release: the runnable jar, a bundle with its own Java, an
# OCI image, package files, sums and an SBOM. The same commit and JDK give the same bytes, but for
# the cache of classes.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
umask 022
java=$(./build.sh java)
jdk=${java%/bin/java}
./build.sh jar
version=$(sed -n 's/^version=//p' build.sh | head -n 1)
release=$("$java" -XshowSettings:properties -version 2>&1 \
  | sed -n 's/^ *java.specification.version = //p')
out=build/release
name=llmsnap-$version
bundle=$out/parts/$name
date='2020-01-01 00:00:00 UTC'
source=https://example.invalid/llmsnap        # where a packager puts these files
rm -rf "$out"
mkdir -p "$bundle/bin" "$bundle/lib"

NO_JLINK=3
fail() {
  echo "release.sh: $*" >&2
  exit 1
}

# Fixed dates, sorted names, nobody's files.
pack() { tar --sort=name --mtime="$date" --owner=0 --group=0 --numeric-owner --format=gnu "$@"; }

# ---- the jar, which can be started by its name
cat scripts/ship/stub.sh build/llmsnap.jar >"$out/$name.jar"
chmod 755 "$out/$name.jar"

# ---- the bundle
modules=java.net.http,jdk.httpserver,jdk.management,jdk.unsupported
if [ "$release" -lt 22 ]; then modules=$modules,jdk.crypto.ec; fi
if ! "$jdk/bin/jlink" --add-modules "$modules" --strip-java-debug-attributes --no-header-files \
  --no-man-pages --compress zip-9 --output "$bundle/runtime" 2>"$out/jlink.txt"; then
  cat "$out/jlink.txt" >&2
  if grep -q 'No space\|Read-only' "$out/jlink.txt"; then fail "$out cannot be written"; fi
  echo "release.sh: jlink of $jdk cannot make a runtime: there is none, or its jmods are missing;" \
    "Debian: apt-get install openjdk-$release-jdk-headless openjdk-$release-jmods" >&2
  exit "$NO_JLINK"
fi
rm -f "$out/jlink.txt" "$bundle/runtime/release"
cp build/llmsnap.jar "$bundle/lib/llmsnap.jar"
cp scripts/ship/install.sh scripts/ship/llmsnap.service scripts/ship/completion.bash \
  scripts/ship/README.md config.example.yaml "$bundle/"
cp README.md "$bundle/MANUAL.md"
cp -R scripts/containers "$bundle/containers"
kind=AOTCache
logs='-Xlog:aot=off'
if [ "$release" -lt 25 ]; then kind=SharedArchiveFile logs=; fi
sed "s/@CACHE@/$kind/" scripts/ship/llmsnap.sh >"$bundle/bin/llmsnap"
chmod 755 "$bundle/bin/llmsnap"
# A quarter of the memory, at most 4 GB: with a heap of over 32 GB the cache would be refused.
printf '%s\n' -XX:+UseG1GC -XX:MaxRAM=16g -XX:MaxRAMPercentage=25 $logs -Xlog:cds=off \
  >"$bundle/lib/java.args"
# The cache knows the jar by its date.
find "$bundle" -exec touch -h -d "$date" {} +

# Trains by serving: what is loaded and compiled until then is in the cache.
train() {
  local log=$out/train.txt flag pid port
  : >"$log"     # the loop below may look before the program has begun
  flag=-XX:AOTCacheOutput=$bundle/lib/llmsnap.cache
  if [ "$release" -lt 25 ]; then flag=-XX:ArchiveClassesAtExit=$bundle/lib/llmsnap.cache; fi
  "$bundle/runtime/bin/java" "$flag" "@$bundle/lib/java.args" -jar "$bundle/lib/llmsnap.jar" \
    --demo --listen 127.0.0.1:0 >"$log" 2>&1 &
  pid=$!
  for ((i = 0; i < 200; i++)); do
    port=$(sed -nE 's|^listening on http://127.0.0.1:([0-9]+)$|\1|p' "$log")
    [ -n "$port" ] && break
    sleep 0.1
  done
  [ -n "$port" ] || { kill "$pid"; cat "$log" >&2; fail "the trained program did not start"; }
  local url=http://127.0.0.1:$port body='{"model":"small","max_tokens":3,"messages":[]'
  trap 'cat "$log" >&2' ERR
  for ((i = 0; i < 30; i++)); do
    curl -sf "$url/health" "$url/v1/models" "$url/ui/" "$url/running" "$url/metrics" >/dev/null
    curl -sf "$url/v1/chat/completions" -d "$body}" >/dev/null
    curl -sf "$url/v1/chat/completions" -d "$body,\"stream\":true}" >/dev/null
  done
  trap - ERR
  kill "$pid"
  wait "$pid" || true
  rm -f "$log"
  [ -s "$bundle/lib/llmsnap.cache" ] || fail "no cache of classes was made"
  touch -d "$date" "$bundle/lib/llmsnap.cache"
}
train
(cd "$out/parts" && pack -c "$name") | gzip -9n >"$out/$name-linux-x64.tar.gz"

# ---- the image, from nothing: what glibc needs, the bundle, and its cache
image=$out/parts/image
layers=$out/parts/layers
mkdir -p "$image/blobs/sha256" "$layers/base/etc" "$layers/base/tmp" "$layers/base/config" \
  "$layers/base/home/llmsnap" "$layers/program/opt" "$layers/cache/opt/llmsnap/lib"
libraries() {
  local file
  for file in "$bundle"/runtime/bin/java "$bundle"/runtime/lib/*.so \
    "$bundle"/runtime/lib/server/libjvm.so; do
    ldd "$file" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/lib.*ld-linux/ { print $1 }'
  done | grep -v "$name" | sort -u
}
while read -r library; do
  mkdir -p "$layers/base$(dirname "$library")"
  cp -L "$library" "$layers/base$library"
done < <(libraries)
printf 'root:x:0:0::/:/sbin/nologin\nllmsnap:x:65532:65532::/home/llmsnap:/sbin/nologin\n' \
  >"$layers/base/etc/passwd"
printf 'root:x:0:\nllmsnap:x:65532:\n' >"$layers/base/etc/group"
printf 'hosts: files dns\n' >"$layers/base/etc/nsswitch.conf"
chmod 1777 "$layers/base/tmp"
mkdir -p "$layers/program/opt/llmsnap"
cp -a "$bundle/lib" "$bundle/runtime" "$layers/program/opt/llmsnap/"
mv "$layers/program/opt/llmsnap/lib/llmsnap.cache" "$layers/cache/opt/llmsnap/lib/"

blob() { # moves a file to its place by its sum, prints "sum size"
  local sum size
  sum=$(sha256sum "$1" | cut -d' ' -f1)
  size=$(stat -c %s "$1")
  mv "$1" "$image/blobs/sha256/$sum"
  echo "$sum $size"
}
diffs= described= paths=
for layer in base program cache; do
  tar=$out/parts/$layer.tar
  if [ $layer = base ]; then
    (cd "$layers/$layer" && pack -cf "$OLDPWD/$tar" --exclude ./home/llmsnap . \
      && tar --mtime="$date" --owner=65532 --group=65532 --numeric-owner --format=gnu \
        -rf "$OLDPWD/$tar" ./home/llmsnap)
  else
    (cd "$layers/$layer" && pack -cf "$OLDPWD/$tar" .)
  fi
  diff=$(sha256sum "$tar" | cut -d' ' -f1)
  gzip -9n "$tar"
  read -r sum size < <(blob "$tar.gz")
  diffs=$diffs,\"sha256:$diff\"
  described=$described,'{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip",'
  described=$described'"digest":"sha256:'$sum'","size":'$size'}'
  paths=$paths,\"blobs/sha256/$sum\"
done
commit=$(git log -1 --format=%H 2>/dev/null || echo unknown)
entry='"/opt/llmsnap/runtime/bin/java","-XX:'$kind'=/opt/llmsnap/lib/llmsnap.cache",'
entry=$entry'"@/opt/llmsnap/lib/java.args","-jar","/opt/llmsnap/lib/llmsnap.jar",'
entry=$entry'"--listen",":8080","--config","/config/config.yaml"'
cat >"$out/parts/config.json" <<JSON
{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":{\
"User":"65532:65532",\
"Env":["PATH=/opt/llmsnap/runtime/bin:/usr/bin:/bin","HOME=/home/llmsnap","LANG=C.UTF-8"],\
"Entrypoint":[$entry],"WorkingDir":"/config","ExposedPorts":{"8080/tcp":{}},\
"Volumes":{"/config":{}},"StopSignal":"SIGTERM","Labels":{\
"org.opencontainers.image.title":"llmsnap","org.opencontainers.image.version":"$version",\
"org.opencontainers.image.revision":"$commit"}},"rootfs":{"type":"layers","diff_ids":[${diffs#,}]},\
"history":[{"created_by":"glibc"},{"created_by":"llmsnap"},{"created_by":"cache of classes"}]}
JSON
read -r config size < <(blob "$out/parts/config.json")
cat >"$out/parts/manifest.json" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{\
"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$size},\
"layers":[${described#,}]}
JSON
read -r manifest size < <(blob "$out/parts/manifest.json")
printf '{"imageLayoutVersion":"1.0.0"}' >"$image/oci-layout"
cat >"$image/index.json" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{\
"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest","size":$size,\
"platform":{"architecture":"amd64","os":"linux"},"annotations":{\
"org.opencontainers.image.ref.name":"llmsnap:$version"}}]}
JSON
# For a docker load that knows no OCI.
printf '[{"Config":"blobs/sha256/%s","RepoTags":["llmsnap:%s"],"Layers":[%s]}]' \
  "$config" "$version" "${paths#,}" >"$image/manifest.json"
(cd "$image" && pack -c *) >"$out/$name-oci.tar"

# ---- for packagers
sum() { sha256sum "$out/$1" | cut -d' ' -f1; }
tarball=$name-linux-x64.tar.gz
fill() {
  sed -e "s|@VERSION@|$version|g" -e "s|@SUM@|$(sum "$tarball")|g" \
    -e "s|@JAR_SUM@|$(sum "$name.jar")|g" -e "s|@SOURCE@|$source|g" "$1" >"$out/$(basename "$1")"
}
fill scripts/ship/llmsnap.rb
fill scripts/ship/PKGBUILD
runtime=$("$java" -XshowSettings:properties -version 2>&1 \
  | sed -n 's/^ *java.runtime.version = //p')
cat >"$out/$name.spdx.json" <<JSON
{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"$name",
"documentNamespace":"$source/$name-$commit","creationInfo":{"created":"2020-01-01T00:00:00Z",
"creators":["Tool: scripts/release.sh"]},"packages":[
{"SPDXID":"SPDXRef-llmsnap","name":"llmsnap","versionInfo":"$version",
"downloadLocation":"NOASSERTION","filesAnalyzed":false,
"checksums":[{"algorithm":"SHA256","checksumValue":"$(sum "$name.jar")"}]},
{"SPDXID":"SPDXRef-java","name":"OpenJDK runtime","versionInfo":"$runtime",
"downloadLocation":"NOASSERTION","filesAnalyzed":false},
{"SPDXID":"SPDXRef-glibc","name":"glibc","versionInfo":"$(ldd --version | sed -n '1s/.* //p')",
"downloadLocation":"NOASSERTION","filesAnalyzed":false}],"relationships":[
{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES",
"relatedSpdxElement":"SPDXRef-llmsnap"},
{"spdxElementId":"SPDXRef-llmsnap","relationshipType":"DEPENDS_ON",
"relatedSpdxElement":"SPDXRef-java"},
{"spdxElementId":"SPDXRef-java","relationshipType":"DEPENDS_ON",
"relatedSpdxElement":"SPDXRef-glibc"}]}
JSON
rm -rf "$out/parts"
(cd "$out" && sha256sum -- * >SHA256SUMS)
(cd "$out" && ls -l)
