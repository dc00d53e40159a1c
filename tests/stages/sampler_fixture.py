"""Makes sampler.json: what transformers' LogitsProcessors leave of random logits, with probabilities.

Run with a Python that has torch and transformers; test_sampler.c reads what it wrote.
"""
import json
import os

import torch
from transformers.generation.logits_process import (LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor,
                                                    TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)

SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.7},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 2.0, "top_k": 1},
    {"temperature": 1.0, "top_p": 0.9},
    {"temperature": 0.5, "top_p": 0.3},
    {"temperature": 1.5, "top_p": 0.01},
    {"temperature": 1.0, "min_p": 0.1},
    {"temperature": 3.0, "min_p": 0.5},
    {"temperature": 0.8, "top_k": 20, "top_p": 0.95},
    {"temperature": 1.2, "top_k": 10, "top_p": 0.8, "min_p": 0.05},
    {"temperature": 1.0, "repetition_penalty": 1.3},
    {"temperature": 0.9, "top_k": 8, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 0.8},
]


def main():
    torch.manual_seed(1)
    cases = []
    for number, settings in enumerate(SETTINGS * 2):
        logits = torch.round(torch.randn(40) * 3 * 1000) / 1000
        # Equal ones, also the greatest; of these top-p may keep any, as torch's sort leaves open.
        if number >= len(SETTINGS) and "top_p" not in settings:
            logits[7] = logits[3] = logits.max()
        seen = torch.randint(0, 40, (12,))
        steps = LogitsProcessorList()
        if "repetition_penalty" in settings:
            steps.append(RepetitionPenaltyLogitsProcessor(settings["repetition_penalty"]))
        steps.append(TemperatureLogitsWarper(settings["temperature"]))
        if "top_k" in settings:
            steps.append(TopKLogitsWarper(settings["top_k"]))
        if "top_p" in settings:
            steps.append(TopPLogitsWarper(settings["top_p"]))
        if "min_p" in settings:
            steps.append(MinPLogitsWarper(settings["min_p"]))
        probabilities = torch.softmax(steps(seen[None], logits[None].clone()).double(), -1)[0]
        cases.append({"logits": [round(x, 3) for x in logits.tolist()], "seen": seen.tolist(), **settings,
                      "probabilities": [round(x, 9) for x in probabilities.tolist()]})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sampler.json")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[" + ",\n".join(json.dumps(case) for case in cases) + "]\n")


main()
