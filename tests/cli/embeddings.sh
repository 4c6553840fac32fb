#!/usr/bin/env bash
# Inputs with fields, options of embeddings, hidden states and long texts, at a shell. Arguments:
# source directory, the program. BERTRUN_GOLDEN holds tiny models.
set -uo pipefail
source=$1 bertrun=$(realpath "$2")
. "$source/tests/tap.sh"
. "$source/tests/cli/expect.sh"
prompts=$BERTRUN_GOLDEN/tiny/bert-prompts # 24 wide, at most 20 tokens, default prompt "query"
bert=$BERTRUN_GOLDEN/tiny/bert
run=("$bertrun" --model "$prompts" --prompt '')

# same FILE FILE: equal bytes.
same() {
  cmp "$1" "$2" || fail "$1 and $2 differ"
}

# ------------------------------------------------------------------------------------- input

test_jsonl_fields_ids_and_order() {
  cat >in.jsonl <<'END'
{"id": 7, "body": "the cat", "other": [1, {"x": null}]}

{"body": "so \u00e9 and\nso", "id": "a\"b"}
{"id": 7, "body": ""}
END
  printf 'the cat\nso é and so\n\n' >lines
  "${run[@]}" --input in.jsonl --input-format jsonl --text-field body --id-field id \
    --format jsonl >out
  "${run[@]}" --input lines --format jsonl >plain
  grep -q '^{"index": 0, "id": 7, "tokens": 4,' out
  grep -qF '{"index": 1, "id": "a\"b", "tokens": 6,' out
  grep -q '^{"index": 2, "id": 7, "tokens": 2,' out
  sed 's/"id": [^,]*, //' out | cmp - plain
  "${run[@]}" --input-format jsonl --text-field body --id-field id <in.jsonl >text
  grep -qF '"a\"b"  so é and so' text
}

test_byte_order_mark() {
  printf '\xef\xbb\xbf{"text": "the cat"}\n' | "${run[@]}" --input-format jsonl --format jsonl >out
  printf '\xef\xbb\xbftext\nthe cat\n' | "${run[@]}" --input-format tsv --format jsonl >table
  "${run[@]}" --format jsonl "the cat" >plain
  same out plain
  same table plain
}

test_jsonl_pairs() {
  echo '{"a": "the cat", "b": "sat"}' >in.jsonl
  "${run[@]}" --input in.jsonl --input-format jsonl --text-field a --pair-field b \
    --format jsonl >out
  printf 'the cat\tsat\n' | "${run[@]}" --pair --format jsonl >plain
  same out plain
}

test_tsv_columns() {
  printf 'n\tsecond\ttext\r\n1\tsat\tthe cat\r\nx"\t\tit is\n' >in.tsv
  "${run[@]}" --input in.tsv --input-format tsv --id-field n --format jsonl >out
  grep -q '^{"index": 0, "id": "1", "tokens": 4,' out
  grep -qF '{"index": 1, "id": "x\"", "tokens": 4,' out
  "${run[@]}" --input-format tsv --pair-field second --format jsonl <in.tsv >out
  printf 'the cat\tsat\nit is\t\n' | "${run[@]}" --pair --format jsonl >plain
  same out plain
  printf 'second\ta,b\nx\tsat\n' | "${run[@]}" --input-format tsv --text-field a,b --format jsonl >out
  "${run[@]}" --format jsonl sat >plain
  same out plain
  expect 1 "in.tsv: line 1: no column is named 'body'" \
    "${run[@]}" --input in.tsv --input-format tsv --text-field body
}

# bad LINE PATTERN: line 3 of a JSON lines file; the two before it are answered.
bad() {
  printf '{"text": "a", "id": 1}\n{"text": "b", "id": 2}\n%s\n{"text": "c", "id": 3}\n' "$1" >in
  expect 1 "^bertrun: in: line 3: $2" \
    "${run[@]}" --input in --input-format jsonl --id-field id --format jsonl
  [[ $(wc -l <out) == 2 ]] || fail "lines before the bad one are lost: $(cat out)"
}

test_bad_lines_are_named_and_lose_nothing() {
  bad '{"text": "x"' 'not a JSON object: '
  bad '["text"]' 'not a JSON object$'
  bad '{"txt": "x", "id": 1}' 'field "text" is missing'
  bad '{"text": 7, "id": 1}' 'field "text" is no string'
  bad '{"text": "x", "id": [1]}' 'field "id" is neither string nor integer'
  bad '{"text": "x"}' 'field "id" is missing'
  bad $'{"text": "\xff", "id": 1}' 'not a JSON object: '
  printf 'text\tn\na\t1\nb\n' >in
  expect 1 'in: line 3: has 1 columns' "${run[@]}" --input in --input-format tsv --id-field n
  [[ $(wc -l <out) == 1 ]] || fail 'the first row is lost'
  printf 'a\tb\nno tab\n' >in
  expect 1 'in: line 2: no tab' "${run[@]}" --input in --pair
  [[ $(wc -l <out) == 1 ]] || fail 'the first pair is lost'
}

test_input_options_that_contradict() {
  expect 2 'only with --input-format' "${run[@]}" --text-field body
  expect 2 'not together' "${run[@]}" --input-format jsonl hello
  expect 2 'for lines' "${run[@]}" --input-format tsv --pair
  expect 2 'no place for ids' "${run[@]}" --input-format jsonl --id-field id --format npy
  expect 2 "'xml' is none of lines, jsonl, tsv" "${run[@]}" --input-format xml
}

# -------------------------------------------------------------------------------- embeddings

test_prompts() {
  "$bertrun" --model "$prompts" --format jsonl 'the cat' >default
  "$bertrun" --model "$prompts" --prompt-name query --format jsonl 'the cat' >named
  "$bertrun" --model "$prompts" --prompt 'is it so: ' --format jsonl 'the cat' >given
  "${run[@]}" --format jsonl 'the cat' >none
  same default named
  same default given
  cmp -s default none && fail 'the default prompt is not applied'
  expect 1 'no prompt "nope" \(query, passage, none\)' \
    "$bertrun" --model "$prompts" --prompt-name nope hello
  expect 1 'has no prompt "query" \(it has none at all\)' \
    "$bertrun" --model "$bert" --prompt-name query hello
}

test_every_output_dtype_in_every_format() {
  local dtype type width
  "${run[@]}" --format npy -o calibration.npy 'the cat' sat 'on the' mat
  while read -r dtype type width; do
    local how=("${run[@]}" --output-dtype "$dtype")
    [[ $dtype != *int8 ]] || how+=(--calibration calibration.npy)
    shows "'descr': '$type', .*'shape': \(2, $width\)" "${how[@]}" --format npy 'the cat' mat
    "${how[@]}" --format npy </dev/null | grep -aq "'shape': (0, $width)"
    "${how[@]}" --format jsonl 'the cat' mat >out
    [[ $(head -1 out | tr -cd , | wc -c) == $((3 + width - 1)) ]] || fail "$dtype: $(cat out)"
    shows '"results"' "${how[@]}" --format json mat
    shows ' tokens  mat' "${how[@]}" mat
    shows '^   1 .* 1\.0000  mat' "${how[@]}" --similarity 'the cat' mat
  done <<'END'
f32 <f4 24
f16 <f2 24
int8 \|i1 24
uint8 \|u1 24
binary \|i1 3
ubinary \|u1 3
END
}

test_codes_are_those_of_numpy() {
  "${run[@]}" --format npy -o values.npy 'the cat' sat 'on the' mat
  "${run[@]}" --format npy -o codes.npy --output-dtype uint8 --calibration values.npy \
    'the cat' sat 'on the' mat
  python3 - <<'END'
import struct
def data(path, size):
    return open(path, "rb").read()[128:128 + size]
values = struct.unpack("<96f", data("values.npy", 384))
codes = data("codes.npy", 96)
for column in range(24):
    x = values[column::24]
    lo, hi = x.index(min(x)), x.index(max(x))
    assert codes[24 * lo + column] == 0 and codes[24 * hi + column] in (254, 255), column
END
}

test_ranges_from_a_file() {
  python3 - <<'END'
import struct
def npy(path, rows, columns, values, descr="<f4", more=""):
    header = "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d%s), }" % (
        descr, rows, columns, more)
    header = header.ljust(117) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.encode())
        f.write(struct.pack("<%df" % len(values), *values))
npy("ranges.npy", 2, 24, [-1.0] * 24 + [1.0] * 24)
npy("wide.npy", 2, 25, [-1.0] * 25 + [1.0] * 25)
npy("three.npy", 3, 24, [0.0] * 72)
npy("short.npy", 2, 24, [0.0] * 40)
npy("double.npy", 2, 24, [0.0] * 96, "<f8")
npy("cube.npy", 2, 24, [-1.0, 1.0] * 72, more=", 3")
npy("backwards.npy", 2, 24, [1.0] * 24 + [-1.0] * 24)
npy("nan.npy", 2, 24, [float("nan")] * 48)
END
  local int8=("${run[@]}" --output-dtype int8)
  shows '"embedding": \[-?[0-9]+, ' "${int8[@]}" --ranges ranges.npy --format jsonl cat
  shows '"embedding": \[-?[0-9]+, -?[0-9]+\]' \
    "${int8[@]}" --dimensions 2 --format jsonl cat \
    --calibration <("${run[@]}" --dimensions 2 --format npy the cat)
  expect 1 'wide.npy: rows of 25 values' "${int8[@]}" --ranges wide.npy cat
  expect 1 'three.npy: 3 rows, ranges are two' "${int8[@]}" --ranges three.npy cat
  expect 1 'short.npy: cut short' "${int8[@]}" --ranges short.npy cat
  expect 1 'double.npy: not a float32 array' "${int8[@]}" --ranges double.npy cat
  expect 1 'cube.npy: not a float32 array \[rows, columns\]' "${int8[@]}" --calibration cube.npy cat
  expect 1 'dimension 0 is from 1 to -1' "${int8[@]}" --ranges backwards.npy cat
  expect 1 'nan.npy: holds a value that is not finite' "${int8[@]}" --calibration nan.npy cat
  expect 1 'nowhere.npy: cannot open' "${int8[@]}" --ranges nowhere.npy cat
  expect 1 'not a .npy file' "${int8[@]}" --ranges "$bert/config.json" cat
  expect 2 'need --calibration or --ranges' "${int8[@]}" cat
  expect 2 'only with --output-dtype' "${run[@]}" --ranges ranges.npy cat
  expect 2 'not together' "${int8[@]}" --ranges ranges.npy --calibration ranges.npy cat
}

test_options_of_embeddings_only() {
  local option
  for option in '--dimensions 8' '--prompt x' '--prompt-name query' '--output-dtype f16'; do
    # shellcheck disable=SC2086
    expect 2 'only with --task embed' "$bertrun" --model "$bert" --task hidden $option hello
  done
  expect 1 "dimensions: 25 is more than the embeddings' 24" "${run[@]}" --dimensions 25 hello
}

# ----------------------------------------------------------------------------- hidden states

test_hidden_states_are_a_file_for_each_text() {
  local hidden=("$bertrun" --model "$bert" --task hidden)
  "${hidden[@]}" --format npy -o all a 'b c'
  [[ $(ls all) == $'000000.npy\n000001.npy' ]] || fail "$(ls all)"
  grep -aq "'shape': (3, 3, 36)" all/000000.npy
  grep -aq "'shape': (3, 4, 36)" all/000001.npy
  "${hidden[@]}" --format npy -o some --layers -1,0 a 'b c'
  grep -aq "'shape': (2, 4, 36)" some/000001.npy
  cmp <(tail -c +129 all/000001.npy | tail -c $((4 * 36 * 4))) \
    <(tail -c +129 some/000001.npy | head -c $((4 * 36 * 4))) || fail 'layer -1 is not the last'
  cmp <(tail -c +129 all/000001.npy | head -c $((4 * 36 * 4))) \
    <(tail -c +129 some/000001.npy | tail -c $((4 * 36 * 4))) || fail 'layer 0 is not the first'
  "${hidden[@]}" --format jsonl --layers 2 a >out
  [[ $(grep -o '\[\[\[' out | wc -l) == 1 && $(grep -o ']]' out | wc -l) == 1 ]]
  "${hidden[@]}" --format jsonl --layers all a >out
  "${hidden[@]}" --format jsonl --layers 1 --layers all a | cmp - out || fail 'the last one counts'
  shows '^      -1 ' "${hidden[@]}" --layers 0,-1 a
  : >file
  expect 1 'file: not a directory' "${hidden[@]}" --format npy -o file a
  expect 2 'names a directory' "${hidden[@]}" --format npy a
  expect 1 'layers: 3 is not in -3..2' "${hidden[@]}" --layers 3 a
  expect 1 'layers: 2 is named twice' "${hidden[@]}" --layers 2,-1 a
  expect 2 "--layers: '1,' is neither" "${hidden[@]}" --layers 1, a
  expect 2 'only with --task hidden' "$bertrun" --model "$bert" --layers 1 a
}

# -------------------------------------------------------------------------------- long texts

test_long_texts() {
  local long='the cat sat on the mat and the man sat on it so the cat is not on the mat it is so'
  local head='the cat sat on the mat and the man sat on it so the cat is not on'
  local tail='mat and the man sat on it so the cat is not on the mat it is so'
  "${run[@]}" --format jsonl "$head" >first
  "${run[@]}" --format jsonl "$tail" >last
  "${run[@]}" --format jsonl "$long" >out 2>err
  grep -qF '1 of 1 texts were longer than 20 tokens: 5 tokens were cut off' err
  cmp <(sed 's/.*emb//' out) <(sed 's/.*emb//' first) || fail 'head'
  "${run[@]}" --truncation tail --format jsonl "$long" >out 2>err
  cmp <(sed 's/.*emb//' out) <(sed 's/.*emb//' last) || fail 'tail'
  grep -q '"truncated": 5,' out
  "${run[@]}" --truncation head-tail --format jsonl "$long" >out 2>err
  grep -q '"truncated": 5,' out
  "${run[@]}" --truncation stride --stride 5 --format jsonl short "$long" >out 2>err
  grep -q '"truncated": 0, "windows": 2,' out
  grep -qF '1 of 2 texts were too long for one window: run in 2, nothing was cut off' err
  printf 'short\n\n%s\nlast\n' "$long" >in
  expect 1 '^bertrun: in: line 3: 25 tokens are more than max_length, 20$' \
    "${run[@]}" --truncation error --input in --format jsonl
  [[ $(wc -l <out) == 2 ]] || fail "lines before the long one are lost: $(cat out)"
  expect 2 '--stride: only with' "${run[@]}" --stride 3 a
  expect 1 'stride: 18 is not smaller than the 18' "${run[@]}" --truncation stride --stride 18 a
  expect 2 "--truncation: 'both' is none of" "${run[@]}" --truncation both a
}

# sentence-transformers lowers texts before a cased tokenizer, in directories of its own.
test_do_lower_case_of_sentence_transformers() {
  cp -r "$BERTRUN_GOLDEN/tiny/bert-sentence" dir
  chmod -R u+w dir
  local cased='{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}'
  printf '%s' "$cased" >dir/tokenizer_config.json
  "$bertrun" --model dir --format jsonl "the cat" >lower
  "$bertrun" --model dir --format jsonl "The CAT" >upper
  cmp -s lower upper && fail 'a cased tokenizer lowers'
  printf '{"max_seq_length": 16, "do_lower_case": true}' >dir/sentence_bert_config.json
  "$bertrun" convert dir -o model.bin >/dev/null 2>&1
  for model in dir model.bin; do
    "$bertrun" tokenize --model $model "The CAT [MASK]" >upper
    "$bertrun" tokenize --model $model "the cat [MASK]" >lower
    same upper lower
  done
  mv dir/sentence_bert_config.json dir/sentence_albert_config.json
  "$bertrun" tokenize --model dir "The CAT [MASK]" >upper
  same upper lower
  printf '{"do_lower_case": 1}' >dir/sentence_albert_config.json
  expect 1 'sentence_albert_config.json: "do_lower_case"' "$bertrun" tokenize --model dir a
  rm dir/modules.json dir/sentence_albert_config.json
  printf '{"do_lower_case": true}' >dir/sentence_bert_config.json
  "$bertrun" tokenize --model dir "The CAT [MASK]" >upper
  cmp -s lower upper && fail 'no modules.json, and lowered'
  return 0
}

run_cases
