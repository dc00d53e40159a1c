#!/usr/bin/env python3
"""llama.cpp by its Python binding beside ftpipe, on a decoder of the true size of SmolLM-135M with random weights.

    peer_generate.py make MODEL.gguf                     writes the model, in Q8_0
    peer_generate.py peer MODEL.gguf THREADS WORK ...    llama.cpp alone
    peer_generate.py MODEL.gguf BENCH [--rounds N]       both, interleaved, as ratios; BENCH is bench_generate

A work is `prefill:TOKENS` or `decode:SEQUENCES`: rates of tokens a second, of one prompt's tokens and of 64 further tokens of
each of some sequences with 128 tokens before them. Both run the same ids and compute the logits behind the prompt and behind
every further token; nothing is sampled. Of llama.cpp the best of one and two threads, of batches of 512, and with and
without flash attention counts.

Needs numpy, and the package llama-cpp-python built for this machine (GGML_NATIVE).
"""

import argparse
import json
import statistics
import struct
import subprocess
import sys
import time

HIDDEN, LAYERS, HEADS, KEY_HEADS, MIDDLE, VOCABULARY = 576, 30, 9, 3, 1536, 49152  # HuggingFaceTB/SmolLM-135M, config.json
BEFORE, FURTHER = 128, 64
Q8_0, F32, TEXT, U32, F32_VALUE, ARRAY, I32 = 8, 0, 8, 4, 6, 9, 5


def text_of(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def values():
    """Keys and values, as llama.cpp wants them for a Llama without a tokenizer."""
    numbers = {"context_length": 2048, "embedding_length": HIDDEN, "block_count": LAYERS, "feed_forward_length": MIDDLE,
               "attention.head_count": HEADS, "attention.head_count_kv": KEY_HEADS, "vocab_size": VOCABULARY,
               "rope.dimension_count": HIDDEN // HEADS}
    yield text_of("general.architecture") + struct.pack("<I", TEXT) + text_of("llama")
    yield text_of("tokenizer.ggml.model") + struct.pack("<I", TEXT) + text_of("no_vocab")
    for name, number in numbers.items():
        yield text_of("llama." + name) + struct.pack("<II", U32, number)
    for name, number in (("attention.layer_norm_rms_epsilon", 1e-5), ("rope.freq_base", 10000.0)):
        yield text_of("llama." + name) + struct.pack("<If", F32_VALUE, number)


def tensors():
    """(name, outputs, inputs); of norms no outputs."""
    yield "token_embd.weight", VOCABULARY, HIDDEN
    for layer in range(LAYERS):
        base = "blk.%d." % layer
        yield base + "attn_norm.weight", 0, HIDDEN
        yield base + "attn_q.weight", HIDDEN, HIDDEN
        yield base + "attn_k.weight", HIDDEN // HEADS * KEY_HEADS, HIDDEN
        yield base + "attn_v.weight", HIDDEN // HEADS * KEY_HEADS, HIDDEN
        yield base + "attn_output.weight", HIDDEN, HIDDEN
        yield base + "ffn_norm.weight", 0, HIDDEN
        yield base + "ffn_gate.weight", MIDDLE, HIDDEN
        yield base + "ffn_up.weight", MIDDLE, HIDDEN
        yield base + "ffn_down.weight", HIDDEN, MIDDLE
    yield "output_norm.weight", 0, HIDDEN


def data_of(random, outputs, inputs):
    import numpy as np
    if not outputs:
        return np.ones(inputs, np.float32).tobytes()
    weights = (random.standard_normal((outputs, inputs // 32, 32)) / inputs ** 0.5).astype(np.float32)
    scales = (np.abs(weights).max(2) / 127).astype(np.float16)
    numbers = np.clip(np.rint(weights / scales.astype(np.float32)[:, :, None]), -127, 127).astype(np.int8)
    return np.concatenate([scales[:, :, None].view(np.int8), numbers], 2).tobytes()


def make(path):
    import numpy as np
    random = np.random.default_rng(5)
    keys, infos, blocks, offset = list(values()), [], [], 0
    for name, outputs, inputs in tensors():
        shape = (inputs, outputs) if outputs else (inputs,)
        infos.append(text_of(name) + struct.pack("<I%dQIQ" % len(shape), len(shape), *shape, Q8_0 if outputs else F32, offset))
        data = data_of(random, outputs, inputs)
        blocks.append(data + b"\0" * (-len(data) % 32))
        offset += len(blocks[-1])
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(keys)) + b"".join(keys) + b"".join(infos)
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % 32) + b"".join(blocks))


def id_of(sequence, place):
    """As bench_generate.c has them."""
    return (place * 7919 + sequence * 104729 + 11) % VOCABULARY


class Llama:
    def __init__(self, path, threads, flash):
        import llama_cpp
        self.lib = llama_cpp
        self.quiet = self.lib.llama_log_callback(lambda *_: None)  # Kept as long as the library may call it.
        self.lib.llama_log_set(self.quiet, None)
        self.lib.llama_backend_init()
        self.model = self.lib.llama_model_load_from_file(path.encode(), self.lib.llama_model_default_params())
        given = self.lib.llama_context_default_params()
        given.n_ctx, given.n_batch, given.n_ubatch, given.n_seq_max = 8192, 512, 512, 64
        given.n_threads = given.n_threads_batch = threads
        given.flash_attn_type = 1 if flash else 0
        given.kv_unified = True
        self.context = self.lib.llama_init_from_model(self.model, given)
        self.batch = self.lib.llama_batch_init(512, 0, 1)

    def run(self, rows):
        """Rows of (sequence, place, wants logits)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (sequence, place, wants) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = id_of(sequence, place), place, wants
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        if self.lib.llama_decode(self.context, batch) != 0:
            sys.exit("llama_decode failed")
        for i, (_, _, wants) in enumerate(rows):
            if wants:
                self.lib.llama_get_logits_ith(self.context, i)

    def clear(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def prefill(self, sequence, count):
        for first in range(0, count, 512):
            last = min(first + 512, count)
            self.run([(sequence, place, place + 1 == count) for place in range(first, last)])

    def rate(self, work):
        kind, number = work.split(":")
        count = int(number)
        self.clear()
        if kind == "prefill":
            start = time.perf_counter()
            self.prefill(0, count)
            return count / (time.perf_counter() - start)
        for sequence in range(count):
            self.prefill(sequence, BEFORE)
        start = time.perf_counter()
        for place in range(BEFORE, BEFORE + FURTHER):
            self.run([(sequence, place, True) for sequence in range(count)])
        return count * FURTHER / (time.perf_counter() - start)


def peer(path, threads, flash, works):
    llama = Llama(path, threads, flash)
    for work in works:
        llama.rate(work)
        print(json.dumps({"work": work, "rate": max(llama.rate(work) for _ in range(3))}), flush=True)


def rates_of(command):
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {line["work"]: line["rate"] for line in lines}


def compare(path, bench, rounds, works, threads):
    ours, theirs = {work: [] for work in works}, {work: [] for work in works}
    settings = [[str(n), flash] for n in range(1, threads + 1) for flash in ("0", "1")]
    for _ in range(rounds):
        for work, rate in rates_of([bench, path, str(threads)] + works).items():
            ours[work].append(rate)
        best = {}
        for setting in settings:
            for work, rate in rates_of([sys.executable, __file__, "peer", path] + setting + works).items():
                best[work] = max(best.get(work, (0, None)), (rate, setting))
        for work, (rate, setting) in best.items():
            theirs[work].append((rate, setting))
    for work in works:
        other = statistics.median(rate for rate, _ in theirs[work])
        mine = statistics.median(ours[work])
        print(json.dumps({"work": work, "ftpipe": round(mine, 1), "llama.cpp": round(other, 1), "ratio": round(mine / other, 3),
                          "threads, flash": max(theirs[work])[1], "rounds": rounds}), flush=True)


def main():
    if sys.argv[1:2] == ["make"]:
        return make(sys.argv[2])
    if sys.argv[1:2] == ["peer"]:
        return peer(sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1", sys.argv[5:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--works", default="prefill:512,decode:1,decode:4,decode:8,decode:32")
    given = parser.parse_args()
    return compare(given.model, given.bench, given.rounds, given.works.split(","), given.threads)


if __name__ == "__main__":
    sys.exit(main())
