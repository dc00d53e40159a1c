#!/usr/bin/env python3
"""Tokenizers beside their peers on one thread, interleaved: text that was not seen before, and text that was.

    tokenize_rates.py PEERS BENCH [--vocab gpt2,cl100k,llama3,llama2] [--mb 1] [--lang en] [--reps 7]

PEERS is the folder of tokenize_peers.py, whose vocabularies, texts and ways to call each peer are used; BENCH is the program
bench_tokenize. For "cold" each peer makes a new tokenizer before each pass; making it does not count, for none. For "warm" an
untimed pass over the same text has gone before. A round asks every peer for one pass of each kind; medians of all rounds are
printed, one JSON line a peer, and how often its ids are those of tokenizers 0.23. Run it on an idle machine.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile


def worker(spec):
    import common
    import tokenize_peers

    with open(spec["texts"], encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    batches = [texts[i:i + tokenize_peers.BATCH] for i in range(0, len(texts), tokenize_peers.BATCH)]
    load = tokenize_peers.LOADERS[spec["peer"]]
    version, kept, _ = load(spec["vocab"], spec["path"], 1)

    def one_pass(encode):
        return sum(len(ids) for batch in batches for ids in encode(batch))

    def answer(request):
        if request == "ids":
            return {"ids": [list(map(int, ids)) for batch in batches for ids in kept(batch)]}
        encode = load(spec["vocab"], spec["path"], 1)[1] if request == "cold" else kept
        gc.collect()
        wall, cpu, tokens = common.once(lambda: one_pass(encode))
        return {"seconds": min(wall, cpu), "tokens": tokens}
    common.serve({"version": version}, answer)


def start(peer, vocab, path, texts_path, folder):
    import common

    python = common.venv_python("venv-rc" if peer == "hf-rc" else "venv")
    spec = {"peer": peer, "vocab": vocab, "path": path, "texts": texts_path, "folder": folder}
    return common.Worker(os.path.abspath(__file__), spec, python=python, cpu=common.last_cpu())


def ask_bench(bench, path, texts_path):
    import common

    done = subprocess.run(["taskset", "-c", str(common.last_cpu()), bench, path, texts_path], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def measure(vocab, options, texts, scratch):
    import common
    import tokenize_peers

    path = tokenize_peers.vocabulary_file(vocab, scratch)
    texts_path = os.path.join(scratch, "texts.jsonl")
    common.write_jsonl(texts, texts_path)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    names = [peer for peer in tokenize_peers.VOCABS[vocab][1].split() if peer in tokenize_peers.LOADERS and "cold" not in peer]
    peers = {peer: start(peer, vocab, path, texts_path, options.peers) for peer in names}
    ids = {peer: peers[peer].ask("ids")["ids"] for peer in peers}
    rates = {peer: {"cold": [], "warm": []} for peer in [*names, "ours"]}
    for _ in range(options.reps):
        for peer in peers:
            for kind in ("cold", "warm"):
                rates[peer][kind].append(megabytes / peers[peer].ask(kind)["seconds"])
        ours = ask_bench(options.bench, path, texts_path)
        for kind in ("cold", "warm"):
            rates["ours"][kind].append(ours[kind + "_mb_s"])
    medians = {peer: {kind: statistics.median(values) for kind, values in kinds.items()} for peer, kinds in rates.items()}
    for peer, kinds in rates.items():
        line = {"vocab": vocab, "peer": peers[peer].hello["version"] if peer in peers else ours["work"],
                "mb": round(megabytes, 2), "lang": options.lang, "cpu": common.cpu_model(), "reps": options.reps}
        for kind, values in kinds.items():
            line[kind] = round(medians[peer][kind], 1)
            line[kind + "_range"] = [round(min(values), 1), round(max(values), 1)]
            line["ours_" + kind + "_ratio"] = round(medians["ours"][kind] / medians[peer][kind], 2)
        if peer in peers:
            line["same_texts"] = sum(map(list.__eq__, ids[peer], ids["hf"])) / len(texts)
        print(json.dumps(line), flush=True)
    for peer in peers.values():
        peer.close()


def main():
    if sys.argv[1:2] == ["--worker"]:
        spec = json.loads(sys.argv[2])
        sys.path.insert(0, spec["folder"])
        worker(spec)
        return
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("peers", type=os.path.abspath)
    arguments.add_argument("bench", type=os.path.abspath)
    arguments.add_argument("--vocab", default="gpt2,cl100k,llama3,llama2")
    arguments.add_argument("--mb", type=float, default=1)
    arguments.add_argument("--lang", default="en", help="language of the documents, or all")
    arguments.add_argument("--reps", type=int, default=7)
    options = arguments.parse_args()
    sys.path.insert(0, options.peers)
    import common

    common.enter_venv()
    texts = common.sample_texts(options.mb, None if options.lang == "all" else options.lang)
    for vocab in options.vocab.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            measure(vocab, options, texts, scratch)


if __name__ == "__main__":
    main()
