#!/bin/sh
# llmsnap: in front of the jar, so that it can be started by its name. Finds a Java of 21 or newer:
# JAVA_HOME's, the one on the PATH, else the newest in the usual places.
major() {
  [ -x "$1" ] || return 1
  v=$("$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
  [ "${v:-0}" -ge 21 ]
}
java=
for each in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} "$(command -v java)" \
  $(ls -d /usr/lib/jvm/*/bin/java /usr/java/*/bin/java /opt/java/*/bin/java /opt/jdk*/bin/java \
    "$HOME"/.sdkman/candidates/java/*/bin/java 2>/dev/null | sort -rV); do
  if major "$each"; then
    java=$each
    break
  fi
done
if [ -z "$java" ]; then
  echo "llmsnap: no Java of 21 or newer in JAVA_HOME, on the PATH or in the usual places;" \
    "Debian: apt-get install openjdk-21-jre-headless" >&2
  exit 1
fi
# What is closed would become a file of the JVM's own.
for fd in 0 1 2; do [ -e /dev/fd/$fd ] || eval "exec $fd<>/dev/null"; done
exec "$java" $LLMSNAP_JAVA_OPTS -jar "$0" "$@"
