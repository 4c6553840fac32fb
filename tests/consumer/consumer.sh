#!/usr/bin/env bash
# The library as somebody else's program meets it: installed, found by pkg-config, linked shared and
# static. Arguments: source directory, build directory, C compiler, C++ compiler ("" for none).
set -uo pipefail
source=$1 build=$2 cc=$3 cxx=$4
. "$source/tests/tap.sh"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$root/shared" >"$root/log" 2>&1 ||
  { sed 's/^/# /' "$root/log"; echo "Bail out! meson install failed"; exit 1; }
# The same without the shared library, so that -lbertrun means the static one.
cp -a "$root/shared" "$root/static"
find "$root/static" -name 'libbertrun.so*' -delete

for tree in shared static; do
  find "$root/$tree" -name bertrun.pc -exec sed -i "s|^prefix=|&$root/$tree|" {} +
done

library() {
  find "$root/shared" -name libbertrun.so
}

# package LINKAGE OPTION...: asks pkg-config about an installed tree.
package() {
  local pc
  pc=$(find "$root/$1" -name bertrun.pc)
  PKG_CONFIG_PATH=${pc%/*}:${PKG_CONFIG_PATH:-} pkg-config "${@:2}" bertrun
}

flags() {
  case $1 in
  shared) package shared --cflags --libs ;;
  static) package static --static --cflags --libs ;;
  esac
}

# build_example LINKAGE EXAMPLE
build_example() {
  # shellcheck disable=SC2046
  $cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$source/examples/$2.c" -o "$2-$1" $(flags "$1")
}

# The tiny classifier of the golden tests has an embedding too.
run_examples() {
  local score
  build_example "$1" embed
  build_example "$1" classify
  score=$(./embed-"$1" "$model" "hello world" "hello world")
  [[ $score == 1.0000 ]] || fail "a text is like itself: $score"
  [[ $(printf 'one\ntwo\n' | ./classify-"$1" "$model" | wc -l) == 2 ]]
}

test_examples_shared() {
  LD_LIBRARY_PATH=$(dirname "$(library)") run_examples shared
}

test_examples_static() {
  run_examples static
  ! ldd embed-static | grep libbertrun
}

# Our users get our headers, and none of the macros of what we use.
test_compiler_flags() {
  [[ $(package shared --cflags | xargs -n 1) == "-I$(find "$root/shared" -name include)" ]]
}

test_build_directory_as_a_package() {
  export PKG_CONFIG_PATH=$build/meson-uninstalled
  # shellcheck disable=SC2046
  $cc -std=c11 -Werror "$source/examples/embed.c" -o embed-uninstalled $(pkg-config --cflags --libs bertrun)
  [[ $(LD_LIBRARY_PATH=$build/engine ./embed-uninstalled "$model" a a) == 1.0000 ]]
}

test_cplusplus() {
  [[ $cxx ]] || skip "needs a C++ compiler"
  printf '#include <bertrun/bertrun.h>\nint main() { return bertrun_version() == nullptr; }\n' >a.cc
  # shellcheck disable=SC2046
  $cxx -std=c++11 -Wall -Wextra -Wpedantic -Werror a.cc -o a $(flags shared)
  LD_LIBRARY_PATH=$(dirname "$(library)") ./a
}

test_soname() {
  readelf -d "$(library)" | grep -q 'SONAME.*\[libbertrun\.so\.[0-9]*\]'
}

# Less the linker's own, which it exports where a library we link to does.
exports() {
  nm -D --defined-only "$(library)" | awk '$3 !~ /^(__bss_start|_edata|_end)$/ { print $3 }'
}

test_exported_symbols() {
  local others
  others=$(exports | grep -v '^bertrun_') || return 0
  fail "exported too: $others"
}

test_header_declares_all_exports() {
  local name
  for name in $(exports); do
    grep -q "\b$name(" "$source/include/bertrun/bertrun.h" || fail "$name is not in the header"
  done
}

test_installed_program() {
  local program
  program=$(find "$root/static" -path '*/bin/bertrun')
  [[ $("$program" --version) == "bertrun $(package shared --modversion)" ]]
}

test_installed_man_page() {
  [[ $(find "$root/shared" -path '*/man1/bertrun.1*') ]]
}

model=$BERTRUN_GOLDEN/tiny/bert-classifier-f16
run_cases
