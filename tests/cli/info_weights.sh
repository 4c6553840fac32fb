#!/usr/bin/env bash
# bertrun info --weights as somebody at a shell meets it. Arguments: source directory, the program.
# BERTRUN_GOLDEN holds tiny models.
set -uo pipefail
source=$1 bertrun=$(realpath "$2")
. "$source/tests/tap.sh"
. "$source/tests/cli/expect.sh"
bert=$BERTRUN_GOLDEN/tiny/bert
query=encoder.layer.0.attention.self.query.weight # [36, 36]

# field NAME KEY: of a tensor in ./out, JSON.
field() {
  tr -d ' \n' <out | sed 's/},{/}\n{/g' | grep "\"name\":\"$1\"" | sed -n "s/.*\"$2\":\([^,}]*\).*/\1/p"
}

# near VALUE LEAST MOST
near() {
  awk -v x="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(x >= a && x <= b) }' || fail "$1 is not in $2..$3"
}

test_storage_ratio_counts_scales() {
  "$bertrun" convert "$bert" -o channel.bin
  "$bertrun" convert "$bert" -o tensor.bin --weights per-tensor
  "$bertrun" info --weights channel.bin --json >out
  [[ $(field $query num_scales) == 36 && $(field $query bytes) == $((36 * 36 + 36 * 4)) ]]
  near "$(field $query storage_ratio)" 3.5999 3.6001
  "$bertrun" info --weights tensor.bin --json >out
  [[ $(field $query num_scales) == 1 && $(field $query bytes) == $((36 * 36 + 4)) ]]
  near "$(field $query storage_ratio)" 3.9876 3.9878
  [[ $(field $query zero_point) == 0 && $(field $query min_scale) == "$(field $query max_scale)" ]]
  # with a scale of max |w| / 127.5 the largest is on the edge
  near "$(field $query clipped_at_most)" 0.0007 0.01
}

test_noise_is_measured_or_expected() {
  "$bertrun" convert "$bert" -o int8.bin
  "$bertrun" info --weights int8.bin --json >out
  local expected
  expected=$(field $query expected_sqnr_db)
  [[ ! $(field $query sqnr_db) && $(field $query clipped_at_most) ]]
  "$bertrun" info --weights int8.bin --against "$bert" --json >out
  [[ ! $(field $query expected_sqnr_db) && $(field $query clipped) == 0.0 ]]
  near "$(field $query sqnr_db)" "$(awk "BEGIN { print $expected - 1 }")" \
    "$(awk "BEGIN { print $expected + 1 }")"
  near "$(field $query sqnr_db)" 35 50
}

test_half_precision_has_noise_but_no_scale() {
  "$bertrun" convert "$bert" -o f16.bin --dtype f16
  "$bertrun" info --weights f16.bin --against "$bert" --json >out
  [[ $(field $query dtype) == '"f16"' && $(field $query storage_ratio) == 2.0 ]]
  [[ ! $(field $query num_scales) ]]
  near "$(field $query sqnr_db)" 65 85 # 11 bits of mantissa
}

test_table() {
  "$bertrun" convert "$bert" -o int8.bin
  shows "^$query +int8 +\[36, 36\] +-0\.[0-9]+ +0\.[0-9]+ +[0-9.]+\.\.[0-9.]+ +0 +~[0-9.]+ +<=[0-9.]+ % +3\.600$" \
    "$bertrun" info --weights int8.bin
  shows "^$query +f32 +\[36, 36\].* exact +- +1\.000$" \
    "$bertrun" info --weights "$bert" --against "$bert"
  shows '^tokenizer\.vocab +u8 ' "$bertrun" info --weights int8.bin
}

test_what_cannot_be_measured() {
  "$bertrun" convert "$bert" -o int8.bin
  expect 2 '--against: only with --weights' "$bertrun" info int8.bin --against "$bert"
  expect 1 'missing' "$bertrun" info --weights missing
  expect 1 'missing' "$bertrun" info --weights int8.bin --json --against missing
  expect 1 'int8 itself; give one with float weights' \
    "$bertrun" info --weights int8.bin --json --against int8.bin
  expect 1 "is not in the original|another shape" \
    "$bertrun" info --weights int8.bin --json --against "$BERTRUN_GOLDEN/tiny/distilbert-regression"
}

run_cases
