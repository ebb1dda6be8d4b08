#!/usr/bin/env bash
# Installs the Debian packages that linnet is built and tested with.
#
#   tools/setup.sh [GROUP…]     build (default), model, test, sanitize, lint, bench, or all
#
# Does nothing when they are all there; otherwise needs root or sudo, and says what is missing
# where it has neither. Safe to run again and again, at any time.
set -euo pipefail

declare -A group=(
  [build]="cmake g++ ninja-build libutf8proc-dev nlohmann-json3-dev libcli11-dev libxxhash-dev zlib1g-dev libzstd-dev"
  [model]="python3 python3-pip ca-certificates"
  [test]="libgtest-dev librapidcheck-dev libsimdjson-dev libdnnl-dev python3 binutils valgrind"
  [sanitize]="clang libclang-rt-14-dev libomp-dev llvm"
  [lint]="clang-format clang-tidy shellcheck python3"
  [bench]="libbenchmark-dev libdnnl-dev ocl-icd-opencl-dev"
)
order=(build model test sanitize lint bench)

say() { echo "setup: $*" >&2; }

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Prints those of the given packages that are not installed, each once.
missing_of() {
  local package
  local -A seen=()
  for package in "$@"; do
    [ -z "${seen[$package]:-}" ] || continue
    seen[$package]=1
    installed "$package" || echo "$package"
  done
}

# Runs a command as root: directly, or through sudo (which may ask on a terminal only).
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

have_root() {
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null || return 1
  [ -t 0 ] || sudo -n true 2>/dev/null
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" </dev/null >&2
}

lists_are_there() {
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

install_packages() {
  lists_are_there || apt update
  apt install --no-install-recommends "$@" && return 0
  say "trying once more with fresh package lists"
  apt update
  apt install --no-install-recommends "$@"
}

main() {
  local name wanted=() missing
  [ $# -gt 0 ] || set -- build
  [ "$1" != all ] || set -- "${order[@]}"
  for name in "$@"; do
    if [ -z "${group[$name]:-}" ]; then
      say "unknown group \"$name\"; there are: ${order[*]} all"
      exit 2
    fi
    read -ra packages <<<"${group[$name]}"
    wanted+=("${packages[@]}")
  done

  if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian system; nothing is installed. Needed, by their Debian names: ${wanted[*]}"
    return 0
  fi
  mapfile -t missing < <(missing_of "${wanted[@]}")
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! have_root; then
    say "these packages are missing, and there is neither root nor a usable sudo to install them:"
    say "  ${missing[*]}"
    say "as root: apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  fi
  say "installing ${missing[*]}"
  install_packages "${missing[@]}"
  mapfile -t missing < <(missing_of "${missing[@]}")
  if [ ${#missing[@]} -gt 0 ]; then
    say "still missing after the installation: ${missing[*]}"
    exit 1
  fi
}

main "$@"
