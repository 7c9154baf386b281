#!/bin/sh
# Starts llmsnap with the Java that came with it.
here=$(dirname "$(readlink -f "$0")")/..
# What is closed would become a file of the JVM's own.
for fd in 0 1 2; do [ -e /dev/fd/$fd ] || eval "exec $fd<>/dev/null"; done
cd_args=$here/lib/java.args
# The cache was made with these flags, and is used only with them; a heap of a quarter of the
# memory, at most 4 GB. LLMSNAP_JAVA_OPTS come later and win.
exec "$here/runtime/bin/java" -XX:@CACHE@="$here/lib/llmsnap.cache" "@$cd_args" \
  $LLMSNAP_JAVA_OPTS -jar "$here/lib/llmsnap.jar" "$@"
