#!/usr/bin/env python3
"""What `ftpipe bench tokenize` asks of other tokenizers, by the functions of tokenize_peers.py, whose folder is PEERS.

    peer_tokenize.py PEERS prepare FOLDER        # texts.jsonl, texts-cold.jsonl and VOCABULARY.json of each into FOLDER
    peer_tokenize.py PEERS check|cold|warm PEER VOCABULARY TOKENIZER TEXTS

Prints {"version": ..., "crc": of all ids} or {"version": ..., "mb_s": ...}. Warm: the library has seen the texts before.
Cold: each pass has a tokenizer of its own, whose making is not counted; one that is thrown away went before it, so that
what a library makes once a process is there.
"""

import array
import json
import os
import sys
import time
import zlib

COLD_MB, WARM_MB, LEAST_S, COLD_PASSES_MAX = 1, 4, 0.1, 4


def prepare(common, peers, folder):
    for name, megabytes in (("texts", WARM_MB), ("texts-cold", COLD_MB)):
        common.write_jsonl(common.sample_texts(megabytes, "en"), os.path.join(folder, name + ".jsonl"))
    for vocabulary in peers.VOCABS:
        peers.vocabulary_file(vocabulary, folder)


def one_pass(encode, texts, batch):
    for at in range(0, len(texts), batch):
        for ids in encode(texts[at:at + batch]):
            len(ids)


def timed(encode, texts, batch):
    start = time.perf_counter()
    one_pass(encode, texts, batch)
    return time.perf_counter() - start


def checksum(encode, texts, batch):
    """Of the ids of each text and a -1 behind them, as i32."""
    crc = 0
    for at in range(0, len(texts), batch):
        for ids in encode(texts[at:at + batch]):
            crc = zlib.crc32(array.array("i", [*map(int, ids), -1]).tobytes(), crc)
    return crc


def rate(way, load, texts, batch):
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    encode = load()[1]
    one_pass(encode, texts, batch)
    spent, passes = 0, 0
    while spent < LEAST_S and not (way == "cold" and passes == COLD_PASSES_MAX):
        if way == "cold":
            encode = load()[1]
        spent += timed(encode, texts, batch)
        passes += 1
    return megabytes * passes / spent


def main():
    folder, way = sys.argv[1:3]
    sys.path.insert(0, folder)
    import common
    import tokenize_peers as peers

    if way == "prepare":
        prepare(common, peers, sys.argv[3])
        return
    peer, vocabulary, tokenizer, texts_path = sys.argv[3:7]
    common.set_threads(1)
    with open(texts_path, encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]

    def load():
        return peers.LOADERS[peer](vocabulary, tokenizer, 1)
    answer = {"version": load()[0]}
    if way == "check":
        answer["crc"] = checksum(load()[1], texts, peers.BATCH)
    else:
        answer["mb_s"] = rate(way, load, texts, peers.BATCH)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
