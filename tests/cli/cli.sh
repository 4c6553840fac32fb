#!/usr/bin/env bash
# The program as somebody at a shell meets it. Arguments: source directory, the program.
# BERTRUN_GOLDEN holds tiny models.
set -uo pipefail
source=$1 bertrun=$(realpath "$2")
. "$source/tests/tap.sh"
. "$source/tests/cli/expect.sh"
bert=$BERTRUN_GOLDEN/tiny/bert
classifier=$BERTRUN_GOLDEN/tiny/bert-classifier-f16

# A directory to damage.
copy_model() {
  cp -rL "$bert" model
  chmod -R u+w model
}

# refused PATTERN: neither run nor convert takes ./model, both say why, and nothing is left behind.
refused() {
  expect 1 "$1" "$bertrun" --model model -o result.txt hello
  expect 1 "$1" "$bertrun" convert model -o result.bin
  [[ ! $(find . -name 'result*') ]] || fail "left behind: $(find . -name 'result*')"
}

# ------------------------------------------------------------------------------ command line

test_unknown_command_and_options() {
  expect 2 '^bertrun: frob: unknown command' "$bertrun" frob
  expect 2 '^bertrun: --frob: unknown option' "$bertrun" --frob
  expect 2 '^bertrun: -x: unknown option' "$bertrun" run -x
  expect 2 '^bertrun: --model: needs a value' "$bertrun" --model
  expect 2 '^bertrun: --model: missing' "$bertrun" --format json hello
  expect 2 '^bertrun: --pair=1: takes no value' "$bertrun" --pair=1
  expect 2 'one MODEL' "$bertrun" info
  expect 2 'one DIRECTORY' "$bertrun" convert
  expect 2 '--output: missing' "$bertrun" convert "$bert"
  expect 2 '--output: missing' "$bertrun" convert "$bert" -o ''
}

test_bad_values_name_their_option() {
  local run=("$bertrun" --model "$bert")
  expect 2 '--threads: -3 is out of range' "${run[@]}" --threads -3 hello
  expect 2 "--threads: 'two' is not a whole number" "${run[@]}" --threads two hello
  expect 2 "--pooling: 'median' is none of auto, mean" "${run[@]}" --pooling median hello
  expect 2 "--precision: 'int4' is none of" "${run[@]}" --precision int4 hello
  expect 2 "--activations: 'row' is none of" "${run[@]}" --activations row hello
  expect 2 "--format: 'xml' is none of" "${run[@]}" --format xml hello
  expect 2 "--task: 'sing' is none of" "${run[@]}" --task sing hello
  expect 2 '--max-length: 0 is out of range' "${run[@]}" --max-length 0 hello
  expect 2 '--batch-size: 99999999999999999999 is out of range' \
    "${run[@]}" --batch-size 99999999999999999999 hello
  expect 2 "--weights: 'half' is none of auto, per-channel" "${run[@]}" --weights half hello
  expect 2 "--weights: 'half' is none of auto, per-channel" "$bertrun" convert "$bert" -o x.bin --weights half
  expect 2 "--equalize: '2' is neither auto nor" "$bertrun" convert "$bert" -o x.bin --equalize 2
  expect 2 "--equalize: '' is neither auto nor" "$bertrun" convert "$bert" -o x.bin --equalize ''
  expect 2 "--rounding: 'up' is none of nearest, gptq" "$bertrun" convert "$bert" -o x.bin --rounding up
  expect 2 "--observer: 'mean' is none of minmax" "$bertrun" calibrate --model "$bert" --observer mean
  expect 2 '--data: missing' "$bertrun" calibrate --model "$bert" -o x.bin
  expect 2 "--dtype: 'f64' is none of" "$bertrun" convert "$bert" -o x.bin --dtype f64
  expect 2 "--shapes: '1x' is no list" "$bertrun" bench --model "$bert" --shapes 1x
  expect 2 "--shapes: '-1x8' is no list" "$bertrun" bench --model "$bert" --shapes -1x8
  expect 2 "--linear: '768' is no INxOUT" "$bertrun" bench --linear 768
  expect 2 "--linear: '0x8' is no INxOUT" "$bertrun" bench --linear 0x8
  expect 2 "--linear: '-8x8' is no INxOUT" "$bertrun" bench --linear -8x8
  expect 2 "--batch: '0' is no list" "$bertrun" bench --linear 8x8 --batch 0
  expect 2 "--batch: '1,' is no list" "$bertrun" bench --linear 8x8 --batch 1,
  expect 2 '--linear: not together with --model' "$bertrun" bench --linear 8x8 --model "$bert"
  expect 2 '--linear: not together with --precision' "$bertrun" bench --precision f32 --linear 8x8
  expect 2 '--batch: only with --linear' "$bertrun" bench --model "$bert" --batch 1
  expect 2 "--kernels: 'mkl' is none of" "${run[@]}" --kernels mkl hello
  expect 2 '--input: not together' "${run[@]}" --input file hello
  expect 2 '--input: not together' "$bertrun" tokenize --model "$bert" --input file hello
  expect 2 '--similarity: only with' "${run[@]}" --similarity --task hidden hello
}

# rejects OPTIONS COMMAND...: each of the options (NAME or NAME=VALUE, in one string) is wrong with the
# command, and the message names both it and $other, which is given, too, or missing.
rejects() {
  local options=$1 option
  shift
  for option in $options; do
    # shellcheck disable=SC2086
    expect 2 "^bertrun: (${option%%=*}: .*$other|$other: .*${option%%=*})" "$@" ${option/=/ }
  done
}

test_options_without_effect_are_refused() {
  local convert=("$bertrun" convert "$bert" -o x.bin) tokenize=("$bertrun" tokenize --model "$bert")
  local lm=("$bertrun" lm --model "$BERTRUN_GOLDEN/tiny/lstm") other
  echo hello >texts
  other=--calibration rejects '--columns=1 --where=1=a --header' "${convert[@]}"
  other=--equalize rejects '--calibration=texts' "${convert[@]}" --dtype f16
  other=--dtype rejects '--weights=per-channel' "${convert[@]}" --dtype bf16
  "${convert[@]}" --dtype f16 --calibration texts --equalize 0.5
  other=--decode rejects '--pair --tokens --offsets --no-special --max-length=8 --stride=2
    --truncation=only_first --truncation-side=left' "${tokenize[@]}" --decode 5
  other=--decode rejects --skip-special "${tokenize[@]}" hello
  other=--max-length rejects '--stride=2 --truncation=only_first --truncation-side=left' \
    "${tokenize[@]}" hello
  other=--tokenizer rejects '--shapes=1x8 --profile --threads=2 --precision=f32 --kernels=onednn
    --activations=batch' "$bertrun" bench --model "$bert" --tokenizer texts
  other='--format npy' rejects '--top-k=2 --threshold=0.5 --logits' \
    "$bertrun" --model "$classifier" --format npy hello
  other=--prompt rejects --prompt-name=x "$bertrun" --model "$bert" --prompt y hello
  other=--perplexity rejects '--temperature=0 --seed=0' "${lm[@]}" --perplexity texts
  other=--generate rejects '--batch-size=1 --bptt=1' "${lm[@]}" --generate 2 the
}

test_settings_the_model_refuses() {
  expect 1 'max_length|--max-length' "$bertrun" --model "$bert" --max-length 1000 hello
  expect 1 'classif' "$bertrun" --model "$bert" --task classify hello
  expect 1 'pooler' "$bertrun" --model "$BERTRUN_GOLDEN/tiny/distilbert-sharded" --pooling pooler hi
}

test_help_and_version() {
  local command
  shows '^usage: bertrun' "$bertrun" --help
  shows '^bertrun [0-9]+\.[0-9]+\.[0-9]+$' "$bertrun" --version
  for command in run convert calibrate info bench tokenize compare; do
    shows "^usage: bertrun.*$command" "$bertrun" "$command" --help
  done
}

# -------------------------------------------------------------------------------- bad models

test_model_missing() {
  expect 1 'model' "$bertrun" --model model hello
  expect 1 'model' "$bertrun" info model
  expect 1 'model' "$bertrun" bench --model model
  mkdir model
  refused 'model/config.json'
}

test_config_broken() {
  copy_model
  echo '{"architectures": [' >model/config.json
  refused 'config.json'
}

test_architecture_unsupported() {
  copy_model
  sed -i 's/"BertModel"/"RobertaModel"/' model/config.json
  refused 'RobertaModel'
}

test_tensors_truncated() {
  copy_model
  truncate -s -100 model/model.safetensors
  refused 'model.safetensors'
}

test_tensors_header_broken() {
  copy_model
  printf '\xff\xff\xff\xff\xff\xff\xff\x7f' | dd of=model/model.safetensors conv=notrunc 2>dd.log
  refused 'model.safetensors'
}

test_tensors_empty() {
  copy_model
  : >model/model.safetensors
  refused 'model.safetensors'
}

test_tensor_missing() {
  copy_model
  sed -i 's/encoder.layer.1.output.dense.weight/encoder.layer.1.output.dance.weight/' \
    model/model.safetensors
  refused 'encoder.layer.1.output.dense.weight'
}

test_tensor_of_wrong_shape() {
  copy_model
  sed -i 's/"intermediate_size": 52/"intermediate_size": 64/' model/config.json
  refused 'intermediate.dense'
}

test_tensor_of_wrong_dtype() {
  copy_model
  sed -i '0,/"F32"/s/"F32"/"I32"/' model/model.safetensors
  refused 'I32'
}

test_vocabulary_of_wrong_size() {
  copy_model
  printf 'one\ntwo\nthree\n' >>model/vocab.txt
  refused '85 tokens'
}

test_vocabulary_missing() {
  copy_model
  rm model/vocab.txt
  refused 'model'
}

test_bin_truncated_or_foreign() {
  local size length
  "$bertrun" convert "$bert" -o whole.bin
  size=$(stat -c %s whole.bin)
  for length in 0 7 8 100 $((size / 2)) $((size - 1)); do
    head -c "$length" whole.bin >cut.bin
    expect 1 'cut.bin' "$bertrun" --model cut.bin hello
    expect 1 'cut.bin' "$bertrun" --model cut.bin --mmap hello
    expect 1 'cut.bin' "$bertrun" info cut.bin
  done
  head -c 4096 /dev/urandom >noise.bin
  expect 1 'noise.bin' "$bertrun" --model noise.bin hello
}

# ------------------------------------------------------------------------------------ output

test_output_errors() {
  local format
  for format in text json jsonl npy; do
    expect 1 '/nowhere/x: cannot create' \
      "$bertrun" --model "$bert" --format $format -o /nowhere/x hello
    expect 1 '/dev/full: cannot write: No space' \
      "$bertrun" --model "$bert" --format $format -o /dev/full hello
    # shellcheck disable=SC2016
    expect 1 'standard output: cannot write: No space' \
      bash -c '"$@" hello >/dev/full' - "$bertrun" --model "$bert" --format $format
  done
  expect 1 '^bertrun: : cannot create' "$bertrun" --model "$bert" -o '' hello
  expect 1 '/nowhere/x.bin' "$bertrun" convert "$bert" -o /nowhere/x.bin
  expect 1 '/dev/full' "$bertrun" convert "$bert" -o /dev/full
  expect 1 'cannot write' bash -c '"$@" >/dev/full' - "$bertrun" info "$bert"
}

test_closed_pipe_is_an_error() {
  local codes=()
  yes hello | "$bertrun" --model "$bert" 2>err | head -1 >/dev/null || codes=("${PIPESTATUS[@]}")
  [[ ${codes[1]} == 1 ]] || fail "exit code ${codes[1]}"
  grep -q 'standard output: cannot write' err
}

test_output_is_whole_or_untouched() {
  echo before >result.txt
  expect 1 'line 2: no tab' "$bertrun" --model "$bert" --pair -o result.txt $'a\tb' c
  [[ $(cat result.txt) == before ]]
  expect 1 'missing' "$bertrun" --model "$bert" --input missing -o result.txt
  [[ $(cat result.txt) == before && $(ls) == $'err\nout\nresult.txt' ]]
  chmod 600 result.txt
  "$bertrun" --model "$bert" -o result.txt hello
  grep -q hello result.txt
  touch model.bin
  chmod 640 model.bin
  "$bertrun" convert "$bert" -o model.bin
  [[ $(stat -c %a result.txt model.bin | xargs) == '600 640' ]]
}

test_output_through_a_link() {
  echo before >real.txt
  ln -s real.txt link.txt
  "$bertrun" --model "$bert" -o link.txt hello
  [[ -L link.txt ]]
  grep -q hello real.txt
}

# ------------------------------------------------------------------------------------- input

test_no_input() {
  "$bertrun" --model "$bert" </dev/null >out
  "$bertrun" --model "$bert" --format jsonl --input /dev/null >>out
  [[ ! -s out ]]
  "$bertrun" --model "$bert" --format json </dev/null | tr -d ' \n' >out
  grep -q '"results":\[\]}$' out
  shows "'shape': \(0, 36\)" "$bertrun" --model "$bert" --format npy </dev/null
}

test_lines() {
  printf 'one\r\ntwo\n\nlast' >texts
  "$bertrun" --model "$bert" --format jsonl one two '' last >expected
  "$bertrun" --model "$bert" --format jsonl --input texts >file
  "$bertrun" --model "$bert" --format jsonl <texts >standard
  tee <texts | "$bertrun" --model "$bert" --format jsonl --input - >pipe
  cmp expected file
  cmp expected standard
  cmp expected pipe
  (printf '\xef\xbb\xbf' && cat texts) | "$bertrun" --model "$bert" --format jsonl >marked
  cmp expected marked
  [[ $(wc -l <expected) == 4 ]]
}

test_any_bytes() {
  printf 'a \xff\xfe b\nnul \0 nul\n\xe2\x82\n\n' >texts
  "$bertrun" --model "$bert" --format jsonl --input texts >out 2>err
  [[ $(wc -l <out) == 4 && ! -s err ]]
  # What text shows of them does not reach the terminal as it is.
  shows '31mred' "$bertrun" --model "$bert" $'\e[31mred\x9b\xff'
  ! LC_ALL=C grep -aqP '[\x00-\x09\x0b-\x1f\x7f-\xff]' out || fail 'control characters'
}

test_line_of_ten_megabytes() {
  (yes 'one two' || true) | head -c 10000000 | tr '\n' ' ' >texts
  "$bertrun" --model "$bert" --format jsonl --input texts >out 2>err
  grep -qE '^bertrun: 1 of 1 texts were longer than 33 tokens: [0-9]+ tokens were cut off$' err
}

# little COMMAND...: with 150 MB of memory.
little() {
  (ulimit -v 150000 && "$@")
}

# Its head is enough: memory does not grow with the line, and what is not read is told.
test_line_of_200_megabytes() {
  little "$bertrun" --version >out 2>&1 || skip 'needs a program without sanitizers'
  (yes 'one two' || true) | head -c 10000000 | tr '\n' ' ' >ten
  "$bertrun" --model "$bert" --format jsonl --input ten 2>err | sed 's/.*"emb/"emb/' >head
  { for _ in {1..20}; do cat ten; done; printf '\nlast\n'; } >texts
  little "$bertrun" --model "$bert" --threads 1 --format jsonl --input texts >out 2>err
  [[ $(wc -l <out) == 2 ]] || fail "$(wc -l <out) results"
  cmp head <(head -n 1 out | sed 's/.*"emb/"emb/') || fail 'not the head'
  grep -qx 'bertrun: 1 of 2 texts were longer than 33 tokens: [0-9]* tokens were cut off' err
  grep -qx 'bertrun: 1 of them were longer than 16 MB: the 175 MB behind were cut off, too' err
  # What needs the whole line says that it does not fit.
  expect 1 '^bertrun: out of memory$' little "$bertrun" --model "$bert" --truncation tail --input texts
  expect 1 '^bertrun: out of memory$' little "$bertrun" tokenize --model "$bert" --input texts
  expect 1 '^bertrun: out of memory$' \
    little "$bertrun" lm --model "$BERTRUN_GOLDEN/tiny/lstm" --perplexity texts
}

# What cannot be the head of the whole line is no result.
test_line_with_an_empty_head() {
  { echo first; printf '%17000000s\n' last; } >texts
  expect 1 'texts: line 2: no more than 16 MB of a line are read, and they hold only 2 tokens$' \
    "$bertrun" --model "$bert" --format jsonl --input texts
  [[ $(wc -l <out) == 1 ]] || fail 'the line before is lost'
  "$bertrun" --model "$bert" --truncation tail --format jsonl --input texts >out
  [[ $(wc -l <out) == 2 ]] || fail 'the tail needs the whole line'
}

test_truncation_is_counted() {
  "$bertrun" --model "$bert" --format jsonl --max-length 4 'a b c d e' 'a' >out 2>err
  grep -q '^bertrun: 1 of 2 texts were longer than 4 tokens: 3 tokens were cut off$' err
  grep -q '"tokens": 4, "truncated": 3' out
  grep -q '"tokens": 3, "truncated": 0' out
}

test_pairs() {
  "$bertrun" --model "$bert" --pair --format jsonl $'a b\tc' >out
  grep -q '"tokens": 6' out
  expect 1 'arguments: line 1: no tab' "$bertrun" --model "$bert" --pair 'a b'
}

# ----------------------------------------------------------------------------------- formats

test_npy_is_the_same_everywhere() {
  "$bertrun" --model "$bert" --format npy -o file one two three
  "$bertrun" --model "$bert" --format npy one two three >redirected
  "$bertrun" --model "$bert" --format npy one two three | cat >pipe
  : >appended
  "$bertrun" --model "$bert" --format npy one two three >>appended
  cmp file redirected
  cmp file pipe
  cmp file appended
  [[ $(stat -c %s file) == $((128 + 3 * 36 * 4)) ]]
  head -c 128 file >header
  LC_ALL=C grep -aq "^.NUMPY.*{'descr': '<f4', 'fortran_order': False, 'shape': (3, 36), } *$" header
}

test_jsonl_fields() {
  "$bertrun" --model "$bert" --format jsonl hello >out
  grep -qE '^\{"index": 0, "tokens": [0-9]+, "truncated": 0, "embedding": \[[^][]*\]\}$' out
  "$bertrun" --model "$classifier" --format jsonl hello >out
  grep -qE '"label": "(red|green|blue|grey|pink)", "score": [^ ]*, "scores": \[[^][]*\], "logits": \[' out
  "$bertrun" --model "$bert" --task hidden --format jsonl hello >out
  grep -q '"hidden_states": \[\[\[' out
  "$bertrun" --model "$bert" --similarity --format jsonl hello hello >out
  grep -qE '"similarity": \[(1|0\.99999[0-9]*), ' out
}

test_json_holds_the_lines_of_jsonl() {
  "$bertrun" --model "$classifier" --format jsonl a b >lines
  "$bertrun" --model "$classifier" --format json a b >out
  while read -r line; do
    grep -qF -- "$line" out
  done <lines
  grep -q '"labels": \["red", "green", "blue", "grey", "pink"\]' out
}

test_poolings_differ_and_norms_are_one() {
  local pooling
  for pooling in mean cls max pooler; do
    "$bertrun" --model "$bert" --pooling $pooling --normalize --format jsonl hello >>rows
    shows 'norm 1.0000' "$bertrun" --model "$bert" --pooling $pooling --normalize hello
  done
  [[ $(sort -u rows | wc -l) == 4 ]]
}

# ----------------------------------------------------------------------- one text, any batch

# rows OPTION...: embeddings without their index.
rows() {
  "$bertrun" --model model.bin --format jsonl "$@" | sed 's/"index": [0-9]*, //'
}

test_int8_text_does_not_depend_on_its_batch() {
  "$bertrun" convert "$bert" -o model.bin
  local texts=(one 'one two' 'a b c d e f' '' 'hello world')
  rows --threads 2 "${texts[@]}" >together
  rows --threads 1 --batch-size 2 "${texts[@]}" >by_two
  rows --batch-tokens 1 "${texts[@]}" >one_token
  for text in "${texts[@]}"; do rows "$text"; done >alone
  cmp together by_two
  cmp together one_token
  cmp together alone
  rows --mmap "${texts[@]}" | cmp together -
  if grep -q avx512_vnni /proc/cpuinfo; then
    rows --kernels onednn "${texts[@]}" | cmp together -
  fi
}

test_convert_with_calibration() {
  printf 'split\ttext\ntest\tone two\ntrain\ta b c d\ntrain\thello world\n' >texts.tsv
  "$bertrun" convert "$bert" -o model.bin --calibration texts.tsv --header --columns text \
    --where split=train --equalize auto --rounding gptq 2>log
  grep -q 'calibrating with 2 of 2 texts' log
  grep -q 'equalizing encoder.layer.0.attention.self.query.weight: alpha 0' log
  grep -q 'rounding encoder.layer.0.output.dense.weight' log
  shows '"stored_dtype": "int8"' "$bertrun" info model.bin --json
  expect 1 'need calibration texts' "$bertrun" convert "$bert" -o x.bin --equalize 0.5
  expect 1 '/nowhere: cannot open' "$bertrun" convert "$bert" -o x.bin --equalize 0.5 --calibration /nowhere
  expect 1 'int8 already' "$bertrun" convert model.bin -o x.bin --equalize 0.5 --calibration texts.tsv
  [[ ! -e x.bin ]]
}

test_calibrate() {
  local observer
  "$bertrun" convert "$bert" -o f32.bin --dtype f32
  for observer in minmax percentile entropy; do
    printf 'one two\na b c d\n' |
      "$bertrun" calibrate --model f32.bin --data - --observer $observer -o static.bin
    shows 'activations static' "$bertrun" info static.bin
    "$bertrun" --model static.bin hello >/dev/null
    cp static.bin $observer.bin
  done
  printf 'one two\na b c d\n' | "$bertrun" calibrate --model f32.bin --data - -o static.bin
  cmp static.bin minmax.bin || fail 'minmax is the default'
}

test_bench_json() {
  "$bertrun" bench --model "$bert" --shapes 1x8,2x4 --seconds 0.01 --json | tr -d ' \n' >out
  grep -q '"precision":"f32","ceiling_gops":[0-9.e]*,"results":\[{"shape":"1x8","ms":{"min":' out
  grep -q '"tokens_per_s":[0-9.e]*,"ceiling_share":' out
}

test_bench_linear() {
  "$bertrun" bench --linear 100x65 --batch 1,9 --seconds 0.01 --threads 2 >out
  [ "$(grep -cE '^(1|9) +(f32|bf16|int8) +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ x +[0-9]+$' out)" = 6 ]
  grep -q '^linear 100x65, 2 threads, activations token$' out
  "$bertrun" bench --linear 768x768 --batch 3 --seconds 0.01 --activations batch --json |
    tr -d ' \n' >out
  grep -q '"in":768,"out":768,"threads":1,"activations":"batch","results":\[{"batch":3,' out
  grep -q '"precision":"int8","ms":{"median":[0-9.e-]*,"min":[0-9.e-]*},"gops":[0-9.]*,"speedup":[0-9.]*,"weight_bytes":589824}' out
  expect 1 'num_in: 70000 is not in 1..65536' "$bertrun" bench --linear 70000x1
}

test_bench_profile() {
  shows '^ +attention' "$bertrun" bench --model "$bert" --shapes 1x8 --seconds 0.01 --profile
}

test_info() {
  shows '^architecture  *BertForSequenceClassification$' "$bertrun" info "$classifier"
  grep -q '^labels .*red, green, blue, grey, pink$' out
  "$bertrun" convert "$classifier" -o model.bin
  shows '"stored_dtype": "int8"' "$bertrun" info model.bin --json
  shows 'int8 scales      weights per-channel, activations token' "$bertrun" info model.bin
}

test_verify_names_what_is_not_finite() {
  shows '^fine: [0-9]* tensors, every value finite$' "$bertrun" info "$bert" --verify
  copy_model
  printf '\0\0\300\177' | # NaN, over the last value of the last tensor
    dd of=model/model.safetensors bs=1 seek=$(($(stat -c %s model/model.safetensors) - 4)) conv=notrunc status=none
  expect 1 '1 of [0-9]* tensors have values that are not finite' "$bertrun" info model --verify
  grep -q '^pooler.dense.weight: values that are NaN or infinite: 1$' out
  expect 1 'pooler.dense.weight.* not finite' "$bertrun" convert model -o result.bin
  expect 2 'not with --weights' "$bertrun" info "$bert" --verify --weights
}

test_keep() {
  "$bertrun" convert "$classifier" -o model.bin --keep bf16 'encoder.layer.0.attention.*' pooler.dense --keep f32 classifier
  shows '^runs in          int8' "$bertrun" info model.bin
  grep -q '^kept layers      bf16: encoder.layer.0.attention.self.query$' out
  grep -q '^                 f32: classifier$' out
  [[ $(grep -c 'bf16: \|f32: ' out) == 6 ]]
  shows '"pooler.dense": "bf16"' "$bertrun" info model.bin --json
  expect 1 'keep: no linear layer.s name matches "encoder.layer.9' "$bertrun" convert "$bert" -o x.bin --keep bf16 'encoder.layer.9.*'
  expect 1 'keep classifier: dtype 0 is no float' "$bertrun" convert "$classifier" -o x.bin --keep int8 classifier
  expect 2 '--keep: names no layer' "$bertrun" convert "$bert" --keep bf16 -o x.bin
}

# ------------------------------------------------------------------------------------- tasks

test_named_entities() {
  local ner=("$bertrun" --model "$BERTRUN_GOLDEN/tiny/bert-ner")
  shows '^   0  [a-z]*  *0\.[0-9]*  0-[37]  The' "${ner[@]}" --aggregation max 'The cat'
  shows '"entities": \[{"label": "[BI]-[a-z]*", "score": 0\.[0-9]*, "text": "the", "start": 0, "end": 3, "byte_start": 0, "byte_end": 3}' \
    "${ner[@]}" --aggregation none --format jsonl 'the cat'
  shows '"windows": 2' "${ner[@]}" --truncation stride --stride 2 --max-length 8 --format jsonl \
    'the cat sat on the mat and so on'
  printf '{"text": "so", "id": "x1"}\n{"text": "the cat", "id": 7}\n' >in.jsonl
  shows '^   1  7  [a-z]*  *0\.[0-9]*  [04]-' \
    "${ner[@]}" --input in.jsonl --input-format jsonl --id-field id
  shows '^{"index": 1, "id": 7, .*"entities": ' \
    "${ner[@]}" --input in.jsonl --input-format jsonl --id-field id --format jsonl
  expect 2 '--format npy: entities are no array' "${ner[@]}" --format npy x
  expect 2 '--aggregation: only with --task ner' "$bertrun" --model "$bert" --aggregation max x
  expect 2 "--aggregation: 'min' is none of" "${ner[@]}" --aggregation min x
}

test_answers() {
  local answer=("$bertrun" --model "$BERTRUN_GOLDEN/tiny/bert-answer")
  [[ $("${answer[@]}" --question 'who?' --top-k 2 'the man sat on the mat' | wc -l) == 2 ]]
  "${answer[@]}" --question 'who?' --format jsonl 'the man' >question.txt
  printf 'who?\tthe man\n' | "${answer[@]}" --pair --format jsonl >pair.txt
  cmp question.txt pair.txt || fail "a question and a pair differ"
  shows '"answers": \[{"score": 0\.[0-9]*, "text": "' cat pair.txt
  shows '^   0  0\.[0-9]*  0-0  \(no answer\)$' "${answer[@]}" --question 'who?' --no-answer \
    --top-k 99 'the man'
  # Of many windows: no text twice, whatever its case, and the best first.
  "${answer[@]}" --question 'who?' --top-k 99 --max-length 12 --stride 4 --format jsonl \
    "$(printf 'The man sat on a mat. the Cat and THE cat%.0s' {1..200})" >many.txt 2>notes
  grep -o '"text": "[^"]*"' many.txt | tr '[:upper:]' '[:lower:]' | sort | uniq -d >twice
  [[ ! -s twice && $(grep -o '"text"' many.txt | wc -l) == 65 ]] || fail "$(cat twice)"
  grep -o '"score": [^,]*' many.txt | cut -d ' ' -f 2 | sort -c -g -r
  expect 1 'line 1: a question and its context are a pair' "${answer[@]}" 'the man'
  expect 1 "arguments: line 1: the first text's 10 tokens leave no room for the other one" \
    "${answer[@]}" --max-length 6 --question 'who sat on the mat and so on' 'the man'
  expect 1 'line 1: a window holds 1 tokens of the text, which must be more than stride, 3' \
    "${answer[@]}" --max-length 8 --stride 3 --question 'who sat' 'the man sat on the mat'
  expect 2 '--question: not together with --pair' "${answer[@]}" --question who --pair x
  expect 2 '--truncation: not with --task answer' "${answer[@]}" --truncation error --question x y
  expect 2 '--question, --no-answer.*: only with --task answer' "$bertrun" --model "$bert" \
    --question x y
}

test_fill_mask() {
  local fill=("$bertrun" --model "$BERTRUN_GOLDEN/tiny/distilbert-mlm")
  [[ $("${fill[@]}" 'the [MASK] sat' | wc -l) == 5 ]]
  shows '"masks": \[{"token": 2, "start": 4, "end": 10, .*"fills": \[{"id": [0-9]*, "token": "' \
    "${fill[@]}" --top-k 1 --format jsonl 'the [MASK] sat'
  expect 1 'line 2: has no \[MASK\]' "${fill[@]}" 'a [MASK]' 'the man'
  expect 1 'task ner: DistilBertForMaskedLM has no such head; its own is for fill-mask' \
    "${fill[@]}" --task ner x
  expect 2 '--truncation stride: only with --task embed or ner' "${fill[@]}" --truncation stride x
  shows '^(NEXT|RANDOM) ' "$bertrun" --model "$BERTRUN_GOLDEN/tiny/bert-pretraining" \
    --task classify hello
}

test_labels_by_number_and_threshold() {
  local classify=("$bertrun" --model "$classifier")
  [[ $("${classify[@]}" --top-k 5 hello | grep -o '0\.[0-9]*' | sort -r) == \
     $("${classify[@]}" --top-k 5 hello | grep -o '0\.[0-9]*') ]] || fail "labels are not sorted"
  shows '"labels": \[\]' "${classify[@]}" --threshold 1.5 --format jsonl hello
  shows '"labels": \[{"label": "[a-z]*", "score": [0-9.]*, "logit": [-0-9.]*}\]' \
    "${classify[@]}" --top-k 1 --format jsonl hello
  shows '^[a-z]*  *-*[0-9.]*  hello$' "${classify[@]}" --logits hello
  expect 2 '--top-k: only with' "$bertrun" --model "$bert" --top-k 2 hello
  expect 2 "--threshold: 'x' is not a number" "${classify[@]}" --threshold x hello
}

test_rerank() {
  local rerank=("$bertrun" rerank --model "$BERTRUN_GOLDEN/tiny/bert-cross-encoder" --query 'the cat')
  "${rerank[@]}" --format jsonl 'a man' 'the mat' cat >out
  [[ $(wc -l <out) == 3 ]]
  grep -o '"score": [-0-9.]*' out | cut -d' ' -f2 >scores
  sort -gr scores | cmp - scores || fail "not sorted"
  [[ $("${rerank[@]}" --format jsonl --top-k 1 'a man' 'the mat' cat) == "$(head -1 out)" ]]
  printf 'a man\nthe mat\ncat\n' | "${rerank[@]}" --format jsonl | cmp - out
  [[ -z $("${rerank[@]}" </dev/null) ]] || fail "no documents, but results"
  shows '"results": \[' "${rerank[@]}" --format json --input /dev/null
  printf '{"text": "a man", "key": 7}\n' >docs.jsonl
  shows '"id": 7, "score"' "${rerank[@]}" --input docs.jsonl --input-format jsonl --id-field key \
    --format jsonl
  shows '"text": "a\\u0000b"' "${rerank[@]}" --format jsonl --input-format jsonl \
    --input <(echo '{"text": "a\u0000b"}')
  expect 2 '--query: missing' "$bertrun" rerank --model "$bert" x
  expect 2 '--model: missing, see bertrun rerank' "$bertrun" rerank --query x
  expect 2 '--pooling: not with bertrun rerank' "${rerank[@]}" --pooling mean x
  expect 2 '--question: not with bertrun rerank' "${rerank[@]}" --question x y
  expect 2 '--truncation stride: not with bertrun rerank' "${rerank[@]}" --truncation stride x
  printf 'a\n\nthe cat sat on the mat\n' >docs.txt
  expect 1 '^bertrun: docs.txt: line 3: 11 tokens are more than max_length, 8$' \
    "${rerank[@]}" --truncation error --max-length 8 --input docs.txt
  expect 1 'rerank needs a classifier of one label; BertModel has 0' \
    "$bertrun" rerank --model "$bert" --query x y
  expect 2 '--query: only with bertrun rerank' "$bertrun" --model "$bert" --query x y
}

# What is no UTF-8 becomes U+FFFD, one for each maximal subpart; nothing beside it is lost.
test_text_around_bad_bytes() {
  local bad=$'\xef\xbf\xbd'
  local rerank=("$bertrun" rerank --model "$BERTRUN_GOLDEN/tiny/bert-cross-encoder" --query $'K\xffln')
  local last=$'\xed\x9f\xbf \xee\x80\x80 \xe0\xa0\x80 \xf4\x8f\xbf\xbf' # around those that are none
  printf 'K\xc3\xb6ln \xff \0 \xe2\x82\xac.\n' >docs.txt
  shows $'"text": "K\xc3\xb6ln '"$bad"$' \\\\u0000 \xe2\x82\xac\\."' \
    "${rerank[@]}" --format jsonl --input docs.txt
  shows "\"query\": \"K${bad}ln\"" "${rerank[@]}" --format json --input docs.txt
  # cut short, a surrogate, overlong, beyond U+10FFFF
  shows "\"text\": \"a${bad}b $bad$bad$bad $bad$bad $bad$bad$bad$bad $last $bad\"" \
    "${rerank[@]}" --format jsonl \
    $'a\xe2\x82b \xed\xa0\x80 \xc0\x80 \xf4\x90\x80\x80 '"$last"$' \xf0\x9f\x98'
  shows $'  a    b \xc3\xb6$' "${rerank[@]}" $'a \xed\xa0\x80b \xc3\xb6'
}

# ----------------------------------------------------------------------------------- tokenize

# A vocabulary of its own, so that the ids are known.
make_vocabulary() {
  printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the un '##able' '!' café >vocab.txt
  printf '{"do_lower_case": true, "strip_accents": false}' >tokenizer_config.json
}

test_tokenize() {
  make_vocabulary
  local tokenize=("$bertrun" tokenize --model vocab.txt)
  shows '^2 5 6 7 8 3$' "${tokenize[@]}" 'The UNable!'
  shows '^\[CLS\] un ##able \[SEP\]$' "${tokenize[@]}" --tokens unable
  shows '^café:0-4 !:4-5$' "${tokenize[@]}" --no-special --tokens --offsets 'café!'
  shows '^0-5 5-6$' "${tokenize[@]}" --no-special --offsets=bytes 'café!'
  [[ $(printf 'the\tun !\n\n' | "${tokenize[@]}" 2>err) == $'2 5 6 8 3\n2 3' ]]
  [[ $(printf 'the\tun !\n' | "${tokenize[@]}" --pair) == '2 5 3 6 8 3' ]]
}

test_tokenize_truncation_and_windows() {
  make_vocabulary
  local tokenize=("$bertrun" tokenize --model vocab.txt)
  [[ $("${tokenize[@]}" --max-length 4 'the ! un' 2>err) == '2 5 8 3' ]]
  grep -q '^bertrun: 1 of 1 texts were longer than 4 tokens: 1 tokens were cut off$' err
  [[ $("${tokenize[@]}" --max-length 4 --truncation-side left 'the ! un' 2>err) == '2 8 6 3' ]]
  [[ $("${tokenize[@]}" --max-length 4 --stride 1 'the ! un' 2>err) == $'2 5 8 3\n2 8 6 3' ]]
  expect 1 'text 1: a window holds 2 tokens of the text, which must be more than stride, 2' "${tokenize[@]}" --max-length 4 --stride 2 'the ! un'
  expect 2 '--stride: needs --max-length' "${tokenize[@]}" --stride 2 the
}

test_tokenize_decode() {
  make_vocabulary
  local decode=("$bertrun" tokenize --model vocab.txt --decode)
  [[ $("${decode[@]}" '2 5 6 7 8 3' '[5, 9]') == $'[CLS] the unable! [SEP]\nthe café' ]]
  [[ $("${decode[@]}" --skip-special '2 5 3') == the ]]
  expect 1 'text 1: there is no id 10' "${decode[@]}" '5 10'
  expect 1 'text 1: not a list of ids' "${decode[@]}" the
}

test_tokenizer_of_another_kind_is_named() {
  printf '{"model": {"type": "BPE", "vocab": {}}}' >tokenizer.json
  expect 1 "tokenizer.json: its model is of type BPE; only BERT's WordPiece" \
    "$bertrun" tokenize --model tokenizer.json hello
}

test_bench_tokenizer() {
  make_vocabulary
  printf 'the unable\n\nthe!\n' >texts
  "$bertrun" bench --model vocab.txt --tokenizer texts --seconds 0.01 --json | tr -d ' \n' >out
  grep -q '"bytes":14,"lines":3,"tokens":11,' out
  grep -q '"mb_per_s":[0-9]' out
}

test_lm() {
  local folder=$BERTRUN_GOLDEN/tiny/lstm
  "$bertrun" convert "$folder" -o lstm.bin
  shows '^architecture  *LSTMModel$' "$bertrun" info lstm.bin
  shows '"vocab_size": 17' "$bertrun" info lstm.bin --json
  shows '^fine: [0-9]* tensors, every value finite$' "$bertrun" info lstm.bin --verify
  shows '^fine: [0-9]* tensors, every value finite$' "$bertrun" info "$folder" --verify
  printf 'the man sat on the mat .\nis it not so ?\n' >text
  shows '^words  *14, 1 of them not in the vocabulary$' \
    "$bertrun" lm --model lstm.bin --perplexity text --batch-size 2
  mv out long
  "$bertrun" lm --model lstm.bin --perplexity text --batch-size 2 --bptt 1 --threads 2 >short
  cmp long short
  "$bertrun" lm --model lstm.bin --perplexity - --batch-size 2 <text | cmp long -
  "$bertrun" lm --model lstm.bin --generate 8 --temperature 0.8 --seed 7 'the man' >first
  "$bertrun" lm --model lstm.bin --generate 8 --temperature 0.8 --seed 7 'the man' --threads 2 >second
  cmp first second
  [[ $(wc -w <first) == 8 ]]
  expect 1 'is a language model' "$bertrun" --model lstm.bin text
  expect 1 'lstm.bin: a language model has no tokenizer' "$bertrun" tokenize --model lstm.bin text
  expect 1 'lstm: a language model has no tokenizer' "$bertrun" bench --model "$folder" --tokenizer text
  "$bertrun" bench --model lstm.bin --shapes 2x3 --seconds 0.01 --json | tr -d ' \n' >out
  grep -q '"shape":"2x3","ms":{"min":[0-9.e-]*,"median":.*"calls":[0-9]*}' out
  expect 2 'a language model has none' "$bertrun" bench --model lstm.bin --profile
  expect 1 'too few for 10 columns' "$bertrun" lm --model lstm.bin --perplexity /dev/null
  expect 2 'either --perplexity or --generate' "$bertrun" lm --model lstm.bin
}

test_lm_start_of_many_words() {
  local generate=("$bertrun" lm --model "$BERTRUN_GOLDEN/tiny/lstm" --temperature 0 --generate)
  local start
  start=$(printf 'the man %.0s' {1..63})
  "${generate[@]}" 5 "$start" >whole
  "${generate[@]}" 2 "$start $(cut -d ' ' -f 1-3 whole)" | cmp - <(cut -d ' ' -f 4-5 whole)
  little "$bertrun" --version >out 2>&1 || skip 'needs a program without sanitizers'
  # 3000 x 20000 logits would be 240 MB
  python3 - <<'END'
import json, struct
words, size = 20000, 4
shapes = {"encoder.weight": [words, size], "decoder.weight": [words, size], "decoder.bias": [words]}
for name in "ih", "hh":
    shapes["rnn.weight_%s_l0" % name] = [4 * size, size]
    shapes["rnn.bias_%s_l0" % name] = [4 * size]
header, end = {}, 0
for name, shape in sorted(shapes.items()):
    count = shape[0] * (shape[1] if len(shape) == 2 else 1)
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + 4 * count]}
    end += 4 * count
header = json.dumps(header).encode()
open("model.safetensors", "wb").write(struct.pack("<Q", len(header)) + header + bytes(end))
json.dump({"ntoken": words, "ninp": size, "nhid": size, "nlayers": 1}, open("config.json", "w"))
open("vocab.txt", "w").writelines("w%d\n" % i for i in range(words))
END
  little "$bertrun" lm --model . --temperature 0 --generate 2 "$(printf 'w7 %.0s' {1..3000})" >out
  grep -qx 'w0 w0' out
}

test_lm_that_is_broken() {
  cp -r "$BERTRUN_GOLDEN/tiny/lstm" broken
  chmod -R u+w broken
  echo extra >>broken/vocab.txt
  expect 1 'vocab.txt: the vocabulary has 18 words, but the model .ntoken. 17' \
    "$bertrun" convert broken -o lstm.bin
  sed -i '$d' broken/vocab.txt
  sed -i 's/"nlayers": 2/"nlayers": 3/' broken/config.json
  expect 1 'tensor "rnn.weight_ih_l2" .or "lstm.weight_ih_l2". is missing' \
    "$bertrun" convert broken -o lstm.bin
  sed -i 's/"nlayers": 3/"nlayers": 2/' broken/config.json
  printf '\0\0\300\177' | # NaN, over the last value of the last tensor
    dd of=broken/model.safetensors bs=1 seek=$(($(stat -c %s broken/model.safetensors) - 4)) conv=notrunc status=none
  expect 1 '^bertrun: broken: its weights give logits that are not finite$' \
    "$bertrun" lm --model broken --generate 3 'the man'
  shows '^perplexity  *-*nan$' "$bertrun" lm --model broken --perplexity broken/vocab.txt
}

run_cases
