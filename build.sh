#!/usr/bin/env bash
# Builds, runs and tests llmsnap with nothing but a JDK. `./build.sh help` says how.
set -euo pipefail
cd "$(dirname "$0")"
version=0.1.0
jar=build/llmsnap.jar

help() {
  cat <<'TEXT'
usage: ./build.sh [command]
  jar          compile and make build/llmsnap.jar (the default)
  run [flags]  make the jar and start it; without --config on three embedded simulated models
  test [what]  make the jar and run every test, or only the test classes whose name contains WHAT
  release      make what is given to others in build/release (bundle, image, packages)
  clean        remove build/
  java         print which java is used
  help         this text
Needs a JDK of 21 or newer: JAVA_HOME, then the PATH, then the usual places are looked at.
Tests also need JUnit and AssertJ: downloaded with Maven's client, or taken from the folder
named by LLMSNAP_TEST_JARS; either way checked against the sums in scripts/test-jars.txt.
TEXT
}

# The major version of the JDK in folder $1, or 0 when there is none.
jdk_version() {
  [ -x "$1/bin/javac" ] || { echo 0; return; }
  local v
  v=$("$1/bin/javac" -version 2>&1 | sed -nE 's/^javac ([0-9]+).*/\1/p')
  echo "${v:-0}"
}

usual_places() {
  printf '%s\n' /usr/lib/jvm/* /usr/java/* /opt/java/* /opt/jdk* \
    "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home
}

# Prints the home of a JDK >= 21: JAVA_HOME's, else that on the PATH, else the newest elsewhere.
find_jdk() {
  local home v best=0 found=''
  if [ "$(jdk_version "${JAVA_HOME:-}")" -ge 21 ]; then
    echo "$JAVA_HOME"
    return
  fi
  if command -v javac >/dev/null; then
    home=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")
    if [ "$(jdk_version "$home")" -ge 21 ]; then
      echo "$home"
      return
    fi
  fi
  while read -r home; do
    v=$(jdk_version "$home")
    if [ "$v" -ge 21 ] && [ "$v" -gt "$best" ]; then best=$v found=$home; fi
  done < <(usual_places)
  if [ -n "$found" ]; then
    echo "$found"
    return
  fi
  cat >&2 <<'TEXT'
build.sh: no JDK of 21 or newer found in JAVA_HOME, on the PATH, or in the usual places.
  Debian, Ubuntu: apt-get install openjdk-21-jdk-headless (or a newer one)
  Fedora: dnf install java-21-openjdk-devel      macOS: brew install openjdk@21
  or unpack any JDK and run: JAVA_HOME=/path/to/jdk ./build.sh
TEXT
  return 1
}

compile() {
  local jdk=$1 classes=$2 release=$3
  shift 3
  # Strings glued by plain code: what the JDK links at run time instead costs its time at the start.
  "$jdk/bin/javac" --release "$release" -Xlint:all,-options,-serial -Werror -encoding UTF-8 \
    -XDstringConcat=inline \
    -d "$classes" "$@"
}

make_jar() {
  local jdk=$1 classes=build/classes commit sums stamp
  # Not the time of the build but that of the commit: a jar says what it was made of, and stays
  # reproducible.
  commit=$(git log -1 --format='%h %cI' 2>/dev/null) || commit='unknown unknown'
  sums=$(find src build.sh -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum | cksum)
  stamp="$version $commit $jdk $sums"
  if [ -f "$jar" ] && [ "$(cat build/stamp 2>/dev/null)" = "$stamp" ]; then return; fi
  rm -rf "$classes" build/stamp
  mkdir -p "$classes"
  find src -name '*.java' ! -name Launcher.java | LC_ALL=C sort >build/sources
  compile "$jdk" "$classes" 21 @build/sources
  # Alone and for Java 8, so that an older java can run it and be told what is missing.
  compile "$jdk" "$classes" 8 src/llmsnap/Launcher.java
  cp -R src/ui src/META-INF "$classes/"
  printf 'version=%s\ncommit=%s\ndate=%s\n' "$version" "${commit% *}" "${commit#* }" \
    >"$classes/llmsnap/version.properties"
  # See http/server/Internals.
  printf 'Implementation-Version: %s\nAdd-Opens: %s %s\n' "$version" \
    jdk.httpserver/sun.net.httpserver java.base/sun.nio.ch >build/manifest
  # A fixed date and a sorted list: the same sources and JDK give the same bytes.
  (
    cd "$classes"
    find . -type f | sed 's|^\./||' | LC_ALL=C sort >../files
    "$jdk/bin/jar" --create --file ../llmsnap.jar.new --date 2020-01-01T00:00:00Z \
      --manifest ../manifest --main-class llmsnap.Launcher @../files
  )
  mv "$jar.new" "$jar"
  printf '%s' "$stamp" >build/stamp
  echo "made $jar (llmsnap $version, $(($(wc -c <"$jar") / 1024)) KB, with" \
    "$("$jdk/bin/java" -version 2>&1 | sed -n 1p))" >&2
}

# Whether the flags say what to run: a configuration, the demo, or only words.
names_what_to_run() {
  local flag
  for flag in "$@"; do
    case $flag in
      -config|--config|-config=*|--config=*|-demo|--demo) return 0 ;;
      -config-dir|--config-dir|--config-dir=*|-models|--models|--models=*) return 0 ;;
      -schema|--schema) return 0 ;;
      -h|--h|-help|--help|-version|--version) return 0 ;;
    esac
  done
  return 1
}

main() {
  local command=${1:-jar} jdk
  [ $# -gt 0 ] && shift
  case $command in
    help|-h|--help) help; return ;;
    clean) rm -rf build; return ;;
    java) jdk=$(find_jdk); echo "$jdk/bin/java"; return ;;
    release) exec scripts/release.sh ;;
    jar|run|test) ;;
    *) echo "build.sh: there is no command \"$command\"" >&2; help >&2; return 2 ;;
  esac
  jdk=$(find_jdk)
  mkdir -p build
  make_jar "$jdk"
  case $command in
    run)
      if ! names_what_to_run "$@"; then set -- --demo "$@"; fi
      # What is closed would become a file of the JVM's own.
      for fd in 0 1 2; do [ -e /dev/fd/$fd ] || eval "exec $fd<>/dev/null"; done
      exec "$jdk/bin/java" -jar "$jar" "$@"
      ;;
    test) exec scripts/test.sh "$jdk" "$@" ;;
  esac
}
main "$@"
