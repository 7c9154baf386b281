#!/bin/sh
# Installs llmsnap from this folder as a service, or takes it away again.
set -eu
usage='usage: ./install.sh [--prefix DIR] [--root DIR] [--dry-run] [--uninstall]
  --prefix DIR  where the program goes, /opt/llmsnap when not given
  --root DIR    put everything below DIR, and start nothing (for packages, and to look)
  --dry-run     print what would be done
  --uninstall   take everything away but /etc/llmsnap'
prefix=/opt/llmsnap root= dry= take=
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?$usage}; shift ;;
    --root) root=${2:?$usage}; shift ;;
    --dry-run) dry=yes ;;
    --uninstall) take=yes ;;
    -h|--help) echo "$usage"; exit ;;
    *) echo "install.sh: there is no flag $1" >&2; echo "$usage" >&2; exit 2 ;;
  esac
  shift
done
here=$(dirname "$(readlink -f "$0")")
unit=/etc/systemd/system/llmsnap.service
completion=/usr/share/bash-completion/completions/llmsnap
do_it() {
  if [ -n "$dry" ]; then echo "$*"; else "$@"; fi
}
say() { echo "install.sh: $*"; }
# No space, a read-only disk: an older install stays as it is.
undo() {
  rm -rf "$root$prefix.new" 2>/dev/null || true
  say "nothing was installed: $root$prefix cannot be written, see above" >&2
  exit 1
}
if [ -z "$root$dry" ] && [ "$(id -u)" != 0 ]; then
  say "this needs root: sudo ./install.sh; or look first: ./install.sh --dry-run" >&2
  exit 1
fi
systemd() {
  if [ -n "$root" ] || ! command -v systemctl >/dev/null || [ ! -d /run/systemd/system ]; then
    return 0
  fi
  do_it systemctl "$@"
}

# Whether the unit is another one than was installed.
is_changed() {
  [ -e "$root$unit" ] && ! grep -qs "$(cksum <"$root$unit")" "$root/etc/llmsnap/.unit"
}

if [ -n "$take" ]; then
  systemd disable --now llmsnap || true
  do_it rm -rf "$root$prefix"
  if is_changed; then
    do_it mv "$root$unit" "$root$unit.bak"
    say "$unit was changed by hand and is kept as $unit.bak"
  fi
  do_it rm -f "$root$unit" "$root/usr/local/bin/llmsnap" "$root$completion"
  systemd daemon-reload
  say "${dry:+with that }llmsnap is gone; still there are /etc/llmsnap, what it kept in" \
    "/var/cache and /var/lib/llmsnap, and the user llmsnap"
  exit
fi

for each in bin/llmsnap lib/llmsnap.jar runtime/bin/java; do
  [ -e "$here/$each" ] || { say "$here is no whole bundle: $each is missing" >&2; exit 1; }
done
if [ -z "$root" ] && ! getent passwd llmsnap >/dev/null; then
  do_it useradd --system --home-dir /var/lib/llmsnap --shell /usr/sbin/nologin llmsnap
fi
# A service that runs goes on with its old files until it is started again.
do_it rm -rf "$root$prefix.new"
do_it mkdir -p "$root$prefix.new" "$root/etc/llmsnap" "$root/etc/systemd/system" \
  "$root/usr/local/bin" "$(dirname "$root$completion")" || undo
# With their dates: the cache belongs to the jar of just that date.
for each in bin lib runtime README.md MANUAL.md config.example.yaml install.sh llmsnap.service \
  completion.bash; do
  do_it cp -a "$here/$each" "$root$prefix.new/" || undo
done
if [ -d "$root$prefix" ]; then do_it rm -rf "$root$prefix.old"
  do_it mv "$root$prefix" "$root$prefix.old"; fi
do_it mv "$root$prefix.new" "$root$prefix"
do_it rm -rf "$root$prefix.old"
do_it ln -sfn "$prefix/bin/llmsnap" "$root/usr/local/bin/llmsnap"
do_it cp "$here/completion.bash" "$root$completion"

config=$root/etc/llmsnap/config.yaml
if [ -e "$config" ]; then
  say "$config is kept"
else
  say "$config is ${dry:+to be }new: write your models into it, see $prefix/config.example.yaml"
  if [ -z "$dry" ]; then
    # It may have keys in it.
    umask 027
    printf '%s\n' '# See config.example.yaml beside the program. Models are found in a folder:' \
      '#   discover: [{dir: /srv/models}]' '# or written down:' 'models: {}' >"$config"
    umask 022
    if getent group llmsnap >/dev/null; then chgrp llmsnap "$config"; fi
  fi
fi
groups=
for each in video render; do
  if [ -n "$root" ] || getent group "$each" >/dev/null; then groups="$groups $each"; fi
done
made=${TMPDIR:-/tmp}/llmsnap.service.$$
sed -e "s|@PREFIX@|$prefix|g" -e "s|@GROUPS@|${groups# }|" "$here/llmsnap.service" >"$made"
if is_changed && ! cmp -s "$made" "$root$unit"; then
  say "$unit was changed by hand and is kept; the new one is $root$prefix/lib/llmsnap.service"
  do_it cp "$made" "$root$prefix/lib/llmsnap.service"
else
  do_it cp "$made" "$root$unit"
  if [ -z "$dry" ]; then cksum <"$root$unit" >"$root/etc/llmsnap/.unit"; fi
fi
rm -f "$made"
systemd daemon-reload
if [ -n "$dry" ]; then say "that is what would be done"; exit; fi
say "installed; when your models are in $config: systemctl enable --now llmsnap" \
  "(after an upgrade: systemctl restart llmsnap)"
